"""The engine: pure, bounded, and fails in one way only, whatever happens in whatever order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import profile as profiles
from schemas.consent import Consent
from schemas.issue import Issue
from schemas.kinds import NAMES, Kind, kinds_of
from schemas.moment import Moment
from schemas.profile import Profile
from schemas.stay import Booking, Key
from schemas.timer import Timer
from schemas.timestamp import DAY, HOUR
from schemas.touchpoint import MAX_TIME, Touchpoint
from stream.churn.features import features_of
from stream.churn.logistic import Logistic
from stream.engine import LATENESS, Engine
from stream.outcome import Outcome
from tests.hotel import (
    ARRIVAL,
    HOTEL,
    NOON,
    PROPERTY_TEST,
    STAY,
    GivenRisk,
    after,
    checked,
    engine,
    happened,
    reasons,
    run,
)

FIRST = date(2026, 3, 10)
STATE_TYPES = sorted(type_ for type_, entry in HOTEL.catalogue.items() if entry.effect)
TYPES = [*HOTEL.catalogue, "spa.visited", "*", "방문"]


def days(numbers: st.SearchStrategy[int]) -> st.SearchStrategy[str]:
    """Days around the one that all tests are about."""
    return numbers.map(lambda number: (FIRST + timedelta(days=number)).isoformat())


PLAUSIBLE = st.fixed_dictionaries(
    {
        "booking": st.sampled_from([f"b{number}" for number in range(12)]),
        "property": st.sampled_from(["seoul", "lisbon", "mars"]),
        "arrival": days(st.integers(0, 6)),
        "departure": days(st.integers(6, 9)),
        "device": st.sampled_from(["phone", "watch"]),
        "purpose": st.sampled_from(["location", *(f"p{number}" for number in range(20))]),
        "accuracy_m": st.sampled_from([0, 20, 100, 101]),
        "rating": st.integers(0, 6),
        "score": st.floats(-1, 11),
        "trigger": st.sampled_from(["t1", "t2"]),
        "room": st.sampled_from(["707", "708"]),
        "latitude": st.sampled_from([37.5665, 37.5667, 37.6, 91.0]),
        "longitude": st.just(126.978),
        "name": st.sampled_from([f"n{number}" for number in range(30)]),
        "value": st.sampled_from(["feather", "foam"]),
    },
    optional={"issue": st.sampled_from([f"i{number}" for number in range(12)])},
)
"""Data that apps may well send: every effect finds what it needs."""

LIVES = st.lists(
    st.builds(
        happened,
        st.sampled_from(TYPES) | st.sampled_from(STATE_TYPES),
        st.integers(NOON - 60 * DAY, NOON + 60 * DAY) | st.integers(NOON, NOON + HOUR),
        PLAUSIBLE,
        id_=st.integers(0, 200).map(str),
        amount=st.none() | st.floats(-1e12, 1e12),
        correlation=st.none() | st.text(max_size=3),
    ),
    min_size=1,
    max_size=30,
)
"""What may happen to a customer, in any order."""

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(
        [10**400, -(10**400), 2**63, 1e308, "", "2026-03-14", "9999-12-31", "0001-01-01", "b1", "seoul"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)

FIELDS = [
    *("booking", "property", "arrival", "departure", "room", "device", "purpose"),
    *("accuracy_m", "issue", "rating", "score", "amount", "channel", "trigger", "zone"),
    *("latitude", "longitude", "name", "value"),
]


class RiskOfFeatures(GivenRisk):
    """A Scorer whose answer moves with the features, so that thresholds are crossed both ways."""

    def __init__(self) -> None:
        super().__init__(0.0)

    def predict(self, features: Any) -> float:
        """Some figure between 0 and 1 that follows from all features."""
        return float(abs(sum(features.values()) * 7.7) % 1.0)


def restless() -> Engine:
    """An engine under which all plays come to fire now and then."""
    return Engine(HOTEL, RiskOfFeatures(), "restless")


def live(touchpoints: list[Touchpoint], engine: Engine, now: Callable[[Touchpoint], int]) -> list[Outcome]:
    """The outcomes of touchpoints, each decided on at a time of its own."""
    profile = None
    outcomes = []
    for touchpoint in touchpoints:
        outcome = engine.step(profile, touchpoint, now(touchpoint))
        profile = outcome.profile
        outcomes.append(outcome)
    return outcomes


def bytes_of(profile: Profile | None) -> bytes | None:
    """What a profile would be stored as; None for none."""
    return None if profile is None else profiles.encode(profile)


def once_each(touchpoints: list[Touchpoint]) -> list[Touchpoint]:
    """The touchpoints without duplicates."""
    return list({touchpoint.id: touchpoint for touchpoint in touchpoints}.values())


@settings(PROPERTY_TEST, max_examples=60)
@given(LIVES)
def test_step_is_pure(touchpoints: list[Touchpoint]) -> None:
    """A step changes neither the profile nor the touchpoint given, and says the same again."""
    engine = restless()
    profile: Profile | None = None
    for touchpoint in touchpoints:
        before = bytes_of(profile)
        data = deepcopy(touchpoint.data)
        outcome = engine.step(profile, touchpoint, touchpoint.time)

        assert bytes_of(profile) == before
        assert touchpoint.data == data
        assert engine.step(profile, touchpoint, touchpoint.time) == outcome
        profile = outcome.profile


@settings(PROPERTY_TEST, max_examples=60)
@given(LIVES)
def test_state_can_be_stored_between_any_two_steps(touchpoints: list[Touchpoint]) -> None:
    """A profile that was written and read again leads to the very same outcomes: a crash changes nothing."""
    engine = restless()
    kept = stored = None
    for touchpoint in touchpoints:
        outcome = engine.step(kept, touchpoint, touchpoint.time)
        again = engine.step(stored, touchpoint, touchpoint.time)

        assert again == outcome
        kept = outcome.profile
        stored = profiles.decode(profiles.encode(kept))


@settings(PROPERTY_TEST, max_examples=60)
@given(LIVES, st.data())
def test_duplicates_change_nothing(touchpoints: list[Touchpoint], data: st.DataObject) -> None:
    """A touchpoint delivered again, at once or later, does nothing and gives the same profile back."""
    engine = restless()
    profile = after(touchpoints)
    latest = max(touchpoint.time for touchpoint in touchpoints)
    seen = [t for t in touchpoints if latest - t.time < 6 * DAY]
    again = engine.step(profile, data.draw(st.sampled_from(seen)), latest)

    assert again.duplicate
    assert again.profile is profile
    assert (again.triggers, again.decision, again.late) == ([], None, False)


@settings(PROPERTY_TEST, max_examples=60)
@given(LIVES, st.integers(LATENESS + 1, 30 * DAY))
def test_late_touchpoints_open_no_door_and_make_no_offer(touchpoints: list[Touchpoint], age: int) -> None:
    """What is told too late is entered; all that is still done is to take back and to hold back."""
    for outcome in live(touchpoints, restless(), lambda touchpoint: touchpoint.time + age):
        done = {
            (trigger.family, getattr(trigger.data.content, "action", None)) for trigger in outcome.triggers
        }

        assert outcome.late != outcome.duplicate
        assert done <= {("room-key", "revoke"), ("suppression", "start"), ("suppression", "end")}


def test_lateness_is_an_hour() -> None:
    """An hour old is in time, a millisecond more is late; both are counted."""
    in_time, late = (
        engine().step(None, happened("page.viewed", NOON - age), NOON) for age in (HOUR, HOUR + 1)
    )

    assert (in_time.late, late.late) == (False, True)
    assert (in_time.profile.touchpoints, late.profile.touchpoints) == (1, 1)


@settings(PROPERTY_TEST, max_examples=60)
@given(LIVES.map(once_each).flatmap(lambda life: st.tuples(st.just(life), st.permutations(life))))
def test_counts_do_not_depend_on_the_order(orders: tuple[list[Touchpoint], list[Touchpoint]]) -> None:
    """Partly sorted streams count right: touchpoints, kinds, first, last and decayed counts."""
    first, second = (live(order, engine(), lambda _: NOON)[-1].profile for order in orders)

    assert first.touchpoints == second.touchpoints
    assert {*first.kinds} == {*second.kinds}
    for name, kind in first.kinds.items():
        same = second.kinds[name]
        assert (kind.count, kind.last) == (same.count, same.last)
        assert kind.decayed == pytest.approx(same.decayed, rel=1e-6)
    assert (first.first_seen, first.last_seen) == (second.first_seen, second.last_seen)
    assert first.decayed == pytest.approx(second.decayed, rel=1e-9)


def test_unknown_type_counts_for_recency() -> None:
    """A type that isn't in the playbook is counted, and does nothing else."""
    (outcome,) = run([happened("spa.visited", data={"booking": 7, "rating": []})])
    profile = outcome.profile

    assert (profile.touchpoints, profile.last_seen, dict(profile.kinds)) == (
        1,
        NOON,
        {"spa.visited": Kind(1, NOON, 1.0)},
    )
    assert profile.decayed == (1.0, 1.0, 1.0)
    assert (profile.stage, profile.active_days, outcome.triggers, outcome.decision) == ("aware", 0, [], None)


