"""Timers on Apache Kafka: on an idle topic, across a kill, across a rebalance, and behind a backlog."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas import profile as profiles
from schemas.timestamp import to_rfc3339
from schemas.topics import Topics
from schemas.trigger import TriggerEvent
from stream.engine import DEFAULT_PLAYBOOK
from tests.cluster import Sent, Worker, publish, read_all, read_profiles, wait_for
from tests.conftest import PARTITIONS

WITHIN = 8
"""Seconds within which an issue has to be answered here; whether a worker that was killed is back by then
or not, each timer fires once."""

IN_TIME = 30_000
"""How late a timer may fire on an idle topic, in ms: a machine under test is slow."""

CUSTOMERS = [f"guest-{number}" for number in range(12)]
"""Some on each partition."""


@pytest.fixture
def playbook(tmp_path: Path) -> Path:
    """The hotel's playbook, which gives seconds to answer instead of half an hour."""
    path = tmp_path / "hotel.yaml"
    text = DEFAULT_PLAYBOOK.read_text(encoding="utf-8")
    path.write_text(text.replace("answer_within: 30m", f"answer_within: {WITHIN}s"), encoding="utf-8")
    return path


def said(customer: str, type_: str, issue: str = "i-1") -> Sent:
    """A complaint, or its end, of just now."""
    now = int(time.time() * 1000)
    event = {
        "specversion": "1.0",
        "id": f"{customer}/{type_}/{issue}",
        "source": "/desk",
        "type": type_,
        "subject": customer,
        "time": to_rfc3339(now),
        "data": {"issue": issue},
    }
    return customer.encode(), msgspec.json.encode(event), []


def told(kafka: str, topics: Topics) -> list[tuple[TriggerEvent, int]]:
    """The escalations of issues that nobody has closed, with their Kafka timestamps."""
    records = read_all(kafka, topics.trigger("recovery-offer"))
    events = [(msgspec.json.decode(record.value, type=TriggerEvent), record.timestamp) for record in records]
    return [(event, at) for event, at in events if getattr(event.data.content, "unanswered", None)]


def escalated(kafka: str, topics: Topics) -> list[tuple[TriggerEvent, int]]:
    """The same, each once: who is killed or loses a partition before the commit leaves it to be told again.

    It has the same id then.
    """
    return list({event.id: (event, at) for event, at in reversed(told(kafka, topics))}.values())


def delays(found: list[tuple[TriggerEvent, int]]) -> list[int]:
    """From when each was due to its record, in ms."""
    return sorted(at - int(event.time.timestamp() * 1000) for event, at in found)


def by_customer(found: list[tuple[TriggerEvent, int]]) -> list[str]:
    """Whose issues escalated, each as often as it did."""
    return sorted(event.subject for event, _ in found)


def worker_of(kafka: str, topics: Topics, folder: Path, playbook: Path, *options: str) -> Worker:
    """A worker that gives seconds to answer."""
    return Worker(kafka, topics, folder, "--playbook", str(playbook), *options)


def latest(kafka: str, topics: Topics) -> dict[str, Any]:
    """The last profile of each customer."""
    stored = {record.key.decode(): record.value for record in read_profiles(kafka, topics)}
    return {customer: profiles.decode(value) for customer, value in stored.items()}


