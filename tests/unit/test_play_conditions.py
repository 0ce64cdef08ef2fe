"""Conditions on plays that find their own cause, and what each name of a condition reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from schemas.conditions.evaluation import ConditionError, Reference
from schemas.conditions.vocabulary import FUNCTIONS, VARIABLES
from schemas.playbook import load
from schemas.timestamp import DAY, HOUR, MINUTE
from schemas.touchpoint import Touchpoint
from stream.engine import Engine
from stream.plays.conditions import Conditions
from stream.plays.context import Context
from tests.hotel import ARRIVAL, HOTEL_YAML, NOON, GivenRisk, checked, happened, reasons
from tests.probes import engine_of, life, probe, said


def asking(play: str, asks: str, risk: float = 0.25) -> Engine:
    """The engine of a hotel one of whose plays asks something besides."""
    text = HOTEL_YAML.replace(f"  - play: {play}\n", f"  - play: {play}\n    {asks}\n")
    assert text != HOTEL_YAML
    return Engine(load(text, "hotel.yaml"), GivenRisk(risk), "given")


def test_a_bad_moment_that_the_play_is_not_for() -> None:
    """Where the condition does not hold the play is no candidate; the others are what they were."""
    engine = asking("make-it-right", "when: profile.spent > 100")
    order = happened("order.placed", NOON - DAY, amount=100.5)
    complaint = happened("complaint.opened")

    assert reasons(life(engine, [complaint])[-1]) == {"hold-promotions": "fired"}
    assert reasons(life(engine, [order, complaint])[-1]) == {
        "make-it-right": "fired",
        "hold-promotions": "fired",
    }


def test_a_condition_that_can_not_be_answered() -> None:
    """The play is passed over and says so once, and the rest goes on."""
    engine = asking("make-it-right", "when: event.room == '101'")

    assert reasons(life(engine, [happened("complaint.opened")])[-1]) == {
        "make-it-right": "condition-error",
        "hold-promotions": "fired",
    }


def test_a_risk_that_nobody_answered_stays_unanswered() -> None:
    """A retention play whose condition does not hold yet answers the risk as soon as it does."""
    engine = asking("stay-with-us", "when: count('order.placed') >= 3", risk=0.9)
    orders = [happened("order.placed", NOON + day * DAY, amount=10.0) for day in range(4)]

    outcomes = life(engine, orders)

    assert [(time - NOON) // DAY for time, reason in said(outcomes) if reason == "fired"] == [2]
    assert [outcome.profile.at_risk for outcome in outcomes] == [False, False, True, True]


def test_a_key_is_taken_away_whatever_the_condition_says() -> None:
    """What a play began it ends, though the guest would not get a key now."""
    engine = asking("key-at-the-door", "when: open_issues() == 0")
    arrival = happened("guest.arrived", NOON, ARRIVAL)
    complaint = happened("complaint.opened", NOON + HOUR)
    out = happened("stay.checked-out", NOON + DAY, {"booking": "b1"})

    outcomes = life(engine, [*checked(), arrival, complaint, out])
    again = life(engine, [*checked(), complaint, happened("guest.arrived", NOON + 2 * HOUR, ARRIVAL)])

    assert reasons(outcomes[-1]) == {"key-at-the-door": "fired"}
    assert reasons(again[-1]) == {}


def test_promotions_are_let_through_whatever_the_condition_says() -> None:
    """A suppression ends with the last issue, though it would not begin now."""
    engine = asking("hold-promotions", "when: profile.spent < 100")
    order = happened("order.placed", NOON + HOUR, amount=1000.0)
    closed = happened("complaint.closed", NOON + 2 * HOUR)

    outcomes = life(engine, [happened("complaint.opened"), order, closed])

    assert reasons(outcomes[0])["hold-promotions"] == "fired"
    assert reasons(outcomes[2])["hold-promotions"] == "fired"


def test_reentry_of_a_play_that_finds_its_own_cause() -> None:
    """`once` is once, whatever the family makes of it."""
    engine = asking("hold-promotions", "reentry: once")
    complaints = [happened("complaint.opened", NOON), happened("complaint.closed", NOON + 1)]
    complaints.append(happened("complaint.opened", NOON + 30 * DAY))

    assert [reasons(each)["hold-promotions"] for each in life(engine, complaints)] == [
        "fired",
        "fired",
        "reentry",
    ]


SEGMENTS = {"rich": "profile.spent > 300", "poor": "profile.spent < 300"}
ARRIVED = happened("guest.arrived", NOON, ARRIVAL | {"party": {"size": 2}}, amount=7.5, correlation="b1")
TOUCHPOINTS = (
    happened("service.failed", NOON - 40 * DAY),
    *checked(),
    happened("page.viewed", NOON - 3 * HOUR),
    happened("page.viewed", NOON - 2 * HOUR),
    happened("complaint.opened", NOON - 12 * HOUR, id_="c1"),
    happened("preference.stated", NOON - HOUR, {"name": "pillow", "value": "soft"}),
    happened("account.stated", NOON - HOUR, {"plan": "business", "renews": "2026-04-01"}),
    happened("service.delivered", NOON - 30 * MINUTE),
    msgspec.structs.replace(ARRIVED, channel="app"),
)
MARCH = datetime(2026, 3, 14, 12, tzinfo=UTC)

VALUES: list[tuple[str, tuple[Any, ...], object]] = [
    ("now", (), MARCH),
    ("event", ("accuracy_m",), 20),
    ("event", ("party", "size"), 2),
    ("event.type", (), "guest.arrived"),
    ("event.time", (), MARCH),
    ("event.source", (), "/test"),
    ("event.channel", (), "app"),
    ("event.amount", (), 7.5),
    ("event.correlation", (), "b1"),
    ("event.weight", (), 0.5),
    ("profile.stage", (), "act"),
    ("profile.stage_days", (), pytest.approx(1.0, abs=1e-6)),
    ("profile.risk", (), 0.25),
    ("profile.spent", (), 400.0),
    ("profile.last_amount", (), 400.0),
    ("profile.active_days", (), 1),
    ("profile.gap_days", (), 0.0),
    ("profile.touchpoints", (), 11),
    ("profile.days", (), 40.0),
    ("profile.experience", (), pytest.approx(-0.6 * 2 ** (-40 / 30) - 0.8 * 2 ** (-1 / 60) + 0.4, abs=1e-3)),
    ("profile.attention", (), pytest.approx(2 ** (-1 / 7), abs=1e-6)),
    ("profile.ids", (), 1),
    ("profile.has_device", (), True),
    ("booking.id", (), "b1"),
    ("booking.property", (), "seoul"),
    ("booking.status", (), "confirmed"),
    ("booking.room", (), None),
    ("booking.nights", (), 2),
    ("booking.days_to_arrival", (), 0),
    ("booking.days_to_departure", (), 2),
    ("booking.has_key", (), False),
    ("account.plan", (), "business"),
    ("account.seats", (), None),
    ("account.days_to_renewal", (), 18),
    ("count", ("page.viewed",), 2),
    ("count", ("order.placed",), 0),
    ("days_since", ("page.viewed",), 1 / 12),
    ("days_since", ("order.placed",), float("inf")),
    ("bad_moments", (timedelta(days=30),), 1),
    ("bad_moments", (timedelta(days=60),), 2),
    ("bad_moments", (timedelta(days=60), 0.7), 1),
    ("good_moments", (timedelta(hours=1),), 1),
    ("good_moments", (timedelta(hours=1), 0.5), 0),
    ("open_issues", (), 1),
    ("issue_days", (), 0.5),
    ("bookings", (), 1),
    ("agreed", ("location",), True),
    ("agreed", ("news",), False),
    ("agreed", ("location", "app"), True),
    ("prefers", ("pillow", "soft"), True),
    ("prefers", ("pillow", "hard"), False),
    ("in_segment", ("rich",), True),
    ("in_segment", ("poor",), False),
    ("fired", ("make-it-right",), True),
    ("fired", ("make-it-right", timedelta(days=1)), False),
    ("fired", ("make-it-right", timedelta(hours=25)), True),
    ("hour", (), 12),
    ("hour", ("seoul",), 21),
    ("weekday", (), 6),
]


@pytest.mark.parametrize(("name", "arguments", "expected"), VALUES)
def test_what_a_name_reads(name: str, arguments: tuple[Any, ...], expected: object) -> None:
    """Each name says of one day at the hotel what the vocabulary says that it says; None is an error."""
    engine = engine_of(
        probe("make-it-right", touchpoints=["consent.granted"], channel="push"), segments=SEGMENTS
    )
    profile = life(engine, TOUCHPOINTS)[-1].profile
    plays = frozenset(("make-it-right",))
    context = Context(profile, TOUCHPOINTS[-1], NOON, False, 0.5, None, None, plays, "p", "m", [], [])
    reader = Conditions(engine.playbook).read(Reference(name, arguments, "any", 0))

    if expected is None:
        with pytest.raises(ConditionError, match=f"{name} is not known"):
            reader(context)
    else:
        assert reader(context) == expected


def test_every_name_is_read() -> None:
    """Nothing in the vocabulary is without an answer, and no answer without a test."""
    fields = {f"{root}.{field}" for root, known in VARIABLES.items() for field in known}
    # These two are values as they are written.
    functions = FUNCTIONS.keys() - {"duration", "timestamp"}

    assert {name for name, _, _ in VALUES} == fields | functions | {"now", "event"}


def test_which_booking() -> None:
    """It is the one that the touchpoint names, else the stay that is on, else the next one; or none."""
    engine = engine_of(probe("other", touchpoints=["page.viewed"]))
    stays = [
        ("b1", "2026-03-01", "2026-03-03"),
        ("b2", "2026-03-20", "2026-03-22"),
        ("b3", "2026-04-01", "2026-04-02"),
    ]
    confirmed = [
        happened(
            "booking.confirmed",
            NOON,
            {"booking": id_, "property": "seoul", "arrival": a, "departure": b},
            id_=id_,
        )
        for id_, a, b in stays
    ]
    read = Conditions(engine.playbook).read(Reference("booking.id", (), "text", 0))

    def booking(touchpoints: list[Touchpoint]) -> object:
        profile = life(engine, touchpoints)[-1].profile
        last = touchpoints[-1]
        return read(Context(profile, last, NOON, False, 0.0, None, None, frozenset(), "p", "m", [], []))

    viewed = happened("page.viewed")
    in_house = happened("stay.checked-in", NOON, {"booking": "b3"})
    assert booking([*confirmed, viewed]) == "b2"
    assert booking([*confirmed, happened("page.viewed", NOON, {"booking": "b1"})]) == "b1"
    assert booking([*confirmed, happened("page.viewed", NOON, correlation="b3")]) == "b3"
    assert booking([*confirmed, in_house, viewed]) == "b3"
    with pytest.raises(ConditionError, match="there is no booking"):
        booking([confirmed[0], viewed])