@settings(PROPERTY_TEST, max_examples=300)
@given(
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=8)
    | JSON.map(lambda value: dict.fromkeys(FIELDS, value)),
    st.sampled_from([0, NOON, MAX_TIME - 1]),
    st.booleans(),
)
def test_any_data_is_applied_or_refused(type_: str, data: dict[str, Any], at: int, known: bool) -> None:
    """Bad data of a known type raises msgspec.ValidationError, and nothing else ever goes wrong."""
    profile = after(checked()) if known else None
    before = bytes_of(profile)
    touchpoint = happened(type_, at, data, id_="t1")
    try:
        outcome = engine(0.9).step(profile, touchpoint, at)
    except msgspec.ValidationError:
        assert HOTEL.catalogue[type_].effect is not None
    else:
        assert profiles.decode(profiles.encode(outcome.profile)) == outcome.profile
        assert 0.0 <= outcome.profile.risk <= 1.0
    assert bytes_of(profile) == before


@settings(PROPERTY_TEST, max_examples=60)
@given(LIVES.map(once_each))
def test_trigger_ids_are_unique_and_named_by_the_decision(touchpoints: list[Touchpoint]) -> None:
    """No two triggers share an id, across plays and touchpoints; each stands in its decision."""
    outcomes = live(touchpoints, restless(), lambda touchpoint: touchpoint.time)
    ids = [trigger.id for outcome in outcomes for trigger in outcome.triggers]
    decided = [
        candidate.trigger
        for outcome in outcomes
        for decision in outcome.decisions
        for candidate in decision.data.candidates
        if candidate.reason == "fired"
    ]

    assert [id_ for id_, times in Counter(ids).items() if times > 1] == []
    assert decided == ids