@pytest.mark.parametrize("store", ["memory", "rocksdict"])
def test_a_timer_fires_on_an_idle_topic(
    kafka: str, topics: Topics, tmp_path: Path, playbook: Path, store: str
) -> None:
    """Nothing happens after the complaints, and those that nobody closes escalate, each once, in time."""
    worker = worker_of(kafka, topics, tmp_path / "w", playbook, "--store", store).start().wait_ready()
    publish(kafka, topics.touchpoints, [said(c, "complaint.opened") for c in CUSTOMERS], PARTITIONS)
    publish(kafka, topics.touchpoints, [said(c, "complaint.closed") for c in CUSTOMERS[:4]], PARTITIONS)

    fired = len(CUSTOMERS) - 4
    wait_for(lambda: len(escalated(kafka, topics)) >= fired, "the timers to fire", worker)
    wait_for(lambda: worker.metric("cx_timers_overdue_seconds") == 0.0, "none to be overdue", worker)
    assert worker.stop() == 0

    found = escalated(kafka, topics)
    assert by_customer(found) == sorted(CUSTOMERS[4:])
    assert delays(found)[0] >= 0
    assert delays(found)[-1] < IN_TIME
    left = [timer.name for profile in latest(kafka, topics).values() for timer in profile.timers]
    assert [name for name in left if name.startswith("recovery-offer")] == []


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_a_timer_survives_the_worker(
    kafka: str, topics: Topics, tmp_path: Path, playbook: Path, delivery: str
) -> None:
    """Killed before the timer is due, the worker fires it when it is back, on a topic that stays idle."""
    worker = worker_of(kafka, topics, tmp_path / "w", playbook, "--delivery", delivery)
    worker.start().wait_ready()
    publish(kafka, topics.touchpoints, [said(c, "complaint.opened") for c in CUSTOMERS], PARTITIONS)
    wait_for(lambda: worker.metric("cx_events_applied_total") == len(CUSTOMERS), "them to be applied", worker)
    worker.kill()
    worker.start().wait_ready()
    wait_for(lambda: len(escalated(kafka, topics)) >= len(CUSTOMERS), "the timers to fire", worker)
    assert worker.stop() == 0

    assert by_customer(escalated(kafka, topics)) == sorted(CUSTOMERS)
    if delivery == "exactly-once":
        assert by_customer(told(kafka, topics)) == sorted(CUSTOMERS)


def test_a_timer_moves_with_its_partition(kafka: str, topics: Topics, tmp_path: Path, playbook: Path) -> None:
    """A second worker joins, the first is killed: whoever has the partition fires, and nobody again."""
    first, second = (worker_of(kafka, topics, tmp_path / name, playbook) for name in ("a", "b"))
    first.start().wait_ready()
    publish(kafka, topics.touchpoints, [said(c, "complaint.opened", "i-1") for c in CUSTOMERS], PARTITIONS)
    second.start().wait_ready()
    publish(kafka, topics.touchpoints, [said(c, "complaint.opened", "i-2") for c in CUSTOMERS], PARTITIONS)
    total = 2 * len(CUSTOMERS)

    def applied() -> int:
        # By the profiles: who hands a partition over in mid-commit does not count what was in it.
        latest = {record.key: record.value for record in read_profiles(kafka, topics)}
        return sum(profiles.decode(value).touchpoints for value in latest.values())

    wait_for(lambda: applied() == total, "them to be applied", first, second)
    first.kill()
    wait_for(lambda: len(escalated(kafka, topics)) >= total, "the timers to fire", second)
    time.sleep(1)
    assert second.stop() == 0

    assert by_customer(escalated(kafka, topics)) == sorted(CUSTOMERS * 2)


def test_what_called_it_off_is_not_overtaken(
    kafka: str, topics: Topics, tmp_path: Path, playbook: Path
) -> None:
    """A worker that comes back after the timer was due first reads what was said before that."""
    worker = worker_of(kafka, topics, tmp_path / "w", playbook)
    worker.start().wait_ready()
    publish(kafka, topics.touchpoints, [said(c, "complaint.opened") for c in CUSTOMERS], PARTITIONS)
    wait_for(lambda: worker.metric("cx_events_applied_total") == len(CUSTOMERS), "them to be applied", worker)
    worker.kill()
    publish(kafka, topics.touchpoints, [said(c, "complaint.closed") for c in CUSTOMERS[::2]], PARTITIONS)
    time.sleep(WITHIN + 1)
    worker.start().wait_ready()
    fired = len(CUSTOMERS) - len(CUSTOMERS[::2])
    wait_for(lambda: len(escalated(kafka, topics)) >= fired, "the timers to fire", worker)
    time.sleep(1)
    assert worker.stop() == 0

    assert by_customer(escalated(kafka, topics)) == sorted(CUSTOMERS[1::2])
