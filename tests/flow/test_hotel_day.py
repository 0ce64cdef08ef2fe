"""A day at the hotel, from record to record: what comes in, literally, and what goes out, literally.

Ids, times and amounts in here are promises: a subscriber that drops repeated ids relies on them.
"""

from __future__ import annotations

import json
from typing import Any

from schemas import decision as decisions
from schemas import profile as profiles
from schemas import trigger as triggers
from schemas.touchpoint import decode
from stream.engine import Engine
from tests.hotel import HOTEL, GivenRisk

KEY, RIGHT, HOLD, STAY = "key-at-the-door", "make-it-right", "hold-promotions", "stay-with-us"

PREPARED: list[dict[str, Any]] = [
    {"type": "consent.granted", "time": "2026-03-01T08:00:00Z", "data": {"purpose": "location"}},
    {"type": "device.bound", "time": "2026-03-01T08:01:00Z", "data": {"device": "phone-1"}},
    {
        "type": "booking.confirmed",
        "time": "2026-03-01T08:05:00Z",
        "data": {
            "booking": "b-77",
            "property": "seoul",
            "arrival": "2026-03-14",
            "departure": "2026-03-15",
            "room": "1204",
            "amount": 420,
        },
    },
]

AT_THE_DOOR = {"property": "seoul", "device": "phone-1", "accuracy_m": 18}


def live(records: list[dict[str, Any]], risk: float = 0.25) -> list[tuple[Any, list[Any]]]:
    """Each record's decision and triggers, as JSON; the profile is stored as bytes in between."""
    engine = Engine(HOTEL, GivenRisk(risk), "m1")
    stored: bytes | None = None
    out = []
    for number, record in enumerate(records):
        event = {"specversion": "1.0", "id": f"t{number}", "source": "/hotel", "subject": "ann", **record}
        touchpoint = decode(json.dumps(event).encode())
        outcome = engine.step(profiles.decode(stored) if stored else None, touchpoint, touchpoint.time)
        stored = profiles.encode(outcome.profile)
        made = [json.loads(decisions.encode(decision)) for decision in outcome.decisions]
        out.append(
            (
                made[-1] if made else None,
                [json.loads(triggers.encode(trigger)) for trigger in outcome.triggers],
            )
        )
    return out


def decided(records: list[dict[str, Any]], risk: float = 0.25) -> list[dict[str, str]]:
    """What became of each candidate, by play, record by record."""
    return [
        {c["play"]: c["reason"] for c in decision["data"]["candidates"]} if decision else {}
        for decision, _ in live(records, risk)
    ]


def contents(records: list[dict[str, Any]], risk: float = 0.25) -> list[dict[str, Any]]:
    """The content of all triggers, in order."""
    return [trigger["data"]["content"] for _, fired in live(records, risk) for trigger in fired]


def test_record_of_an_arrival() -> None:
    """An arrival in, a decision and a trigger out: every attribute of both."""
    arrival = {
        "type": "guest.arrived",
        "time": "2026-03-14T11:58:00+09:00",
        "correlationid": "geo-1",
        "data": AT_THE_DOOR,
    }
    decision, fired = live([*PREPARED, arrival])[-1]

    assert fired == [
        {
            "specversion": "1.0",
            "id": "8de1dc34778b401fb5630c3b2ab71a8d",
            "source": "/dangol",
            "type": "cx.trigger.room-key.v1",
            "subject": "ann",
            "time": "2026-03-14T02:58:00Z",
            "datacontenttype": "application/json",
            "causationid": "t3",
            "correlationid": "b-77",
            "expirytime": "2026-03-14T03:13:00Z",
            "data": {
                "play": "key-at-the-door",
                "content": {
                    "family": "room-key",
                    "action": "issue",
                    "booking": "b-77",
                    "property": "seoul",
                    "device": "phone-1",
                    "departure": "2026-03-15",
                    "room": "1204",
                },
                "stage": "act",
                "risk": 0.25,
                "model": "m1",
                "playbook": HOTEL.version,
            },
        }
    ]
    assert decision == {
        "specversion": "1.0",
        "id": "a1dfbbf06921ad8893931f0fff833996",
        "source": "/dangol",
        "type": "cx.decision.v1",
        "subject": "ann",
        "time": "2026-03-14T02:58:00Z",
        "datacontenttype": "application/json",
        "causationid": "t3",
        "correlationid": "geo-1",
        "data": {
            "touchpoint_type": "guest.arrived",
            "candidates": [
                {
                    "play": "key-at-the-door",
                    "family": "room-key",
                    "reason": "fired",
                    "trigger": "8de1dc34778b401fb5630c3b2ab71a8d",
                }
            ],
            "stage": "act",
            "risk": 0.25,
            "model": "m1",
            "playbook": HOTEL.version,
        },
    }


