"""Service context: whoever answers knows who this is, and the desk's record is renewed when it matters."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from schemas import service_context
from schemas.errors import InputError
from schemas.families.service_context import ServiceContext
from schemas.lifecycle import Issued
from schemas.playbook import load
from schemas.profile import Profile
from schemas.service_context import ServiceRecord
from schemas.suppression import Suppressed
from schemas.timer import Timer
from schemas.timestamp import DAY, HOUR, to_datetime
from schemas.touchpoint import Touchpoint
from stream.engine import Engine
from stream.outcome import Outcome
from stream.plays.service_context import BOOKINGS, MOMENTS, PREFERENCES, PROMISES
from tests.hotel import HOTEL_YAML, NOON, STAY, checked, engine, happened, run

DESK = """
  - play: know-the-guest
    family: service-context
    touchpoints: [chat.started, call.started]
    valid_for: 4h
"""


def desk(settings: str = "") -> Engine:
    """The engine of a hotel with a desk."""
    return engine(playbook=load(HOTEL_YAML + DESK + settings, "hotel.yaml"))


def told(outcome: Outcome) -> ServiceContext:
    """What the desk is told by a trigger."""
    (trigger,) = [each for each in outcome.triggers if each.family == "service-context"]
    assert isinstance(trigger.data.content, ServiceContext)
    return trigger.data.content


def stands(record: ServiceRecord | None) -> ServiceContext:
    """What stands in a service record."""
    assert record is not None
    assert record.data is not None
    assert isinstance(record.data.content, ServiceContext)
    return record.data.content


def life() -> list[Touchpoint]:
    """A guest who is in the house, has complained, and has said how the pillow should be."""
    return [
        *checked(),
        happened("guest.arrived", NOON, {"property": "seoul", "device": "phone", "accuracy_m": 20}),
        happened("stay.checked-in", NOON + 1, {"booking": "b1", "room": "501"}),
        happened("preference.stated", NOON + 2, {"name": "pillow", "value": "feather", "by": "j.kim"}),
        happened("complaint.opened", NOON + 3, {"issue": "i1"}),
    ]


def contact(at: int = NOON + HOUR, type_: str = "call.started", **data: Any) -> Touchpoint:
    """The guest calls."""
    return happened(type_, at, data, correlation="call-7")


def test_the_desk_knows_who_this_is() -> None:
    """All that there is to know, in the order in which someone would ask for it."""
    outcome = run([*life(), contact()], engine=desk())[-1]
    (trigger,) = [each for each in outcome.triggers if each.family == "service-context"]
    content = json.loads(msgspec.json.encode(told(outcome)))

    assert (trigger.correlation, trigger.expires) == ("call-7", NOON + 5 * HOUR)
    assert {key_: value for key_, value in content.items() if key_ != "promises"} == {
        "family": "service-context",
        "contact": "call.started",
        "customer_since": "2026-03-13T12:00:00Z",
        "stage_since": "2026-03-13T12:00:00.002000Z",
        "spent": 400.0,
        "currency": "EUR",
        "active_days": 1,
        "last_active": "2026-03-13T12:00:00.002000Z",
        "moments": [
            {"type": "complaint.opened", "weight": -0.8, "time": "2026-03-14T12:00:00.003000Z"},
            {"type": "stay.checked-in", "weight": 0.2, "time": "2026-03-14T12:00:00.001000Z"},
        ],
        "issues": [{"issue": "i1", "type": "complaint.opened", "opened": "2026-03-14T12:00:00.003000Z"}],
        "bookings": [
            {
                "booking": "b1",
                "property": "seoul",
                "arrival": "2026-03-14",
                "departure": "2026-03-16",
                "status": "in-house",
                "room": "501",
                "key": True,
            }
        ],
        "preferences": [
            {"name": "pillow", "value": "feather", "by": "j.kim", "said": "2026-03-14T12:00:00.002000Z"}
        ],
        "not_now": [{"because": "open-issue", "until": "2026-03-28T12:00:00.003000Z"}],
    }
    assert [(each["play"], each["offer"]) for each in content["promises"]] == [
        ("make-it-right", "dinner-for-two"),
        ("make-it-right", "dinner-for-two"),
    ]


def test_of_a_stranger_there_is_little_to_know() -> None:
    """Who calls for the first time is one of whom nothing is known, and that is said."""
    content = told(desk().step(None, contact(), NOON + HOUR))

    assert content.customer_since == to_datetime(NOON + HOUR)
    assert (content.bookings, content.issues, content.last_active, content.not_now) == ((), (), None, ())


def test_a_contact_of_yesterday_is_late() -> None:
    """Nobody is on the line any more; but the desk's record is renewed."""
    outcome = desk().step(None, contact(), NOON + 3 * HOUR)

    assert outcome.triggers == []
    assert outcome.service is not None


