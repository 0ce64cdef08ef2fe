"""Tripwires: what the reader takes from the inside of Faust and aiokafka is still as it was taken.

Each test fails when a new version changes something that agents/reader.py stands on; read that
module's docstring before mending.
"""

from __future__ import annotations

import asyncio
import inspect
from threading import active_count
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import CommitFailedError, KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import threads

from agents.lane import use_lane
from agents.reader import End, LaneReader, LaneRecords, as_parsed


def test_the_reader_commits_as_fausts_thread_does() -> None:
    """The thread still commits by `_commit`, and stops everything where that fails."""
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
