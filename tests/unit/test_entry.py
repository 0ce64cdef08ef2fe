"""Entry: by a touchpoint, at an absence, at the end of a sequence; how often, and what calls it off."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.families.entry import EntryPlay
from schemas.profile import Profile, new_profile
from schemas.timestamp import DAY, HOUR, MINUTE
from schemas.touchpoint import Touchpoint
from stream import merger
from stream.outcome import Outcome
from tests.hotel import HOTEL, NOON, PROPERTY_TEST, STAY, happened
from tests.probes import ProbePlay, engine_of, life, probe, said


def at(minutes: float, type_: str, **data: Any) -> Touchpoint:
    """Something that happened so many minutes after noon."""
    return happened(type_, NOON + round(minutes * MINUTE), data)


def minutes_of(outcomes: list[Outcome]) -> list[tuple[float, str]]:
    """Minutes after noon of what was decided, and what became of it."""
    return [((time - NOON) / MINUTE, reason) for time, reason in said(outcomes)]


def test_by_a_touchpoint() -> None:
    """A play is entered by the types that it names, and by no other."""
    engine = engine_of(probe(touchpoints=["cart.added"]))

    assert minutes_of(life(engine, [at(0, "page.viewed"), at(1, "cart.added")])) == [(1, "fired")]


def test_the_condition() -> None:
    """A condition that does not hold makes no candidate; one that can't be answered passes that play over."""
    asks = probe(touchpoints=["cart.added"], when="event.price > 100")
    other = probe("other", touchpoints=["cart.added"])
    engine = engine_of(asks, other)

    assert minutes_of(life(engine, [at(0, "cart.added", price=100)])) == [(0, "fired")]
    assert minutes_of(life(engine, [at(0, "cart.added", price=100.5)])) == [(0, "fired"), (0, "fired")]
    for data in ({}, {"price": "101"}, {"price": True}, {"price": None}):
        assert minutes_of(life(engine, [at(0, "cart.added", **data)])) == [
            (0, "condition-error"),
            (0, "fired"),
        ]


def test_segments() -> None:
    """A play is for a segment, and a segment may be made of others, in whatever order they stand."""
    play = probe(touchpoints=["cart.added"], segment="loyal")
    segments = {"loyal": 'in_segment("regular") && !in_segment("angry")'}
    segments |= {"regular": 'count("cart.added") >= 2', "angry": "open_issues() > 0"}
    engine = engine_of(play, segments=segments)
    touchpoints = [at(0, "cart.added"), at(1, "cart.added"), at(2, "complaint.opened"), at(3, "cart.added")]

    assert minutes_of(life(engine, touchpoints)) == [(1, "fired")]


def test_late() -> None:
    """Nothing is entered by what happened too long ago."""
    engine = engine_of(probe(touchpoints=["cart.added"]))

    outcome = engine.step(None, at(0, "cart.added"), NOON + HOUR + 1)

    assert said([outcome]) == [(NOON + HOUR + 1, "late")]


@pytest.mark.parametrize(
    ("reentry", "fired"),
    [
        ("always", [0, 1, 2, 3, 61]),
        ("once", [0]),
        ("60m", [0, 61]),
        ("2m", [0, 2, 61]),
        ("per-key", [0, 2]),
    ],
)
def test_reentry(reentry: str, fired: list[int]) -> None:
    """A play is entered as often as its policy allows, and says so where it does not."""
    engine = engine_of(probe(touchpoints=["cart.added"], reentry=reentry, by="cart"))
    carts = [(0, "a"), (1, "a"), (2, "b"), (3, 0), (61, "b")] if reentry != "per-key" else []
    carts = carts or [(0, "a"), (1, "a"), (2, "b"), (3, "a"), (61, "b")]

    decided = minutes_of(life(engine, [at(minute, "cart.added", cart=cart) for minute, cart in carts]))

    assert [minute for minute, reason in decided if reason == "fired"] == fired
    assert {reason for _, reason in decided} <= {"fired", "reentry"}
    assert len(decided) == 5


