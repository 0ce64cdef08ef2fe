"""A year and a half of real purchases through Apache Kafka, undisturbed and with workers killed on the way.

What comes out must be what the engine says without a broker: the same triggers and decisions,
byte for byte under the same ids, and the same profiles.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from agents import cdnow
from agents.partitioner import partition_of
from schemas import decision, trigger
from schemas import profile as profiles
from schemas.topics import Topics
from schemas.touchpoint import decode
from stream.engine import load_engine
from stream.replay import Replay, profile_line
from tests.cluster import Sent, Worker, publish, read_all, read_profiles, wait_for
from tests.conftest import PARTITIONS

SLICE = 3_500
"""Touchpoints published at a time, twenty times in all: kills then fall between and within runs."""

PAUSE = 0.5
"""Seconds between two slices, so that the workers are in the middle of it when they are killed."""


class Expected(NamedTuple):
    """What the engine says without a broker, by id or customer."""

    triggers: dict[str, bytes]
    decisions: dict[str, bytes]
    profiles: dict[str, bytes]


@pytest.fixture(scope="module")
def purchases() -> list[Sent]:
    """CDNOW as records in order of time, as they would have come."""
    touchpoints = [(decode(line), line) for line in cdnow.lines()]
    touchpoints.sort(key=lambda pair: pair[0].time)
    return [(touchpoint.customer.encode(), line, []) for touchpoint, line in touchpoints]


@pytest.fixture(scope="module")
def expected(purchases: list[Any]) -> Expected:
    """What the engine says of the purchases without a broker."""
    replay = Replay(load_engine())
    result = Expected({}, {}, {})
    for _, line, _ in purchases:
        (outcome,) = replay.take(decode(line))
        for fired in outcome.triggers:
            result.triggers[fired.id] = trigger.encode(fired)
        for decided in outcome.decisions:
            result.decisions[decided.id] = decision.encode(decided)
    for customer, profile in replay.profiles.items():
        result.profiles[customer] = profile_line(profile)
    return result


def by_id(records: list[Any]) -> dict[str, bytes]:
    """Records by CloudEvents id; a repeated id must carry the same bytes."""
    found: dict[str, bytes] = {}
    for record in records:
        id_ = msgspec.json.decode(record.value)["id"]
        assert found.setdefault(id_, record.value) == record.value
    return found


def latest_profiles(records: list[Any]) -> dict[str, bytes]:
    """The last profile of each customer, without the offsets it was read at."""
    stored = {record.key.decode(): record.value for record in records}
    return {customer: profile_line(profiles.decode(value)) for customer, value in stored.items()}


@pytest.fixture
def workers(kafka: str, topics: Topics, tmp_path: Path, delivery: str) -> Iterator[list[Worker]]:
    """Two workers of one group on the event clock, ready."""
    options = ("--clock", "event", "--batch", "500", "--delivery", delivery)
    pair = [Worker(kafka, topics, tmp_path / str(n), *options) for n in range(2)]
    for worker in pair:
        worker.start()
    for worker in pair:
        worker.wait_ready()
    yield pair
    for worker in pair:
        if worker.process.poll() is None:
            worker.kill()


@pytest.mark.parametrize(
    ("delivery", "kills"), [("at-least-once", 0), ("at-least-once", 2), ("exactly-once", 2)]
)
def test_a_run_through_kafka_equals_a_replay(
    kafka: str,
    topics: Topics,
    workers: list[Worker],
    purchases: list[Any],
    expected: Expected,
    delivery: str,
    kills: int,
) -> None:
    """Two workers come to what the engine comes to alone, also when they are killed in mid-run.

    Delivered exactly once, nothing stands on a topic twice for who reads committed records.
    """
    victims = iter([5, 12][:kills])
    victim = next(victims, None)
    for turn, start in enumerate(range(0, len(purchases), SLICE)):
        publish(kafka, topics.touchpoints, purchases[start : start + SLICE], PARTITIONS)
        if turn == victim:
            workers[turn % 2].kill()
            workers[turn % 2].start()
            victim = next(victims, None)
        time.sleep(PAUSE)
    offsets = {partition: sum(1 for _ in group) for partition, group in _by_partition(purchases).items()}
    wait_for(
        lambda: _applied(kafka, topics) == {partition: count - 1 for partition, count in offsets.items()},
        "every touchpoint to be applied",
        *workers,
        seconds=120,
    )
    codes = [worker.stop() for worker in workers]

    triggers = read_all(kafka, *topics.triggers)
    decided = read_all(kafka, topics.decisions)
    assert codes == [0, 0]
    assert expected.profiles == latest_profiles(read_profiles(kafka, topics))
    assert expected.triggers == by_id(triggers)
    assert expected.decisions == by_id(decided)
    assert read_all(kafka, topics.dead_letters) == []
    if delivery == "exactly-once":
        assert (len(triggers), len(decided)) == (len(expected.triggers), len(expected.decisions))


def _by_partition(purchases: list[Any]) -> dict[int, list[Any]]:
    groups: dict[int, list[Any]] = {}
    for record in purchases:
        groups.setdefault(partition_of(record[0], PARTITIONS), []).append(record)
    return groups


def _applied(kafka: str, topics: Topics) -> dict[int, int]:
    """The highest offset applied by partition, as the profiles on the topic say."""
    highest: dict[int, int] = {}
    for record in read_profiles(kafka, topics):
        for partition, offset in profiles.decode(record.value).applied.items():
            highest[partition] = max(highest.get(partition, -1), offset)
    return highest
