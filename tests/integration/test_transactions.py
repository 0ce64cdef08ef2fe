"""Transactions on Apache Kafka: all or nothing, and nothing by whoever was superseded."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterable, Iterator

import pytest
from aiokafka.errors import CommitFailedError, ProducerFenced
from prometheus_client import CollectorRegistry

from agents.batches import Abandoned, Record, Uncertain
from agents.delivery import Delivery
from agents.metrics import Metrics
from agents.outbox import Outbox
from agents.transactions import Transactions, Unsupported
from deploy.embedded import EmbeddedBroker
from schemas.errors import BrokerError
from schemas.topics import Topics
from tests.cluster import committed, read_all, wait_for
from tests.integration.test_outbox import always, small


async def ours(partitions: Iterable[int]) -> dict[int, int | None]:
    """A coordinator that confirms, and has nothing committed."""
    return dict.fromkeys(partitions)


async def not_ours(partitions: Iterable[int]) -> dict[int, int | None]:
    """A coordinator that knows us no more."""
    raise CommitFailedError


def transactions(bootstrap: str, topics: Topics, confirm: object = ours) -> Transactions:
    """Transactions of the group that the topics are named after."""
    metrics = Metrics(CollectorRegistry(), [])
    return Transactions(bootstrap, f"{topics.prefix}-group", topics.touchpoints, metrics, confirm)  # type: ignore[arg-type]


def record(topics: Topics, value: bytes) -> Record:
    """A decision."""
    return Record(topics.decisions, 0, b"ann", value, [])


def values(bootstrap: str, topics: Topics) -> list[bytes]:
    """The committed decisions."""
    return [each.value for each in read_all(bootstrap, topics.decisions)]


def test_records_and_offset_are_committed_together(kafka: str, topics: Topics) -> None:
    """What a commit returns from stands on the topics, and the group stands behind it."""

    async def commit() -> list[dict[str, int]]:
        mine = transactions(kafka, topics)
        try:
            await mine.open([0])
            first = await mine.commit(0, [record(topics, b"1"), record(topics, b"2")], 2, always)
            return [first, await mine.commit(0, [record(topics, b"3")], 3, always)]
        finally:
            await mine.close()

    offsets = asyncio.run(commit())

    # The mark of the first transaction takes an offset too.
    assert offsets == [{topics.decisions: 1}, {topics.decisions: 3}]
    assert values(kafka, topics) == [b"1", b"2", b"3"]
    wait_for(lambda: committed(kafka, f"{topics.prefix}-group") == 3, "the mark on the group's offset")


def test_whoever_was_superseded_writes_nothing(
    kafka: str, topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in a new transaction, nor in one that is under way when the successor comes; it ends quietly."""

    async def commit() -> None:
        before, after = transactions(kafka, topics), transactions(kafka, topics)
        try:
            await before.open([0])
            await before.commit(0, [record(topics, b"before")], 1, always)
            await after.open([0])
            with pytest.raises(Abandoned):
                await before.commit(0, [record(topics, b"too late")], 2, always)
            await after.commit(0, [record(topics, b"after")], 2, always)
        finally:
            await before.close()
            await after.close()

    asyncio.run(commit())

    gc.collect()
    assert "never retrieved" not in caplog.text
    assert values(kafka, topics) == [b"before", b"after"]
    wait_for(lambda: committed(kafka, f"{topics.prefix}-group") == 2, "the mark on the group's offset")


class Ended(list[Record]):
    """Records; when first looked at, the producer hears that its transaction is over."""

    def __init__(self, records: Iterable[Record], end: Callable[[], None]) -> None:
        super().__init__(records)
        self._ends = [end]

    def __iter__(self) -> Iterator[Record]:
        while self._ends:
            self._ends.pop()()
        return super().__iter__()


def test_a_transaction_that_ends_between_two_records_is_tried_again(kafka: str, topics: Topics) -> None:
    """A frozen worker wakes in the midst of a run, and its producer has heard by then that it was fenced."""

    async def commit() -> dict[str, int]:
        mine = transactions(kafka, topics)
        try:
            await mine.open([0])
            producer = mine._producers[0]

            def end() -> None:
                assert producer._txn_manager is not None
                producer._txn_manager.fatal_error(ProducerFenced())

            return await mine.commit(0, Ended([record(topics, b"1")], end), 1, always)
        finally:
            await mine.close()

    assert asyncio.run(commit()) == {topics.decisions: 0}
    assert values(kafka, topics) == [b"1"]