def test_who_gets_nothing_has_not_entered() -> None:
    """What is held back for lack of consent does not use up the one time."""
    engine = engine_of(probe(touchpoints=["cart.added"], reentry="once", purpose="offers"))
    agree = at(1, "consent.granted", purpose="offers")

    decided = minutes_of(life(engine, [at(0, "cart.added"), agree, at(2, "cart.added"), at(3, "cart.added")]))

    assert decided == [(0, "consent"), (2, "fired"), (3, "reentry")]


def test_a_key_that_is_not_said() -> None:
    """Where entries are told apart by a field, a touchpoint without it enters nothing."""
    engine = engine_of(probe(touchpoints=["cart.added"], reentry="per-key", by="cart"))
    keys: list[dict[str, Any]] = [{}, {"cart": ""}, {"cart": ["x"]}, {"cart": "x" * 257}]

    assert [reason for key in keys for _, reason in said(life(engine, [at(0, "cart.added", **key)]))] == [
        "no-key"
    ] * 4


CART = {"after": ["cart.added"], "unless": ["order.placed"], "within": "30m"}


def test_an_absence() -> None:
    """What is not bought within half an hour enters the play, to the millisecond."""
    engine = engine_of(probe(absence=CART, by="cart"))
    cart = [at(0, "cart.added", cart="a")]

    assert minutes_of(life(engine, cart, NOON + 30 * MINUTE - 1)) == []
    assert minutes_of(life(engine, cart, NOON + DAY)) == [(30, "fired")]
    (outcome,) = life(engine, [], NOON + DAY, life(engine, cart)[-1].profile)
    assert [(t.time, t.correlation, t.family) for t in outcome.triggers] == [
        (NOON + 30 * MINUTE, "a", "probe")
    ]


@pytest.mark.parametrize(
    ("touchpoints", "decided"),
    [
        ([(0, "cart.added", "a"), (29, "order.placed", "a")], []),
        ([(0, "cart.added", "a"), (29, "order.placed", "b")], [(30, "fired")]),
        ([(0, "cart.added", "a"), (20, "cart.added", "a")], [(50, "fired")]),
        ([(0, "cart.added", "a"), (20, "cart.added", "b")], [(30, "fired"), (50, "fired")]),
        ([(0, "cart.added", "a"), (31, "order.placed", "a")], [(30, "fired")]),
        ([(0, "order.placed", "a"), (1, "cart.added", "a")], [(31, "fired")]),
    ],
)
def test_waits(touchpoints: list[tuple[int, str, str]], decided: list[tuple[float, str]]) -> None:
    """A wait ends by what is about the same cart, begins anew with it, and not before its beginning."""
    engine = engine_of(probe(absence=CART, by="cart"))
    happening = [at(minute, type_, cart=cart) for minute, type_, cart in touchpoints]

    assert minutes_of(life(engine, happening, NOON + DAY)) == decided


def test_what_happened_in_time_calls_off_whenever_it_is_told() -> None:
    """An order that is told hours late, or before its cart, was placed all the same."""
    engine = engine_of(probe(absence={**CART, "within": "6h"}, by="cart"))
    cart, order = at(0, "cart.added", cart="a"), at(20, "order.placed", cart="a")

    waiting = engine.step(None, cart, NOON).profile
    told_late = engine.step(waiting, order, NOON + 5 * HOUR)
    told_before = engine.step(engine.step(None, order, NOON + 21 * MINUTE).profile, cart, NOON + 22 * MINUTE)
    told_of_before = engine.step(waiting, at(-20, "order.placed", cart="a"), NOON + MINUTE)

    assert [len(each.profile.timers) for each in (told_late, told_before, told_of_before)] == [0, 0, 1]


def test_an_absence_without_keys() -> None:
    """Without a field to go by there is one wait, and any order ends it."""
    engine = engine_of(probe(absence=CART))
    told_before = engine.step(None, at(20, "order.placed"), NOON + 21 * MINUTE).profile

    assert minutes_of(life(engine, [at(0, "cart.added"), at(20, "order.placed")], NOON + DAY)) == []
    assert engine.step(told_before, at(0, "cart.added"), NOON + 22 * MINUTE).profile.timers == ()


