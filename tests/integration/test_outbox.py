"""The outbox on Apache Kafka: order, size, outages, and that nothing given up arrives later."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, ProducerClosed
from prometheus_client import CollectorRegistry

from agents import outbox as module
from agents import topics as admin
from agents.batches import MAX_BATCH_BYTES, SHORTENED_BYTES, Abandoned, Record
from agents.metrics import Metrics
from agents.outbox import Outbox
from agents.producer import abort, start_producer
from deploy.broker import free_port
from deploy.kafka import KafkaServer
from schemas.errors import TopicError
from schemas.topics import Topics
from tests.cluster import read_all
from tests.conftest import PARTITIONS


def always() -> bool:
    """Go on for as long as it takes."""
    return True


def publish(
    bootstrap: str, *batches: list[Record], keep_trying: Callable[[], bool] = always
) -> tuple[list[dict[str, int]], CollectorRegistry]:
    """Send batches one after another through one outbox; the offsets of each, and what was counted."""
    registry = CollectorRegistry()

    async def all_of_them() -> list[dict[str, int]]:
        outbox = Outbox(bootstrap, "test", Metrics(registry, []))
        try:
            return [await outbox.send(batch, keep_trying) for batch in batches]
        finally:
            await outbox.stop()

    return asyncio.run(all_of_them()), registry


def small(kafka: str, max_message_bytes: int) -> str:
    """A fresh topic of one partition that takes batches of this size at most."""
    name = f"t{secrets.token_hex(4)}.small"

    async def create() -> None:
        client = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await client.start()
        try:
            config = {"max.message.bytes": str(max_message_bytes)}
            await client.create_topics([NewTopic(name, 1, 1, topic_configs=config)])
        finally:
            await client.close()

    asyncio.run(create())
    return name


def values(bootstrap: str, topic: str, partition: int = 0) -> list[bytes]:
    """What stands on a partition, in order."""
    return [record.value for record in read_all(bootstrap, topic) if record.partition == partition]


def test_order_is_kept_and_the_last_offset_told(kafka: str, topics: Topics) -> None:
    """Several topics and partitions at once: each gets its own in order, in batches that are full."""
    records = [
        Record(topic, n % 2, b"k%d" % n, b"%d" % n, [("n", b"%d" % n)])
        for n in range(4_000)
        for topic in (topics.decisions, topics.profiles)
    ]
    offsets, _ = publish(kafka, records, [Record(topics.decisions, 1, b"k", b"last", [])])

    assert offsets == [{topics.decisions: 1_999, topics.profiles: 1_999}, {topics.decisions: 2_000}]
    assert values(kafka, topics.decisions, 0) == [b"%d" % n for n in range(0, 4_000, 2)]
    assert values(kafka, topics.decisions, 1) == [*(b"%d" % n for n in range(1, 4_000, 2)), b"last"]
    first = next(record for record in read_all(kafka, topics.profiles) if record.partition == 0)
    assert (first.key, first.headers) == (b"k0", (("n", b"0"),))


def test_nothing_to_send_needs_no_broker() -> None:
    """A run without triggers asks nobody."""
    offsets, _ = publish("127.0.0.1:1", [])

    assert offsets == [{}]


def test_a_tombstone_is_sent_as_one(kafka: str, topics: Topics) -> None:
    """No value is not an empty value."""
    publish(kafka, [Record(topics.profiles, 0, b"a", None, []), Record(topics.profiles, 0, b"b", b"", [])])

    assert values(kafka, topics.profiles) == [None, b""]


def test_a_value_larger_than_a_batch_goes_alone(kafka: str, topics: Topics) -> None:
    """Between small ones, and in its place."""
    large = b"x" * (2 * MAX_BATCH_BYTES)
    records = [Record(topics.decisions, 0, b"k", value, []) for value in (b"1", large, b"2")]
    offsets, registry = publish(kafka, records)

    assert offsets == [{topics.decisions: 2}]
    assert values(kafka, topics.decisions) == [b"1", large, b"2"]
    assert registry.get_sample_value("cx_publish_retries_total") == 0.0


def test_a_topic_for_small_batches_gets_small_batches(kafka: str) -> None:
    """Where only the batch is too large, the records go one by one and none is shortened."""
    topic = small(kafka, 50_000)
    records = [Record(topic, 0, b"k", b"%05d" % n + b"x" * 20_000, [], original=0) for n in range(20)]
    publish(kafka, records)

    assert values(kafka, topic)[-20:] == [b"%05d" % n + b"x" * 20_000 for n in range(20)]


def test_a_dead_letter_too_large_is_shortened_and_says_so(kafka: str) -> None:
    """Its value to `SHORTENED_BYTES`, with its size before; the letters beside it stay whole."""
    topic = small(kafka, 200_000)
    letters = [
        Record(topic, 0, b"a", b"x" * 100_000, [("app", b"1"), ("why", b"2")], original=1),
        Record(topic, 0, b"b", b"y" * 300_000, [("app", b"1"), ("why", b"2")], original=1),
    ]
    publish(kafka, letters)
    last = {record.key: record for record in read_all(kafka, topic)}

    assert last[b"a"].value == b"x" * 100_000
    assert last[b"b"].value == b"y" * SHORTENED_BYTES
    assert last[b"b"].headers == (("app", b"1"), ("why", b"2"), ("cx-original-bytes", b"300000"))


def test_a_dead_letter_with_large_headers_and_key_loses_them_and_gets_through(kafka: str) -> None:
    """What says why it is here stays; what it came with goes, as far as it must."""
    topic = small(kafka, 100_000)
    letter = Record(topic, 0, b"k" * 150_000, b"v", [("app", b"x" * 150_000), ("why", b"2")], original=1)
    publish(kafka, [letter, Record(topic, 0, b"k", b"next", [])])
    stood = {record.value: record for record in read_all(kafka, topic)}

    assert stood[b"v"].key is None
    assert stood[b"v"].headers == (("why", b"2"), ("cx-original-headers", b"1"))
    assert stood[b"next"].key == b"k"


def test_what_must_stay_whole_and_is_too_large_ends_in_one_line(kafka: str) -> None:
    """Half a profile is worse than a worker that says which setting to mend."""
    topic = small(kafka, 50_000)
    with pytest.raises(TopicError, match=rf"topic {topic} refuses a record of 60001 bytes; set its max.mess"):
        publish(kafka, [Record(topic, 0, b"k", b"x" * 60_000, [])])

    assert values(kafka, topic) == []


def test_without_a_broker_it_goes_on_until_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each try is counted, and `Abandoned` comes as soon as nobody wants it any more."""
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    answers = iter([True, True, False])
    registry = CollectorRegistry()

    async def send() -> None:
        outbox = Outbox(f"127.0.0.1:{free_port()}", "test", Metrics(registry, []))
        await outbox.send([Record("t", 0, b"k", b"v", [])], lambda: next(answers))

    with pytest.raises(Abandoned):
        asyncio.run(send())
    assert registry.get_sample_value("cx_publish_retries_total") == 2.0