def test_lists_are_limited() -> None:
    """However much there is, the desk gets what can be read while saying hello."""
    many: list[Touchpoint] = []
    for n in range(30):
        many += [
            happened("service.failed", NOON + n, {}),
            happened("complaint.opened", NOON + n, {"issue": f"i{n}"}),
            happened("booking.confirmed", NOON + n, {**STAY, "booking": f"b{n}"}),
            happened("preference.stated", NOON + n, {"name": f"n{n}", "value": "x"}),
        ]
    profile = run(many, engine=desk())[-1].profile
    profile.issued = tuple(issued(n) for n in range(9))
    content = told(desk().step(profile, contact(NOON + 40), NOON + 40))

    assert len(content.moments) == MOMENTS
    assert len(content.bookings) == BOOKINGS
    assert len(content.preferences) == PREFERENCES
    assert [each.trigger for each in content.promises] == [f"t{n}" for n in range(8, 8 - PROMISES, -1)]
    assert content.preferences[0].name == "n29"


def issued(number: int = 0, status: str = "issued", expires: int = NOON + DAY) -> Issued:
    """A trigger that went out."""
    return Issued(
        f"t{number}", "stay-with-us", "retention-offer", "push", None, None, NOON + number, expires, status
    )


@pytest.mark.parametrize(
    ("status", "expires", "promised"),
    [
        ("issued", NOON + DAY, ["t0"]),
        ("delivered", NOON + DAY, ["t0"]),
        ("issued", NOON + HOUR, []),
        ("accepted", NOON + DAY, []),
        ("declined", NOON + DAY, []),
        ("revoked", NOON + DAY, []),
    ],
)
def test_promises_are_what_nobody_has_answered(status: str, expires: int, promised: list[str]) -> None:
    """What was answered, taken back or has run out is no promise."""
    profile = Profile(1, "ann", touchpoints=1, issued=(issued(0, status, expires),))

    assert [each.trigger for each in told(desk().step(profile, contact(), NOON + HOUR)).promises] == promised


def test_what_is_not_to_be_offered() -> None:
    """What was declined, with its category and until when; what has ended is left out."""
    profile = Profile(
        1,
        "ann",
        touchpoints=1,
        suppressed=(
            Suppressed(NOON, "fatigue", "", NOON - DAY),
            Suppressed(NOON + DAY, "declined", "spa", NOON - DAY),
        ),
    )
    content = told(desk().step(profile, contact(), NOON + HOUR))

    assert [msgspec.to_builtins(each) for each in content.not_now] == [
        {"because": "declined", "category": "spa", "until": "2026-03-15T12:00:00Z"}
    ]


def test_stays_of_the_past_are_left_out() -> None:
    """One that is over, and one that nobody checked out of, are none of now."""
    past = {**STAY, "booking": "b0", "arrival": "2026-03-01", "departure": "2026-03-04"}
    over = {**STAY, "booking": "b2"}
    outcome = run(
        [
            happened("booking.confirmed", NOON, past),
            happened("booking.confirmed", NOON + 1, over),
            happened("booking.cancelled", NOON + 2, {"booking": "b2"}),
            happened("booking.confirmed", NOON + 3, STAY),
            contact(),
        ],
        engine=desk(),
    )[-1]

    assert [each.booking for each in told(outcome).bookings] == ["b1"]


def test_when_the_record_is_renewed() -> None:
    """On contact, and when what it says has changed: not when someone looks at a page."""
    quiet = ["page.viewed", "email.opened", "order.placed", "service.delivered"]
    acts = [
        *[happened(type_, NOON + n) for n, type_ in enumerate(quiet)],
        happened("booking.confirmed", NOON + 10, STAY),
        happened("page.viewed", NOON + 11),
        happened("complaint.opened", NOON + 12, {"issue": "i1"}),
        happened("complaint.opened", NOON + 13, {"issue": "i1"}),
        happened("complaint.closed", NOON + 14, {"issue": "i1"}),
        happened("preference.learned", NOON + 15, {"name": "tea", "value": "green"}),
        happened("preference.learned", NOON + 14, {"name": "tea", "value": "black"}, id_="older"),
        contact(NOON + 16),
        contact(NOON + 17),
    ]
    renewed = [(o.profile.last_seen - NOON, o.service is not None) for o in run(acts, engine=desk())]

    assert [at for at, is_renewed in renewed if is_renewed] == [10, 12, 13, 14, 15, 16, 17]


def test_the_record_says_what_the_trigger_says() -> None:
    """What was promised by the same touchpoint stands in the record, and whose word it is."""
    outcome = run([*life(), contact()], engine=desk())[-1]
    record = outcome.service

    assert record is not None
    assert stands(record).contact == "call.started"
    assert stands(record).issues == told(outcome).issues
    assert (record.customer, record.time, record.expires) == ("ann", NOON + HOUR, NOON + HOUR + 30 * DAY)
    assert record.touchpoint == contact().id


