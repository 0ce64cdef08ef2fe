"""Golden scenarios on Apache Kafka: all of them published in one go come out as a replay says."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from agents.touchpoint_files import TouchpointFile
from schemas import decision, stage, trigger
from schemas.topics import Topics
from stream.engine import load_engine
from stream.replay import Replay
from tests.cluster import Sent, Worker, publish, read_all, wait_for
from tests.conftest import PARTITIONS
from tests.scenarios import SCENARIOS, Scenario

Told = dict[str, Counter[bytes]]
"""What was published about each customer, and how often each record."""


def by_playbook() -> dict[Path, list[Scenario]]:
    """Scenarios by the playbook that decides them, as a worker has one."""
    found: dict[Path, list[Scenario]] = defaultdict(list)
    for scenario in SCENARIOS:
        found[scenario.playbook].append(scenario)
    return found


class Wave(NamedTuple):
    """Touchpoints that can be published at once.

    Attributes:
        records: the touchpoints.
        applied: how many are applied in all when everything that came of them has arrived.
    """

    records: list[Sent]
    applied: int


def replayed(playbook: Path, scenarios: list[Scenario]) -> tuple[Told, list[Wave]]:
    """What a replay says, up to each customer's last touchpoint, and what is to be published.

    On the event clock time passes for customers by their own touchpoints, so what would be due after the
    last one does not fire on the topics either. What one customer's touchpoint sends to another one has to
    arrive before the next is published: between partitions there is no order.
    """
    told: Told = defaultdict(Counter)
    waves: list[Wave] = []
    records: list[Sent] = []
    applied = 0
    replay = Replay(load_engine(playbook))
    for scenario in scenarios:
        with TouchpointFile(str(scenario.touchpoints)) as lines:
            for line in lines:
                assert line.touchpoint is not None
                records.append((line.touchpoint.customer.encode(), line.value, []))
                outcomes = replay.take(line.touchpoint)
                for outcome in outcomes:
                    applied += not outcome.duplicate
                    customer = outcome.profile.customer
                    told[customer].update(trigger.encode(fired) for fired in outcome.triggers)
                    told[customer].update(decision.encode(decided) for decided in outcome.decisions)
                    if outcome.stage is not None:
                        told[customer][stage.encode(outcome.stage)] += 1
                if len(outcomes) > 1:
                    waves.append(Wave(records, applied))
                    records = []
    waves.append(Wave(records, applied))
    return {customer: each for customer, each in told.items() if each}, waves


def applied(worker: Worker, count: int) -> bool:
    """Whether a worker has applied so many touchpoints."""
    return worker.metric("cx_events_applied_total") >= count


@pytest.mark.parametrize("playbook", by_playbook(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_scenarios_come_out_on_kafka_as_a_replay_says(
    kafka: str, topics: Topics, tmp_path: Path, playbook: Path
) -> None:
    """Every trigger, decision and change of stage of every customer, byte for byte, and nothing else.

    How long each touchpoint took is in the histogram that the promise of latency is measured by.
    """
    expected, waves = replayed(playbook, by_playbook()[playbook])
    wanted = sum(sum(each.values()) for each in expected.values())
    names = [*topics.triggers, topics.decisions, topics.stages]
    worker = Worker(kafka, topics, tmp_path, "--clock", "event", "--playbook", str(playbook)).start()
    try:
        worker.wait_ready()
        for wave in waves:
            publish(kafka, topics.touchpoints, wave.records, PARTITIONS)
            wait_for(partial(applied, worker, wave.applied), "a wave to be applied", worker)
        wait_for(lambda: len(read_all(kafka, *names)) >= wanted, "all that comes of it", worker)
        published = sum(len(wave.records) for wave in waves)
        told_of = partial(worker.metric, "cx_decision_latency_seconds_count")
        wait_for(lambda: told_of() >= published, "how long each took", worker)
        found: Told = defaultdict(Counter)
        for record in read_all(kafka, *names):
            found[record.key.decode()][record.value] += 1
        letters = read_all(kafka, topics.dead_letters)
    finally:
        worker.stop()

    assert found == expected
    assert letters == []
