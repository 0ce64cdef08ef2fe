"""Tripwires: what the fast lane takes from Faust's inside is still as it was taken.

Each test fails when a new Faust changes something that agents/lane.py stands on; read that
module's docstring before mending.
"""

from __future__ import annotations

import asyncio
import inspect
from importlib.metadata import version
from threading import active_count
from types import SimpleNamespace
from typing import Any, NamedTuple

import faust
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.cluster import ClusterMetadata
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import CommitFailedError, KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import OffsetAndMetadata
from faust.transport import consumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import threads

from agents.lane import (
    End,
    Fetched,
    LaneConsumer,
    LaneReader,
    LaneRecords,
    Run,
    _in_turn,
    as_parsed,
    is_compiled,
    use_lane,
)


def test_faust_is_the_one_that_was_read() -> None:
    """The version is one whose inside was looked at."""
    assert version("faust-streaming").split(".")[:2] == ["0", "15"]


def test_the_compiled_parts_are_there() -> None:
    """On this platform Faust comes with its compiled stream iterator."""
    assert is_compiled()


def test_records_are_fetched_as_before() -> None:
    """`getmany` still gets records and active partitions from one call, and yields messages."""
    source = inspect.getsource(consumer.Consumer.getmany)

    assert list(inspect.signature(consumer.Consumer.getmany).parameters) == ["self", "timeout"]
    assert "records, active_partitions = await self._wait_next_records(timeout)" in source
    assert "self._buffered_partitions" in source


def test_messages_are_made_as_before() -> None:
    """A message is made of a partition and a record, and knows the generation it was read in."""
    source = inspect.getsource(driver.Consumer._to_message)

    assert list(inspect.signature(driver.Consumer._to_message).parameters) == ["self", "tp", "record"]
    assert "generation_id=self.app.consumer_generation_id" in source


def test_offsets_are_found_as_before() -> None:
    """A commit still asks `_new_offset` for each partition, which goes by what `ack` has noted."""
    assert "await self._add_gap(tp, r_offset + 1, offset)" in inspect.getsource(
        consumer.Consumer._drain_messages
    )
    assert "self._new_offset(tp)" in inspect.getsource(consumer)
    assert "acked_for_tp.append(offset)" in inspect.getsource(consumer.Consumer.ack)


def test_the_offset_after_the_latest_run_is_committed() -> None:
    """However many runs were acked since the last commit, one commit covers them all."""
    acked: dict[TP, list[int]] = {TP("t", 0): [499, 999, 1_480], TP("t", 1): []}
    lane = object.__new__(LaneConsumer)
    lane._acked = acked
    lane._acked_index = {TP("t", 0): {499, 999, 1_480}, TP("t", 1): set()}

    assert lane._new_offset(TP("t", 0)) == 1_481
    assert lane._new_offset(TP("t", 0)) is None
    assert lane._new_offset(TP("t", 1)) is None


def test_acks_pass_the_consumer() -> None:
    """An ack still ends in `Consumer.ack(message)`, where stale ones are refused."""
    assert list(inspect.signature(consumer.Consumer.ack).parameters) == ["self", "message"]


def test_the_reader_is_made_as_faust_makes_its_thread() -> None:
    """The consumer still makes its thread by a method of its own, and the thread commits by `_commit`."""
    assert "AIOKafkaConsumerThread(self, loop=self.loop" in inspect.getsource(
        driver.Consumer._new_consumer_thread
    )
    assert list(inspect.signature(driver.AIOKafkaConsumerThread._commit).parameters) == ["self", "offsets"]
    assert "self.crash(exc)" in inspect.getsource(driver.AIOKafkaConsumerThread._commit)
    assert issubclass(LaneReader, driver.AIOKafkaConsumerThread)


def test_the_reader_lives_in_the_loop_of_the_worker() -> None:
    """It is started as Faust starts its thread; there is no other thread, and no other event loop."""
    served = inspect.getsource(threads.ServiceThread._serve)
    assert "notify, self._thread_running" in served
    assert "await self._gather_remaining_tasks()" in served
    assert "self._thread_started.set()" in inspect.getsource(threads.ServiceThread.start)

    async def looked() -> tuple[bool, int]:
        app = faust.App("lane-test", broker="kafka://127.0.0.1:1", topic_disable_leader=True)
        use_lane(app, ["127.0.0.1:1"], {"cx.touchpoints.v1": 4}, 250)
        reader: Any = app.consumer._thread  # type: ignore[attr-defined]
        before = active_count()
        with pytest.raises(KafkaError):
            await reader.start()
        return reader.thread_loop is asyncio.get_running_loop(), active_count() - before

    assert asyncio.run(looked()) == (True, 0)