def test_a_condition_at_an_absence() -> None:
    """What it asks of the touchpoint is asked when the wait begins, all else when it is over."""
    engine = engine_of(probe(absence=CART, by="cart", when='event.price > 100 && count("page.viewed") > 0'))
    cart, dear = at(0, "cart.added", cart="a", price=99), at(1, "cart.added", cart="b", price=101)
    viewed = at(2, "page.viewed")

    assert minutes_of(life(engine, [cart, viewed], NOON + DAY)) == []
    assert minutes_of(life(engine, [dear], NOON + DAY)) == []
    assert minutes_of(life(engine, [dear, viewed], NOON + DAY)) == [(31, "fired")]


NO_SHOW: dict[str, Any] = {
    "absence": {
        "after": ["booking.confirmed"],
        "unless": ["stay.checked-in"],
        "at": "22:00",
        "day": "arrival",
    },
    "by": "booking",
    "cancelled_by": ["booking.cancelled"],
}
BOOKED = happened("booking.confirmed", NOON - DAY, STAY)


def test_an_evening_at_the_hotel() -> None:
    """Whoever has not come by ten in the evening in Seoul has not at one in the afternoon, UTC."""
    engine = engine_of(probe(**NO_SHOW))
    arrival = happened("stay.checked-in", NOON + HOUR - 1, {"booking": "b1"})

    assert said(life(engine, [BOOKED], NOON + DAY)) == [(NOON + HOUR, "fired")]
    assert said(life(engine, [BOOKED, arrival], NOON + DAY)) == []


def test_a_booking_that_changes() -> None:
    """The evening is the one of the booking as it stands; of one that is in the house there is none."""
    engine = engine_of(probe(**NO_SHOW))
    later = happened("booking.confirmed", NOON - HOUR, {"booking": "b1", "arrival": "2026-03-15"})
    arrived = happened("stay.checked-in", NOON - 2 * HOUR, {"booking": "b1"})
    changed = happened("booking.confirmed", NOON - HOUR, {"booking": "b1", "departure": "2026-03-17"})

    assert said(life(engine, [BOOKED, later], NOON + 9 * DAY)) == [(NOON + DAY + HOUR, "fired")]
    assert said(life(engine, [BOOKED, arrived, changed], NOON + 9 * DAY)) == []


def test_cancelled() -> None:
    """What calls a play off leaves a decision that says so, and nothing is left that could fire."""
    engine = engine_of(probe(**NO_SHOW))
    cancelled = happened("booking.cancelled", NOON, {"booking": "b1"})
    other = happened("booking.cancelled", NOON, {"booking": "b2"})

    assert said(life(engine, [BOOKED, cancelled], NOON + DAY)) == [(NOON, "cancelled")]
    assert said(life(engine, [BOOKED, other], NOON + DAY)) == [(NOON + HOUR, "fired")]


def test_what_a_trigger_is_about() -> None:
    """A trigger belongs to the cart that its play was entered for, and to nothing where it goes by none."""
    engine = engine_of(
        probe(touchpoints=["cart.added"], by="cart"), probe("other", touchpoints=["cart.added"])
    )

    (outcome,) = life(engine, [at(0, "cart.added", cart="a")])

    assert [(t.data.play, t.correlation) for t in outcome.triggers] == [("probe", "a"), ("other", None)]


def test_what_calls_off_counts_by_when_it_happened() -> None:
    """What is told before its beginning, or of a time before it, calls off what it would have then."""
    engine = engine_of(probe(absence=CART, by="cart", cancelled_by=["app.failed"]))
    cart, failed = at(0, "cart.added", cart="a"), at(5, "app.failed", cart="a")
    before = at(-5, "app.failed", cart="a")
    evening = engine_of(probe(**NO_SHOW))
    booked = life(evening, [BOOKED])[-1].profile
    old = happened("booking.cancelled", NOON - 2 * DAY, {"booking": "b1"})

    told_before = engine.step(engine.step(None, failed, NOON + 6 * MINUTE).profile, cart, NOON + 7 * MINUTE)
    told_of_before = engine.step(engine.step(None, cart, NOON).profile, before, NOON + MINUTE)

    assert [len(each.profile.timers) for each in (told_before, told_of_before)] == [0, 1]
    assert said([told_before, told_of_before]) == []
    assert len(evening.step(booked, old, NOON).profile.timers) == 1


STEPS = {"steps": ["product.viewed", "cart.added", "checkout.started"], "within": "60m"}