def test_two_runs_share_one_connection(kafka: str, topics: Topics, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of several partitions that find no producer make one, not one each."""
    made = []

    async def counted(*args: Any, **options: Any) -> Any:
        made.append(await start_producer(*args, **options))
        return made[-1]

    monkeypatch.setattr(module, "start_producer", counted)

    async def send_together() -> None:
        outbox = Outbox(kafka, "test", Metrics(CollectorRegistry(), []))
        sends = [
            outbox.send([Record(topics.decisions, n, b"k", b"v", [])], always) for n in range(PARTITIONS)
        ]
        await asyncio.gather(*sends)
        await outbox.stop()

    asyncio.run(send_together())
    assert len(made) == 1
    assert len(read_all(kafka, topics.decisions)) == PARTITIONS


def fresh(server: KafkaServer) -> Topics:
    """All topics, empty, on a broker of the test's own."""
    made = Topics(f"t{secrets.token_hex(4)}.cx")
    asyncio.run(admin.create(server.bootstrap, made, PARTITIONS))
    return made


def test_a_broker_killed_while_sending_gets_everything_in_order(kafka_server: KafkaServer) -> None:
    """What is on its way when the broker dies is acknowledged when it is back, in order."""
    topics = fresh(kafka_server)
    records = [
        [Record(topics.decisions, 0, b"k", b"%d" % (run * 200 + n), []) for n in range(200)]
        for run in range(20)
    ]

    async def send_all() -> None:
        outbox = Outbox(kafka_server.bootstrap, "test", Metrics(CollectorRegistry(), []))
        try:
            for run, batch in enumerate(records):
                if run == 10:
                    await asyncio.to_thread(kafka_server.kill)
                    back = asyncio.create_task(asyncio.to_thread(kafka_server.restart))
                await outbox.send(batch, always)
            await back
        finally:
            await outbox.stop()

    asyncio.run(send_all())
    stood = values(kafka_server.bootstrap, topics.decisions)
    assert list(dict.fromkeys(stood)) == [b"%d" % n for n in range(4_000)]
    assert stood[-1] == b"3999"


def test_what_was_given_up_in_an_outage_never_arrives(kafka_server: KafkaServer) -> None:
    """A run abandoned while the broker is away is the next owner's: ours must not come in behind theirs.

    Nor may stopping wait for a broker that is away.
    """
    topics = fresh(kafka_server)

    async def abandon() -> None:
        outbox = Outbox(kafka_server.bootstrap, "test", Metrics(CollectorRegistry(), []))
        await outbox.send([Record(topics.profiles, 0, b"k", b"before", [])], always)
        await asyncio.to_thread(kafka_server.kill)
        answers = iter([True, True])
        with pytest.raises(Abandoned):
            await outbox.send([Record(topics.profiles, 0, b"k", b"old", [])], lambda: next(answers, False))
        cancelled = asyncio.create_task(outbox.send([Record(topics.profiles, 0, b"k", b"old", [])], always))
        await asyncio.sleep(0.2)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        await outbox.stop()
        await asyncio.to_thread(kafka_server.restart)
        await outbox.send([Record(topics.profiles, 0, b"k", b"new", [])], always)
        await asyncio.sleep(2)
        await outbox.stop()

    asyncio.run(abandon())
    assert values(kafka_server.bootstrap, topics.profiles) == [b"before", b"new"]


def test_a_producer_that_is_aborted_tells_those_who_wait(kafka_server: KafkaServer) -> None:
    """The private parts that `abort` takes hold of are still there, and do what they are taken for."""
    topics = fresh(kafka_server)

    async def ask() -> BaseException | None:
        producer = await start_producer(kafka_server.bootstrap, "test")
        await asyncio.to_thread(kafka_server.kill)
        batch = producer.create_batch()
        batch.append(key=b"k", value=b"v", timestamp=None)
        waiting = await producer.send_batch(batch, topics.decisions, partition=0)
        await asyncio.sleep(0.5)
        await abort(producer)
        assert producer._sender.sender_task.done()
        error: BaseException | None = waiting.exception()
        return error

    async def without_a_broker() -> None:
        with pytest.raises(KafkaError):
            await start_producer(kafka_server.bootstrap, "test")

    assert isinstance(asyncio.run(ask()), ProducerClosed)
    asyncio.run(without_a_broker())
