"""The life of triggers on Apache Kafka: answered by services, or told as expired on an idle topic."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from schemas.decision import DecisionEvent
from schemas.timestamp import to_rfc3339
from schemas.topics import Topics
from schemas.trigger import TriggerEvent
from stream.engine import DEFAULT_PLAYBOOK
from tests.cluster import Sent, Worker, publish, read_all, wait_for
from tests.conftest import PARTITIONS

CUSTOMERS = ["ann", "bob", "kim"]


def said(customer: str, type_: str, **data: Any) -> Sent:
    """Something of just now."""
    event = {
        "specversion": "1.0",
        "id": f"{customer}/{type_}",
        "source": "/desk",
        "type": type_,
        "subject": customer,
        "time": to_rfc3339(int(time.time() * 1000)),
        "data": data,
    }
    return customer.encode(), msgspec.json.encode(event), []


def playbook_of(folder: Path) -> Path:
    """The hotel's playbook, whose apologies go by push and may be acted on for some seconds."""
    text = DEFAULT_PLAYBOOK.read_text(encoding="utf-8")
    text = text.replace("family: recovery-offer\n", "family: recovery-offer\n    channel: push\n", 1)
    path = folder / "hotel.yaml"
    path.write_text(text.replace("valid_for: 2h", "valid_for: 10s", 1), encoding="utf-8")
    return path


def test_what_becomes_of_triggers(kafka: str, topics: Topics, tmp_path: Path) -> None:
    """One is accepted, one declined, one runs out on a topic where nothing happens; each is told once."""
    worker = Worker(kafka, topics, tmp_path / "w", "--playbook", str(playbook_of(tmp_path)))
    worker.start().wait_ready()
    publish(kafka, topics.touchpoints, [said(c, "wait.long") for c in CUSTOMERS], PARTITIONS)
    wait_for(lambda: worker.metric("cx_triggers_emitted_total") == 3, "the apologies", worker)
    offers = {
        event.subject: event.id
        for record in read_all(kafka, topics.trigger("recovery-offer"))
        for event in [msgspec.json.decode(record.value, type=TriggerEvent)]
    }
    answers = [
        said("ann", "trigger.accepted", trigger=offers["ann"]),
        said("bob", "trigger.declined", trigger=offers["bob"]),
        said("bob", "trigger.ignored", trigger="t-0"),
    ]
    publish(kafka, topics.touchpoints, answers, PARTITIONS)
    wait_for(lambda: worker.metric("cx_trigger_outcomes_total") == 4, "what became of them", worker)
    violations = worker.metric("cx_consent_violations_total")
    assert worker.stop() == 0

    decided = [
        (event.subject, candidate.reason, candidate.trigger)
        for record in read_all(kafka, topics.decisions)
        for event in [msgspec.json.decode(record.value, type=DecisionEvent)]
        for candidate in event.data.candidates
    ]
    assert sorted(decided) == sorted(
        [
            *((customer, "fired", offers[customer]) for customer in CUSTOMERS),
            ("ann", "accepted", offers["ann"]),
            ("bob", "declined", offers["bob"]),
            ("bob", "trigger-unknown", "t-0"),
            ("kim", "expired", offers["kim"]),
        ]
    )
    assert violations == 0.0