def test_the_wait_of_a_fetch_is_where_it_was() -> None:
    """Still, aiokafka takes the wait when it starts, from the attribute that the lane sets."""
    assert "fetch_max_wait_ms=1500" in inspect.getsource(
        driver.AIOKafkaConsumerThread._create_worker_consumer
    )
    assert "fetch_max_wait_ms=self._fetch_max_wait_ms" in inspect.getsource(AIOKafkaConsumer.start)


def test_the_transport_can_be_set() -> None:
    """An app takes the lane's transport, whose consumer reads the named topics in runs."""

    async def app_with_lane() -> Any:
        app = faust.App("lane-test", broker="kafka://127.0.0.1:1", topic_disable_leader=True)
        use_lane(app, ["127.0.0.1:1"], {"cx.touchpoints.v1": 4}, 250)
        return app.transport

    transport = asyncio.run(app_with_lane())

    assert issubclass(transport.Consumer, LaneConsumer)
    assert transport.Consumer.run_topics == {"cx.touchpoints.v1"}
    assert transport.Consumer.run_length == 250


def test_partitions_are_assigned_without_metadata() -> None:
    """A leader whose metadata lack the topic, as right after a broker's start, assigns all partitions."""

    async def assigned() -> dict[str, list[tuple[str, list[int]]]]:
        app = faust.App("lane-test", broker="kafka://127.0.0.1:1", topic_disable_leader=True)
        use_lane(app, ["127.0.0.1:1"], {"cx.touchpoints.v1": 4}, 250)
        # What aiokafka is given, and not what Faust has: it is not always the same.
        client: Any = app.consumer._thread._create_worker_consumer(app.transport)  # type: ignore[attr-defined]
        (assignor,) = client._partition_assignment_strategy
        metadata = assignor.metadata({"cx.touchpoints.v1"})
        assignments = assignor.assign(ClusterMetadata(), {"one": metadata, "two": metadata})
        return {member: each.assignment for member, each in assignments.items()}

    shares = asyncio.run(assigned())

    partitions = [part for share in shares.values() for topic, parts in share for part in parts]
    assert sorted(partitions) == [0, 1, 2, 3]
    assert [len(parts) for share in shares.values() for _, parts in share] == [2, 2]


def test_records_are_handed_out_as_parsed() -> None:
    """The worker's reader takes parsed records themselves; any other consumer gets what aiokafka makes."""
    batch = BatchBuilder(1 << 16, 0, is_transactional=False)
    for number in (1, 2):
        batch.append(timestamp=1_700 + number, key=b"ann", value=b"%d" % number, headers=[("a", b"b")])
    written = bytes(batch._build())

    def read(deserializer: Any) -> list[Any]:
        use_lane(
            faust.App("lane-test", broker="kafka://127.0.0.1:1", topic_disable_leader=True),
            ["127.0.0.1:1"],
            {"cx.touchpoints.v1": 4},
            250,
        )
        tp = TopicPartition("cx.touchpoints.v1", 3)
        parsed = fetcher.PartitionRecords(tp, MemoryRecords(written), [], 0, deserializer, None, True, 1)
        return list(parsed)

    ours, theirs = read(as_parsed), read(None)

    assert [type(each).__name__ for each in ours] == ["DefaultRecord", "DefaultRecord"]
    assert [type(each).__name__ for each in theirs] == ["ConsumerRecord", "ConsumerRecord"]
    for name in ("offset", "timestamp", "key", "value"):
        assert [getattr(each, name) for each in ours] == [getattr(each, name) for each in theirs]
    assert [list(each.headers) for each in ours] == [[("a", b"b")], [("a", b"b")]]


def test_the_reader_asks_for_records_as_parsed() -> None:
    """Still, aiokafka takes the deserializer when it starts, and makes records by a name that we replace."""
    assert "key_deserializer=self._key_deserializer" in inspect.getsource(AIOKafkaConsumer.start)
    assert "PartitionRecords(" in inspect.getsource(Fetcher._proc_fetch_request)
    assert "self._consumer_record(tp, record)" in inspect.getsource(LaneRecords._unpack_records)


