"""Timers while workers are killed at the very moment when they fire."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from threading import Thread

import pytest

from schemas.topics import Topics
from tests.cluster import Worker, publish, read_all, wait_for
from tests.conftest import PARTITIONS
from tests.integration.test_timers import by_customer, escalated, latest, playbook, said, worker_of

__all__ = ["playbook"]

CUSTOMERS = [f"guest-{number:03d}" for number in range(240)]

SLICE = 8
"""Complaints published at a time, a second apart: for as long, timers are due all the time."""

KILLS = 4


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_each_timer_fires_once_whoever_is_killed(
    kafka: str, topics: Topics, tmp_path: Path, playbook: Path, delivery: str
) -> None:
    """Every issue escalates under one id with one content; where that is promised, on one record."""
    workers: list[Worker] = [
        worker_of(kafka, topics, tmp_path / name, playbook, "--delivery", delivery) for name in ("a", "b")
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.wait_ready()
    complaining = Thread(target=_complain, args=(kafka, topics))
    complaining.start()
    for turn in range(KILLS):
        victim = workers[turn % 2]
        # It has just fired some, and is about to fire more.
        wait_for(lambda: victim.metric("cx_timers_fired_total") > 0, "a timer to fire", victim)  # noqa: B023
        victim.kill()
        victim.start()
    complaining.join()
    wait_for(
        lambda: len({event.id for event, _ in escalated(kafka, topics)}) >= len(CUSTOMERS),
        "every timer to fire",
        *workers,
        seconds=120,
    )
    codes = [worker.stop() for worker in workers]

    found = escalated(kafka, topics)
    contents = Counter(event.id for event in {event.id + str(event): event for event, _ in found}.values())
    decided = [
        record.value
        for record in read_all(kafka, topics.decisions)
        if b'"touchpoint_type":"timer.due"' in record.value
    ]
    assert codes == [0, 0]
    assert sorted({*by_customer(found)}) == CUSTOMERS
    assert set(contents.values()) == {1}
    assert len(set(decided)) == len(CUSTOMERS)
    if delivery == "exactly-once":
        assert by_customer(found) == CUSTOMERS
        assert len(decided) == len(CUSTOMERS)
    left = [timer.name for profile in latest(kafka, topics).values() for timer in profile.timers]
    assert [name for name in left if name.startswith("recovery-offer")] == []


def _complain(kafka: str, topics: Topics) -> None:
    for start in range(0, len(CUSTOMERS), SLICE):
        complaints = [said(name, "complaint.opened") for name in CUSTOMERS[start : start + SLICE]]
        publish(kafka, topics.touchpoints, complaints, PARTITIONS)
        time.sleep(1)