def test_trigger_id_is_deterministic() -> None:
    """The ids follow from customer, play, source, touchpoint and place, so replays repeat them."""
    (outcome,) = run([happened("complaint.opened", id_="t1")])

    assert [trigger.id for trigger in outcome.triggers] == [
        "8aafc08765244f90a9093ad84178778b",
        "cf1c95d404e9e4bf8eb0bfb8ca34526a",
    ]
    assert outcome.decision is not None
    assert outcome.decision.id == "da412d1c32a116563b2f3d118abe6b15"


def test_step_that_raises_leaves_the_profile() -> None:
    """Bad data is refused before anything is kept, and the same id with good data is no duplicate."""
    profile = after(checked())
    before = profiles.encode(profile)
    with pytest.raises(msgspec.ValidationError):
        engine().step(profile, happened("stay.checked-in", id_="t1", data={"booking": 7}), NOON)

    mended = engine().step(profile, happened("stay.checked-in", id_="t1", data={"booking": "b1"}), NOON)

    assert profiles.encode(profile) == before
    assert (mended.duplicate, mended.profile.bookings[0].status) == (False, "in-house")


def test_decision_names_every_candidate_and_what_decided() -> None:
    """A decision holds each play that was considered, and the versions of playbook and model."""
    (outcome,) = run([happened("guest.arrived", data=ARRIVAL, correlation="c-1")])

    decision = outcome.decision
    assert decision is not None
    assert reasons(outcome) == {"key-at-the-door": "booking"}
    assert (decision.customer, decision.time, decision.touchpoint) == ("ann", NOON, "guest.arrived@0")
    assert (decision.data.stage, decision.data.risk, decision.data.model) == ("act", 0.25, "given")
    assert decision.data.playbook == HOTEL.version
    assert decision.correlation == "c-1"


def test_change_of_a_booking_is_no_purchase() -> None:
    """A stay is bought once, whatever is changed of it later; another stay is another purchase."""
    change = {"booking": "b1", "departure": "2026-03-18"}
    other = {**STAY, "booking": "b2"}
    booked, changed, again = run(
        [
            happened("booking.confirmed", NOON, STAY, amount=400.0),
            happened("booking.confirmed", NOON + 3 * DAY, change, amount=500.0),
            happened("booking.confirmed", NOON + 4 * DAY, other, amount=300.0),
        ]
    )

    assert [(o.profile.spent, o.profile.active_days) for o in (booked, changed, again)] == [
        (400.0, 1),
        (400.0, 1),
        (700.0, 2),
    ]
    assert changed.profile.last_active == NOON
    assert changed.profile.bookings[0].departure == date(2026, 3, 18)


