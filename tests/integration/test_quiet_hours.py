"""Quiet hours on Apache Kafka: what was held goes out when they are over, by a running worker's clock."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from agents import shelf
from schemas import profile as profiles
from schemas.decision import DecisionEvent
from schemas.playbook import load
from schemas.timestamp import HOUR, MINUTE, to_datetime, to_rfc3339
from schemas.topics import Topics
from schemas.trigger import TriggerEvent
from tests.cluster import Sent, Worker, publish, read_all, read_profiles, wait_for
from tests.conftest import PARTITIONS

AHEAD = 15_000
"""How far ahead the hours end at least, in ms: time to apply the playbook and to publish."""

GUESTS = [f"guest-{number}" for number in range(6)]
WITHDRAWN = GUESTS[:2]

PLAYBOOK = """
playbook: night
currency: EUR
properties: {{}}
catalogue:
  service.delivered: {{weight: 0.4}}
  consent.granted: {{effect: consent.granted}}
  consent.withdrawn: {{effect: consent.withdrawn}}
offers:
  tea: {{amount: 10}}
calendars:
  night: {{from: "{begins}", to: "{ends}"}}
plays:
  - {{play: treat, family: wow, touchpoints: [service.delivered], odds: 1.0, offers: [tea], rest: 1d,
     valid_for: 4h, channel: push, purpose: news, quiet_hours: night}}
"""


def said(customer: str, type_: str, **data: Any) -> Sent:
    """Something that happened to a customer just now."""
    event = {
        "specversion": "1.0",
        "id": f"{customer}/{type_}",
        "source": "/app",
        "type": type_,
        "subject": customer,
        "time": to_rfc3339(int(time.time() * 1000)),
        "data": data,
    }
    return customer.encode(), msgspec.json.encode(event), []


def reasons(kafka: str, topics: Topics) -> dict[str, list[tuple[str, str]]]:
    """What led to each customer's decisions, and what became of the play."""
    found: dict[str, list[tuple[str, str]]] = {}
    for record in read_all(kafka, topics.decisions):
        event = msgspec.json.decode(record.value, type=DecisionEvent)
        told = [(event.data.touchpoint_type, candidate.reason) for candidate in event.data.candidates]
        found.setdefault(event.subject, []).extend(told)
    return found


def held(kafka: str, topics: Topics) -> int:
    """How many triggers wait in profiles."""
    stored = {record.key: record.value for record in read_profiles(kafka, topics)}
    return sum(len(profiles.decode(value).held) for value in stored.values() if value is not None)


def test_what_was_held_goes_out_when_the_hours_are_over(kafka: str, topics: Topics, tmp_path: Path) -> None:
    """Nothing else happens then; it is decided on once more: who has withdrawn consent gets nothing."""
    worker = Worker(kafka, topics, tmp_path).start().wait_ready()
    ends = (int(time.time() * 1000) + AHEAD) // MINUTE * MINUTE + MINUTE
    begins = ends - 2 * HOUR
    text = PLAYBOOK.format(begins=f"{to_datetime(begins):%H:%M}", ends=f"{to_datetime(ends):%H:%M}")
    version = load(text, "night.yaml").version
    asyncio.run(shelf.apply(kafka, topics, text.encode(), version))
    wait_for(lambda: version in (worker._get("/metrics") or ""), "the playbook to be in force", worker)

    publish(
        kafka, topics.touchpoints, [said(g, "consent.granted", purpose="news") for g in GUESTS], PARTITIONS
    )
    publish(kafka, topics.touchpoints, [said(g, "service.delivered") for g in GUESTS], PARTITIONS)
    wait_for(lambda: held(kafka, topics) == len(GUESTS), "all to be held", worker)
    early = read_all(kafka, topics.trigger("wow"))
    publish(
        kafka,
        topics.touchpoints,
        [said(g, "consent.withdrawn", purpose="news") for g in WITHDRAWN],
        PARTITIONS,
    )
    wait_for(
        lambda: len(read_all(kafka, topics.trigger("wow"))) == 4, "the others to go out", worker, seconds=90
    )
    wait_for(lambda: held(kafka, topics) == 0, "nothing to be held any more", worker)
    assert worker.stop() == 0

    records = read_all(kafka, topics.trigger("wow"))
    events = [msgspec.json.decode(record.value, type=TriggerEvent) for record in records]
    assert early == []
    assert sorted((event.subject, event.causationid) for event in events) == [
        (guest, f"{guest}/service.delivered") for guest in GUESTS[2:]
    ]
    assert {event.time for event in events} == {datetime.fromtimestamp(ends / 1000, UTC)}
    assert min(record.timestamp for record in records) >= ends
    ending = {"fired": GUESTS[2:], "consent": WITHDRAWN}
    assert reasons(kafka, topics) == {
        guest: [("service.delivered", "quiet-hours"), ("timer.due", reason)]
        for reason, guests in ending.items()
        for guest in guests
    }