def test_who_is_no_member_any_more_writes_nothing(kafka: str, topics: Topics) -> None:
    """Opening the id is not enough: the group's coordinator has to say that the partition is ours."""

    async def open_it() -> None:
        mine = transactions(kafka, topics, not_ours)
        try:
            await mine.open([0])
        finally:
            await mine.close()

    with pytest.raises(Abandoned):
        asyncio.run(open_it())
    assert values(kafka, topics) == []


def test_what_is_given_up_is_never_seen(kafka: str, topics: Topics) -> None:
    """A transaction that is cancelled or abandoned leaves nothing behind, and the next one goes through."""

    async def commit() -> int:
        mine = transactions(kafka, topics)
        done = 0
        try:
            await mine.open([0])
            for millis in (0, 2, 5):
                task = asyncio.create_task(mine.commit(0, [record(topics, b"cancelled")], 1, always))
                await asyncio.sleep(millis / 1000)
                task.cancel()
                await asyncio.wait({task})
                done += not task.cancelled()
            with pytest.raises(Abandoned):
                await mine.commit(0, [record(topics, b"abandoned")], 1, lambda: False)
            await mine.commit(0, [record(topics, b"kept")], 1, always)
        finally:
            await mine.close()
        return done

    # On a very fast machine, one may be through before it is cancelled.
    done = asyncio.run(commit())

    assert values(kafka, topics) == [*[b"cancelled"] * done, b"kept"]


def test_a_lost_answer_is_no_second_transaction(kafka: str, topics: Topics) -> None:
    """If a commit went through and its answer did not, the group's offset tells; nothing is sent again."""
    answers: list[int | None] = [None, 1]

    async def confirm(partitions: Iterable[int]) -> dict[int, int | None]:
        return dict.fromkeys(partitions, answers.pop(0))

    async def commit() -> None:
        mine = transactions(kafka, topics, confirm)
        try:
            await mine.open([0])
            producer = mine._producers[0]
            commit_transaction = producer.commit_transaction

            async def without_answer() -> None:
                await commit_transaction()
                raise ConnectionResetError

            producer.commit_transaction = without_answer
            assert await mine.commit(0, [record(topics, b"once")], 1, always) == {topics.decisions: 0}
        finally:
            await mine.close()

    asyncio.run(commit())

    assert values(kafka, topics) == [b"once"]


def test_without_an_offset_a_lost_answer_stays_unknown(kafka: str, topics: Topics) -> None:
    """Where no offset tells whether it went through, it is not tried again but said; the next one goes."""

    async def commit() -> None:
        mine = transactions(kafka, topics, ours)
        try:
            await mine.open([0])
            producer = mine._producers[0]
            commit_transaction = producer.commit_transaction

            async def without_answer() -> None:
                await commit_transaction()
                raise ConnectionResetError

            producer.commit_transaction = without_answer
            with pytest.raises(Uncertain):
                await mine.commit(0, [record(topics, b"once")], None, always)
            await mine.commit(0, [record(topics, b"next")], None, always)
        finally:
            await mine.close()

    asyncio.run(commit())

    assert values(kafka, topics) == [b"once", b"next"]


def test_a_record_too_large_for_its_batch_goes_alone(kafka: str, topics: Topics) -> None:
    """What a topic refuses as a batch is sent singly in the next transaction, in order and once."""
    name = small(kafka, 1_000)
    wanted = [b"%d" % n * 400 for n in range(5)]

    async def commit() -> None:
        mine = transactions(kafka, topics)
        try:
            await mine.open([0])
            await mine.commit(0, [Record(name, 0, None, value, []) for value in wanted], None, always)
        finally:
            await mine.close()

    asyncio.run(commit())

    assert [each.value for each in read_all(kafka, name)] == wanted


def test_the_embedded_broker_has_none(embedded: EmbeddedBroker) -> None:
    """It says so when asked; then exactly once is refused in one line, and at least once goes on."""
    topics = Topics("t.cx")
    metrics = Metrics(CollectorRegistry(), [])

    async def ask() -> tuple[list[str], bool]:
        theirs = transactions(embedded.bootstrap, topics)
        with pytest.raises(Unsupported):
            await theirs.open([0])
        outbox = Outbox(embedded.bootstrap, "test", metrics)
        with pytest.raises(BrokerError) as refused:
            await Delivery("exactly-once", outbox, theirs).open([0])
        relaxed = Delivery("at-least-once", outbox, theirs)
        await relaxed.open([0])
        return str(refused.value).split(", which"), relaxed.transactional

    reason, stays = asyncio.run(ask())

    assert reason[0] == "this broker has no transactions"
    assert stays is False