@pytest.mark.parametrize(
    ("before", "after", "ours"), [(3, 3, True), (-1, -1, False), (3, -1, False), (3, 4, False)]
)
def test_who_was_put_out_of_the_group_is_not_confirmed(before: int, after: int, ours: bool) -> None:
    """Though the commit goes through: a group that has no members any more takes it from anyone."""
    assert "self.generation = OffsetCommitRequest.DEFAULT_GENERATION_ID" in inspect.getsource(
        GroupCoordinator.reset_generation
    )
    assert "self.generation,\n" in inspect.getsource(GroupCoordinator._do_commit_offsets)
    place = TopicPartition("t", 0)
    coordinator = SimpleNamespace(generation=before)

    async def committed(_: TopicPartition) -> int:
        return 7

    async def commit(offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
        assert offsets == {place: OffsetAndMetadata(7, "")}
        coordinator.generation = after

    reader = object.__new__(LaneReader)
    reader._consumer = SimpleNamespace(_coordinator=coordinator, committed=committed, commit=commit)

    if ours:
        assert asyncio.run(reader.confirm([TP("t", 0)])) == {place: 7}
    else:
        with pytest.raises(CommitFailedError):
            asyncio.run(reader.confirm([TP("t", 0)]))


def test_only_committed_records_are_read() -> None:
    """Still, aiokafka takes the isolation level when it starts, from the attribute that the lane sets."""
    assert "isolation_level=self._isolation_level" in inspect.getsource(AIOKafkaConsumer.start)


def test_the_assignor_is_taken_when_a_client_starts() -> None:
    """As the isolation level is, from the attribute that the lane sets."""
    assert "assignors=self._partition_assignment_strategy" in inspect.getsource(AIOKafkaConsumer.start)


class Record(NamedTuple):
    """A record, as far as runs go."""

    offset: int


def test_a_full_partition_starves_no_other() -> None:
    """Runs come one of each partition in turn; other topics come record by record."""
    fetched = Fetched(
        {
            TP("t", 0): [Record(offset) for offset in (1, 2, 3, 4, 5)],
            TP("t", 1): [Record(6)],
            TP("other", 0): [Record(7), Record(8)],
        }
    )
    fetched.follows = {}

    assert [
        (tp, [record.offset for record in run]) for tp, run in _in_turn(fetched, frozenset({"t"}), 2)
    ] == [
        (TP("t", 0), [1, 2]),
        (TP("t", 1), [6]),
        (TP("other", 0), [7]),
        (TP("t", 0), [3, 4]),
        (TP("other", 0), [8]),
        (TP("t", 0), [5]),
    ]


def test_each_run_names_the_record_before_it() -> None:
    """Runs of a partition form a chain, across fetches too, so that one that is lost leaves a gap."""
    fetched = Fetched({TP("t", 0): [Record(7), Record(9), Record(10)], TP("t", 1): [Record(0)]})
    fetched.follows = {TP("t", 0): 4}

    runs = [run for _, run in _in_turn(fetched, frozenset({"t"}), 2) if isinstance(run, Run)]

    assert [(run.follows, run.last) for run in runs] == [(4, 9), (None, 0), (9, 10)]


def test_where_a_partition_ends_is_where_it_was() -> None:
    """Still, aiokafka notes with each fetch where a partition ends, and when it was told so."""
    noted = inspect.getsource(Fetcher)

    for name in ("highwater = highwater", "lso = lso", "timestamp = now_ms"):
        assert f"tp_state.{name}" in noted
    assert "now_ms = int(1000 * time.time())" in noted
    assert inspect.iscoroutinefunction(AIOKafkaConsumer.position)


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({}, End(1_000, 3, 9)),
        ({"_position": 11}, None),
        ({"_position": None}, None),
        ({"timestamp": None}, None),
        ({"lso": 14, "highwater": 14}, None),
        ({"highwater": 14}, End(1_000, 3, 9)),
        ({"lso": -1}, End(1_000, 3, 9)),
        ({"lso": None, "highwater": 13}, None),
    ],
)
def test_a_partition_is_at_its_end_when_all_that_is_committed_was_fetched(
    changes: dict[str, Any], end: End | None
) -> None:
    """By the last stable offset, or where the broker knows none by the last; not before it was asked."""
    place, other = TopicPartition("t", 0), TopicPartition("t", 1)

    async def ends() -> dict[TP, End]:
        subscriptions = SubscriptionState()
        subscriptions.subscribe({"t"})
        subscriptions.assign_from_subscribed({place})
        state = subscriptions.subscription.assignment.state_value(place)
        state.seek(12)
        for name, value in ({"highwater": 12, "lso": 12, "timestamp": 1_000} | changes).items():
            setattr(state, name, value)
        thread = object.__new__(LaneReader)
        thread.epoch, thread.closed, thread._fetched = 3, False, {TP("t", 0): 9}
        thread._consumer = SimpleNamespace(_subscription=subscriptions)
        return thread.ends([TP(*place), TP(*other)])

    assert asyncio.run(ends()) == ({} if end is None else {TP("t", 0): end})