def test_a_timer_renews_it() -> None:
    """When the last day is over and the key is gone, the record says so."""
    before = run(life(), engine=desk())[-1].profile
    outcome = desk().fire(before, NOON + 9 * DAY)

    assert [each.key for each in stands(outcome.service).bookings] == [False]
    assert desk().fire(before, NOON).service is None


def test_what_runs_out_is_no_news() -> None:
    """The record has said until when a promise holds; that it was declined before, nobody could know."""
    end = Timer(NOON + HOUR, "live", "", "e-1")
    reason = Suppressed(NOON + HOUR, "declined", "spa", NOON - DAY)
    promised = Profile(
        1, "ann", touchpoints=1, issued=(issued(expires=end.due),), timers=(end,), suppressed=(reason,)
    )
    ran_out = desk().step(promised, happened("page.viewed", end.due), end.due)
    ended = desk().fire(promised, end.due)
    declined = desk().step(promised, happened("trigger.declined", NOON, {"trigger": "t0"}), NOON)

    assert [each.reason for each in ran_out.decisions[0].data.candidates] == ["expired"]
    assert [each.reason for each in ended.decisions[0].data.candidates] == ["expired"]
    assert (ran_out.service, ended.service) == (None, None)
    assert stands(declined.service).promises == ()


def test_a_purpose_is_honoured() -> None:
    """Where a purpose is asked for, nothing is told without consent, and all goes with it."""
    asked = desk("    purpose: service\n")
    consent = {"purpose": "service"}
    refused, granted, called, withdrawn, again = run(
        [
            contact(NOON),
            happened("consent.granted", NOON + 1, consent),
            contact(NOON + 2),
            happened("consent.withdrawn", NOON + 3, consent),
            contact(NOON + 4),
        ],
        engine=asked,
    )

    assert (refused.triggers, refused.service) == ([], None)
    assert stands(granted.service).contact is None
    assert told(called).contact == "call.started"
    assert withdrawn.service is not None
    assert service_context.encode(withdrawn.service) is None
    assert (again.triggers, again.service) == ([], None)


def test_an_alias_has_no_record() -> None:
    """An id that becomes one with another loses its record, and the other's tells of both."""
    one = desk()
    profiles: dict[str, Profile] = {}
    records: dict[str, ServiceRecord] = {}
    waiting = [
        msgspec.structs.replace(happened("complaint.opened", NOON, {"issue": "i1"}), customer="anon"),
        happened("booking.confirmed", NOON + 1, STAY),
        happened("identity.linked", NOON + 2, {"alias": "anon", "authenticated": True}),
    ]
    while waiting:
        touchpoint = waiting.pop(0)
        outcome = one.step(profiles.get(touchpoint.customer), touchpoint, NOON + 10)
        profiles[touchpoint.customer] = outcome.profile
        waiting += [forward.touchpoint for forward in outcome.forwards]
        if outcome.service is not None:
            records[outcome.service.customer] = outcome.service

    assert service_context.encode(records["anon"]) is None
    assert [each.issue for each in stands(records["ann"]).issues] == ["i1"]
    assert [each.booking for each in stands(records["ann"]).bookings] == ["b1"]


def test_without_a_play_there_is_no_desk() -> None:
    """A playbook that has none publishes no records."""
    assert [outcome.service for outcome in run([*life(), contact()])] == [None] * 8


def test_a_record_is_deterministic() -> None:
    """A step that is repeated after a crash publishes the same bytes."""
    one, other = (run([*life(), contact()], engine=desk())[-1].service for _ in range(2))
    assert one is not None
    assert other is not None

    assert service_context.encode(one) == service_context.encode(other)


def test_a_contact_needs_a_touchpoint() -> None:
    """A service context at an absence would be for nobody."""
    wait = "absence: {after: [chat.started], unless: [chat.rated], within: 1h}"

    with pytest.raises(InputError, match="needs `touchpoints`"):
        load(HOTEL_YAML + DESK.replace("touchpoints: [chat.started, call.started]", wait), "hotel.yaml")


def test_what_is_left_of_the_customers_own_budgets() -> None:
    """The desk hears what it may still spend on this customer; what all share is not the customer's."""
    budgets = """
budgets:
  goodwill: {amount: 2000, per: customer, period: 30d}
  house: {amount: 9000, per: programme, period: 30d}
"""
    family = "    family: recovery-offer\n"
    spending = HOTEL_YAML.replace(family, f"{family}    budget: goodwill\n")
    own = engine(playbook=load(budgets + spending + DESK, "hotel.yaml"))
    stranger = told(own.step(None, contact(), NOON + HOUR))
    angry = run([happened("complaint.opened", NOON, {"issue": "i1"}), contact(NOON + 1)], engine=own)[-1]

    assert stranger.budget == {"goodwill": 2000.0}
    assert told(angry).budget == {"goodwill": 1985.0}