@pytest.mark.parametrize(
    ("touchpoints", "decided"),
    [
        ([(0, "v", 1), (1, "c", 1), (60, "o", 1)], [(60, "fired")]),
        ([(0, "v", 1), (1, "c", 1), (61, "o", 1)], []),
        ([(0, "c", 1), (1, "v", 1), (2, "o", 1)], []),
        ([(0, "v", 1), (1, "c", 2), (2, "o", 1)], []),
        ([(0, "v", 1), (50, "v", 1), (55, "c", 1), (70, "o", 1)], [(70, "fired")]),
        ([(0, "v", 1), (10, "c", 1), (20, "v", 1), (30, "o", 1)], [(30, "fired")]),
        ([(0, "v", 1), (1, "c", 1), (2, "o", 1), (3, "o", 1)], [(2, "fired")]),
        ([(0, "v", 1), (1, "c", 1), (2, "x", 1), (3, "o", 1)], [(2, "cancelled")]),
    ],
)
def test_sequences(touchpoints: list[tuple[int, str, int]], decided: list[tuple[float, str]]) -> None:
    """Steps count in their order, within their time, for what they are about, whatever lies between them."""
    types = {"v": "product.viewed", "c": "cart.added", "o": "checkout.started", "x": "app.failed"}
    engine = engine_of(probe(sequence=STEPS, by="product", cancelled_by=["app.failed"]))
    happening = [at(minute, types[step], product=about) for minute, step, about in touchpoints]

    assert minutes_of(life(engine, happening)) == decided


def test_the_same_step_twice() -> None:
    """One touchpoint is one step: three searches are three."""
    steps = {"steps": ["product.searched", "product.searched", "product.searched"], "within": "60m"}
    engine = engine_of(probe(sequence=steps))

    assert minutes_of(life(engine, [at(minute, "product.searched") for minute in range(6)])) == [
        (2, "fired"),
        (5, "fired"),
    ]


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({}, ["play"], "it needs `touchpoints`, `absence` or `sequence`, or it could never fire"),
        (
            {"touchpoints": ["cart.added"], "sequence": STEPS},
            ["sequence"],
            "`touchpoints` and `sequence` are two ways to enter it: make two plays",
        ),
        (
            {"touchpoints": ["cart.ad"]},
            ["touchpoints", 0],
            "`cart.ad` is not in the catalogue (did you mean `cart.added`?)",
        ),
        (
            {"touchpoints": ["cart.added"], "reentry": "per-key"},
            ["reentry"],
            "`per-key` needs `by`, the field of the data that tells them apart",
        ),
        (
            {"touchpoints": ["cart.added"], "cancelled_by": ["order.placed", "cart.added"]},
            ["cancelled_by", 1],
            "`cart.added` would call off what it begins or ends",
        ),
        (
            {"absence": {"after": ["cart.added"], "unless": ["order.placed"]}},
            ["absence"],
            "it needs either `within` or `at`, or it would never be over",
        ),
        (
            {"absence": {**CART, "unless": []}},
            ["absence", "unless"],
            "`unless` is empty, so it could never end",
        ),
        (
            {"absence": {**CART, "unless": ["cart.added"]}},
            ["absence", "unless"],
            "`cart.added` would begin the wait and end it",
        ),
        ({"absence": {**CART, "within": "400d"}}, ["absence", "within"], "`400d` is longer than 366 days"),
        (
            {"absence": NO_SHOW["absence"]},
            ["absence", "at"],
            "`at` is a time at a booking's hotel: it needs `by: booking`",
        ),
        (
            {"sequence": {"steps": ["cart.added"], "within": "1h"}},
            ["sequence", "steps"],
            "a sequence has 2 to 8 steps",
        ),
    ],
)
def test_mistakes(fields: dict[str, Any], field: list[str | int], message: str) -> None:
    """An entry that could never be, or is no single one, is refused where it stands."""
    play = msgspec.convert({"family": "probe", "play": "probe", "valid_for": "1h", **fields}, ProbePlay)

    assert list(EntryPlay.mistakes(play, HOTEL)) == [(field, message)]


def merged(one: Profile, other: Profile) -> Profile:
    """One profile of two that are the same customer's."""
    known = msgspec.structs.replace(one)
    merger.merge(known, other)
    return known