def test_fired_forgets_plays_that_the_playbook_has_no_more() -> None:
    """A revised playbook leaves no names behind: the next play that fires takes them out."""
    (complaint,) = run([happened("complaint.opened")])
    kept = msgspec.structs.replace(complaint.profile, fired={**complaint.profile.fired, "gone": NOON})

    (closed,) = run([happened("complaint.closed", NOON + 1)], kept)

    assert complaint.profile.fired == {"make-it-right": NOON, "hold-promotions": NOON}
    assert closed.profile.fired == {"make-it-right": NOON, "hold-promotions": NOON + 1}


def test_time_ahead_of_now_counts_as_now() -> None:
    """A device whose clock is nine hours ahead was active now, not tonight."""
    outcome = engine().step(None, happened("order.placed", NOON + 9 * HOUR, amount=10.0), NOON)
    profile = outcome.profile

    assert (profile.last_seen, profile.last_active, profile.stage_since) == (NOON, NOON, NOON)
    assert dict(profile.kinds) == {"order.placed": Kind(1, NOON, 1.0)}


def test_no_candidate_no_decision() -> None:
    """Where no play was considered nothing is decided."""
    (outcome,) = run([happened("page.viewed")])

    assert outcome.decision is None


TIMES = st.integers(0, MAX_TIME - 1)
TEXTS = st.text(max_size=12)
PROFILES = st.builds(
    Profile,
    version=st.just(profiles.VERSION),
    customer=TEXTS,
    first_seen=TIMES,
    last_seen=TIMES,
    touchpoints=st.integers(0, 10**9),
    kinds=st.dictionaries(
        TEXTS | st.sampled_from(NAMES),
        st.builds(Kind, st.integers(1, 10**9), TIMES, st.floats(0, 1e9, width=32)),
        max_size=5,
    ).map(kinds_of),
    decayed=st.tuples(*[st.floats(0, 1e9)] * 3),
    active_days=st.integers(0, 50_000),
    last_active=TIMES,
    spent=st.floats(-1e18, 1e18),
    last_amount=st.floats(-1e12, 1e12),
    gap_mean=st.floats(0, 50_000),
    gap_m2=st.floats(0, 1e14),
    stage=st.sampled_from(["aware", "appeal", "ask", "act", "advocate"]),
    stage_since=TIMES,
    moments=st.lists(st.builds(Moment, TIMES, st.floats(-1, 1), TEXTS, TEXTS), max_size=5).map(tuple),
    issues=st.lists(st.builds(Issue, TEXTS, TIMES, TEXTS), max_size=3).map(tuple),
    bookings=st.lists(
        st.builds(
            Booking,
            TEXTS,
            TEXTS,
            st.dates(),
            st.dates(),
            key=st.none() | st.builds(Key, TEXTS, TEXTS),
            changed=TIMES,
        ),
        max_size=3,
    ).map(tuple),
    device=st.none() | TEXTS,
    device_bound=TIMES,
    consents=st.lists(st.builds(Consent, TIMES, st.booleans(), TEXTS), max_size=3).map(tuple),
    fired=st.dictionaries(TEXTS, TIMES, max_size=3),
    risk=st.floats(0, 1),
    at_risk=st.booleans(),
    timers=st.lists(st.builds(Timer, TIMES, TEXTS, TEXTS, TEXTS), max_size=3).map(
        lambda timers: tuple(sorted(timers))
    ),
    seen=st.binary(max_size=3).map(lambda part: part * 12),
    applied=st.dictionaries(st.integers(0, 999), st.integers(0, 2**62), max_size=3),
)


@settings(PROPERTY_TEST, max_examples=100)
@given(PROFILES)
def test_profile_round_trip(profile: Profile) -> None:
    """Any profile is the same after it was stored, and so are its bytes."""
    stored = profiles.encode(profile)

    assert profiles.decode(stored) == profile
    assert profiles.encode(profiles.decode(stored)) == stored


def learned() -> Logistic:
    """A model that has seen extremes."""
    scorer = Logistic()
    for number in range(40):
        profile = after([happened("order.placed", NOON - number * DAY, amount=10.0 ** (number % 12))])
        scorer.learn(features_of(profile, NOON + number * DAY), churned=number % 3 == 0)
    return scorer


LEARNED = learned()


@settings(PROPERTY_TEST, max_examples=100)
@given(PROFILES, TIMES)
def test_risk_is_a_probability_for_any_profile(profile: Profile, now: int) -> None:
    """Whatever a profile holds and whenever it is scored, the risk is a figure from 0 to 1."""
    engine = Engine(HOTEL, LEARNED, "learned")
    outcome = engine.step(profile, happened("page.viewed", now), now)

    assert 0.0 <= outcome.profile.risk <= 1.0