def test_stay() -> None:
    """A key at the door, none at the second arrival, and none left after check-out."""
    records = [
        *PREPARED,
        {"type": "guest.arrived", "time": "2026-03-14T11:58:00+09:00", "data": AT_THE_DOOR},
        {"type": "guest.arrived", "time": "2026-03-14T11:59:00+09:00", "data": AT_THE_DOOR},
        {"type": "stay.checked-in", "time": "2026-03-14T12:10:00+09:00", "data": {"booking": "b-77"}},
        {"type": "stay.checked-out", "time": "2026-03-15T10:30:00+09:00", "data": {"booking": "b-77"}},
        {"type": "guest.arrived", "time": "2026-03-15T10:31:00+09:00", "data": AT_THE_DOOR},
    ]

    assert decided(records) == [
        *({}, {}, {}),
        {KEY: "fired"},
        {KEY: "live-key"},
        {},
        {KEY: "fired"},
        {KEY: "booking"},
    ]
    assert live(records)[6][1][0]["expirytime"] == "2026-03-16T15:00:00Z"
    assert contents(records)[1] == {
        "family": "room-key",
        "action": "revoke",
        "booking": "b-77",
        "property": "seoul",
        "device": "phone-1",
        "departure": "2026-03-15",
        "room": "1204",
        "revokes": "8de1dc34778b401fb5630c3b2ab71a8d",
    }


def test_phone_that_is_lost() -> None:
    """The key leaves the old phone when the new one is bound, and comes to it at the next arrival."""
    records = [
        *PREPARED,
        {"type": "guest.arrived", "time": "2026-03-14T11:58:00+09:00", "data": AT_THE_DOOR},
        {"type": "device.bound", "time": "2026-03-14T18:00:00+09:00", "data": {"device": "phone-2"}},
        {"type": "device.bound", "time": "2026-03-01T08:01:00Z", "data": {"device": "phone-1"}},
        {
            "type": "guest.arrived",
            "time": "2026-03-14T19:00:00+09:00",
            "data": {**AT_THE_DOOR, "device": "phone-2"},
        },
        {"type": "consent.withdrawn", "time": "2026-03-14T20:00:00+09:00", "data": {"purpose": "location"}},
    ]
    keys = [(c["action"], c["device"], c.get("revokes")) for c in contents(records)]
    ids = [trigger["id"] for _, fired in live(records) for trigger in fired]

    assert keys == [
        ("issue", "phone-1", None),
        ("revoke", "phone-1", ids[0]),
        ("issue", "phone-2", None),
        ("revoke", "phone-2", ids[2]),
    ]