def test_two_profiles_of_one_customer() -> None:
    """What was entered, taken or ended under either id was by the one customer, whichever comes first."""
    once = probe("once", touchpoints=["cart.added"], reentry="once")
    wait = probe("wait", absence=CART, by="cart")
    steps = probe("steps", sequence=STEPS)
    engine = engine_of(once, wait, steps)
    one = life(engine, [at(0, "product.viewed"), at(1, "cart.added", cart="a")])[-1].profile
    other = life(engine, [at(2, "product.viewed"), at(3, "order.placed", cart="a")])[-1].profile

    for both in (merged(one, other), merged(other, one)):
        decided = life(engine, [at(4, "cart.added", cart="b"), at(5, "checkout.started")], NOON + DAY, both)
        assert minutes_of(decided) == [(4, "reentry"), (5, "fired"), (34, "fired")]
    fields = ("entered", "entered_keys", "progress", "ended", "timers")
    assert [getattr(merged(one, other), each) for each in fields] == [
        getattr(merged(other, one), each) for each in fields
    ]


PLAYS = (
    probe("always", touchpoints=["cart.added"]),
    probe("once", touchpoints=["cart.added"], reentry="once"),
    probe("hourly", touchpoints=["cart.added"], reentry="1h"),
    probe("each", touchpoints=["cart.added"], reentry="per-key", by="cart"),
    probe("wait", absence=CART, by="cart", cancelled_by=["app.failed"], reentry="1h"),
    probe("steps", sequence=STEPS, cancelled_by=["app.failed"], by="cart"),
)
LIVES = st.lists(
    st.tuples(
        st.integers(0, 180),
        st.sampled_from(("cart.added", "order.placed", "app.failed", "product.viewed", "checkout.started")),
        st.sampled_from("ab"),
        st.integers(0, 90),
    ),
    max_size=14,
)


@PROPERTY_TEST
@given(LIVES, st.lists(st.integers(0, 300), max_size=4))
def test_never_more_than_allowed(lived: list[tuple[int, str, str, int]], fires: list[int]) -> None:
    """However touchpoints and timers interleave: no entry too many, and nothing fires that was called off."""
    engine = engine_of(*PLAYS)
    arrivals = sorted(
        (minute + delay, number, happened(type_, NOON + minute * MINUTE, {"cart": cart}, id_=str(number)))
        for number, (minute, type_, cart, delay) in enumerate(lived)
    )
    moments: list[tuple[int, Touchpoint | None]] = [(minute, each) for minute, _, each in arrivals]
    moments = sorted([*moments, *((minute, None) for minute in fires)], key=lambda moment: moment[0])
    profile = new_profile("ann")
    entered: dict[str, list[tuple[int, str | None]]] = {play.play: [] for play in PLAYS}
    waiting: dict[str, int] = {}
    for minute, touchpoint in [*moments, (400, None)]:
        now = NOON + minute * MINUTE
        outcome = engine.fire(profile, now) if touchpoint is None else engine.step(profile, touchpoint, now)
        profile = outcome.profile
        for trigger in outcome.triggers:
            entered[trigger.data.play].append((trigger.time, trigger.correlation))
            if trigger.data.play == "wait":
                assert trigger.correlation in waiting
        if touchpoint is not None and touchpoint.type == "cart.added":
            key = touchpoint.data["cart"]
            waiting[key] = max(touchpoint.time, waiting.get(key, 0))
        if touchpoint is not None and touchpoint.type == "app.failed":
            key = touchpoint.data["cart"]
            if waiting.get(key, 0) <= touchpoint.time:
                waiting.pop(key, None)
            runs = profile.progress.get(f"steps:{key}", ())
            assert not runs or max(run.first for run in runs) > touchpoint.time
        assert {timer.key for timer in profile.timers} <= waiting.keys()
    times = {name: [time for time, _ in each] for name, each in entered.items()}
    assert len(entered["once"]) <= 1
    for name in ("hourly", "wait"):
        assert all(
            abs(one - two) >= HOUR for n, one in enumerate(times[name]) for two in times[name][n + 1 :]
        )
    assert len(entered["each"]) <= 2