def test_evening_that_goes_wrong() -> None:
    """An offer, then a person, a person again when nobody answers, and no promotions until it is settled."""
    records: list[dict[str, Any]] = [
        {"type": "order.placed", "time": "2026-01-10T09:00:00Z", "data": {"amount": 150}},
        {"type": "order.placed", "time": "2026-01-10T21:00:00Z", "data": {"amount": 150}},
        {"type": "service.failed", "time": "2026-03-14T20:00:00Z", "data": {"what": "no hot water"}},
        {"type": "complaint.opened", "time": "2026-03-14T20:30:00Z", "data": {"issue": "i-9"}},
        {"type": "page.viewed", "time": "2026-03-14T20:40:00Z"},
        {"type": "page.viewed", "time": "2026-03-14T21:10:00Z"},
        {"type": "complaint.closed", "time": "2026-03-14T21:30:00Z", "data": {"issue": "i-9"}},
    ]

    assert decided(records) == [
        *({}, {}),
        {RIGHT: "fired"},
        {RIGHT: "fired", HOLD: "fired"},
        {},
        {RIGHT: "fired"},
        {HOLD: "fired"},
    ]
    assert contents(records) == [
        {
            "family": "recovery-offer",
            "action": "offer",
            "cause": "service.failed",
            "severity": 0.6,
            "bad_moments": 1,
            "offer": "dinner-for-two",
            "amount": 60.0,
            "currency": "EUR",
        },
        {
            "family": "recovery-offer",
            "action": "escalate",
            "cause": "complaint.opened",
            "severity": 0.8,
            "bad_moments": 2,
            "offer": "dinner-for-two",
            "amount": 60.0,
            "currency": "EUR",
        },
        {
            "family": "suppression",
            "action": "start",
            "because": "open-issue",
            "issue": "i-9",
            "open_issues": 1,
        },
        {
            "family": "recovery-offer",
            "action": "escalate",
            "cause": "complaint.opened",
            "severity": 0.8,
            "bad_moments": 2,
            "offer": "dinner-for-two",
            "amount": 60.0,
            "currency": "EUR",
            "unanswered": "i-9",
        },
        {"family": "suppression", "action": "end", "because": "open-issue", "issue": "i-9", "open_issues": 0},
    ]


def test_guest_who_leaves_without_a_word() -> None:
    """The key is taken back as of the end of the last day in Seoul, also when that is learned much later."""
    records = [
        *PREPARED,
        {"type": "guest.arrived", "time": "2026-03-14T11:58:00+09:00", "data": AT_THE_DOOR},
        {"type": "page.viewed", "time": "2026-03-15T23:59:59.999+09:00"},
        {"type": "page.viewed", "time": "2026-04-01T10:00:00+09:00"},
    ]
    *_, (_, before), (decision, (trigger,)) = live(records)

    assert before == []
    assert trigger == {
        "specversion": "1.0",
        "id": "9aef5f3e383c6a6cd0bf8c199fa25f15",
        "source": "/dangol",
        "type": "cx.trigger.room-key.v1",
        "subject": "ann",
        "time": "2026-03-15T15:00:00Z",
        "datacontenttype": "application/json",
        "causationid": "timer/room-key/b-77@1773586800000",
        "correlationid": "b-77",
        "expirytime": "2026-03-16T15:00:00Z",
        "data": {
            "play": "key-at-the-door",
            "content": {
                "family": "room-key",
                "action": "revoke",
                "booking": "b-77",
                "property": "seoul",
                "device": "phone-1",
                "departure": "2026-03-15",
                "room": "1204",
                "revokes": "8de1dc34778b401fb5630c3b2ab71a8d",
            },
            "stage": "act",
            "risk": 0.25,
            "model": "m1",
            "playbook": HOTEL.version,
        },
    }
    assert (decision["time"], decision["data"]["touchpoint_type"]) == ("2026-03-15T15:00:00Z", "timer.due")
    assert decision["id"] == "d752a7883ec789e7ce29b68432acae6c"


def test_regular_who_drifts_away() -> None:
    """A risk past the threshold is answered once, and not while something is unsettled."""
    records: list[dict[str, Any]] = [
        {"type": "order.placed", "time": "2026-01-10T09:00:00Z", "data": {"amount": 40}},
        {"type": "complaint.opened", "time": "2026-01-20T09:00:00Z", "data": {"issue": "i-1"}},
        {"type": "order.placed", "time": "2026-01-24T09:00:00Z", "data": {"amount": 25.5}},
        {"type": "email.opened", "time": "2026-03-14T09:00:00Z"},
        {"type": "complaint.closed", "time": "2026-03-14T10:00:00Z", "data": {"issue": "i-1"}},
        {"type": "email.opened", "time": "2026-03-14T11:00:00Z"},
    ]

    assert decided(records, risk=0.8) == [
        {},
        {RIGHT: "fired", HOLD: "fired"},
        {RIGHT: "came-back", STAY: "suppressed"},
        {STAY: "suppressed"},
        {HOLD: "fired", STAY: "fired"},
        {},
    ]
    assert contents(records, risk=0.8)[-1] == {
        "family": "retention-offer",
        "threshold": 0.75,
        "days_since_active": 49.042,
        "offer": "free-delivery",
        "amount": 8.0,
        "currency": "EUR",
        "value_at_risk": 31.2,
    }
