"""Labels of churn: what was seen waits in the profile until it is known what came of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.churn import Churn
from schemas.errors import InputError
from schemas.example import Example
from schemas.playbook import Playbook, load
from schemas.profile import MAX_PENDING, Profile, decode, encode
from schemas.timestamp import DAY, HOUR
from schemas.touchpoint import Touchpoint
from stream import merger, timers
from stream.churn.prequential import Prequential
from stream.churn.season import SEASON
from stream.churn.signals import signals_of
from stream.churn.snapshot import time_of
from stream.engine import Engine
from tests.hotel import HOTEL, HOTEL_YAML, NOON, PROPERTY_TEST, GivenRisk, happened

MONTH = Churn("30d", every="30d")


def learning(churn: Churn = MONTH, risk: float = 0.25) -> Engine:
    """The test hotel's engine, which learns by this section and has no plays."""
    return Engine(msgspec.structs.replace(HOTEL, plays=(), churn=churn), GivenRisk(risk), "m1")


def lived(
    engine: Engine, *touchpoints: Touchpoint, until: int = 0, profile: Profile | None = None
) -> tuple[Profile, list[Example]]:
    """The profile after touchpoints, each at its own time, and timers due by the end; what was learned."""
    known: list[Example] = []
    for touchpoint in touchpoints:
        outcome = engine.step(profile, touchpoint, touchpoint.time)
        profile = outcome.profile
        known += outcome.examples
    assert profile is not None
    if until:
        outcome = engine.fire(profile, until)
        profile = outcome.profile
        known += outcome.examples
    return profile, known


def told(known: list[Example]) -> list[tuple[int, str, bool]]:
    """When each label became known, why, and what it is."""
    return [(each.time, each.data.because, each.data.churned) for each in known]


BOUGHT = happened("order.placed", NOON, amount=10.0)


def test_nothing_is_seen_without_the_section() -> None:
    """The playbook of the hotel learns nothing: no look, no timer of it, no example."""
    profile, known = lived(Engine(HOTEL, GivenRisk(0.25), "m1"), BOUGHT, until=NOON + 400 * DAY)

    assert (profile.pending, profile.looked, profile.timers, known) == ((), 0, (), [])


@pytest.mark.parametrize(("later", "label"), [(0, ("returned", False)), (1, ("silent", True))])
def test_a_return_at_the_very_end_counts_and_a_moment_later_does_not(
    later: int, label: tuple[str, bool]
) -> None:
    """The horizon is (t, t + H]: who buys at t + H came back, who buys a millisecond later did not."""
    end = NOON + 30 * DAY
    _, known = lived(learning(), BOUGHT, happened("order.placed", end + later), until=end + HOUR)

    assert told(known) == [(end, *label)]


def test_both_classes_mature_at_the_end_of_the_horizon() -> None:
    """Who came back on the next day is learned from no sooner than who never did."""
    back = happened("order.placed", NOON + DAY)
    _, early = lived(learning(), BOUGHT, back, until=NOON + 30 * DAY)
    _, known = lived(learning(), BOUGHT, back, until=NOON + 31 * DAY + 1)

    assert early == []
    assert told(known) == [(NOON + 30 * DAY, "returned", False), (NOON + 31 * DAY, "silent", True)]


def test_a_second_purchase_on_the_same_day_is_no_return() -> None:
    """Coming back is counted in days, as everywhere."""
    _, known = lived(learning(), BOUGHT, happened("order.placed", NOON + HOUR), until=NOON + 40 * DAY)

    assert told(known)[0] == (NOON + 30 * DAY, "silent", True)


def test_other_touchpoints_are_no_return() -> None:
    """A look at a page is not coming back, unless the playbook says so."""
    viewed = happened("page.viewed", NOON + DAY)
    pages = Churn("30d", "30d", activity=("page.viewed", "order.placed"))

    assert told(lived(learning(), BOUGHT, viewed, until=NOON + 30 * DAY + 1)[1]) == [
        (NOON + 30 * DAY, "silent", True)
    ]
    assert told(lived(learning(pages), BOUGHT, viewed, until=NOON + 30 * DAY + 1)[1]) == [
        (NOON + 30 * DAY, "returned", False)
    ]


def test_who_cancels_is_lost_at_once() -> None:
    """All that was seen before is an example in the same step; nothing is looked at until they are back."""
    contract = Churn("30d", "7d", cancellation=("complaint.opened",))
    cancelled = happened("complaint.opened", NOON + 10 * DAY)
    profile, known = lived(learning(contract), BOUGHT, cancelled, until=NOON + 100 * DAY)
    again, later = lived(
        learning(contract),
        happened("page.viewed", NOON + 101 * DAY),
        happened("order.placed", NOON + 102 * DAY),
        profile=profile,
    )

    assert told(known) == [(NOON + 10 * DAY, "cancelled", True)] * 2
    assert (profile.pending, profile.timers) == ((), ())
    assert (len(again.pending), later) == (1, [])


def test_with_cancellations_alone_silence_is_no_loss() -> None:
    """A subscriber who does nothing for a month has stayed."""
    contract = Churn("30d", "30d", cancellation=("complaint.opened",))

    assert told(lived(learning(contract), BOUGHT, until=NOON + 30 * DAY + 1)[1]) == [
        (NOON + 30 * DAY, "stayed", False)
    ]


def test_idle_customers_are_looked_at_until_they_are_long_gone() -> None:
    """Every week for half a year, by the profile's own timer; then no timer is left."""
    profile, known = lived(learning(Churn("30d", "7d")), BOUGHT, until=NOON + 400 * DAY)

    assert [(each.time - NOON) // DAY for each in known] == [30 + 7 * week for week in range(27)]
    assert {each.data.churned for each in known} == {True}
    assert (profile.pending, profile.timers) == ((), ())


def test_who_does_nothing_may_be_made_an_offer() -> None:
    """Time alone makes the risk grow: when looked at, it is said anew, and the play for it decides once."""
    playbook = msgspec.structs.replace(HOTEL, churn=Churn("30d", "7d"))
    before = happened("order.placed", NOON - DAY, amount=10.0)
    profile, _ = lived(Engine(playbook, GivenRisk(0.25), "m1"), before, BOUGHT)
    outcome = Engine(playbook, GivenRisk(0.95), "m2").fire(profile, NOON + 15 * DAY)
    (decision,) = outcome.decisions

    assert (decision.touchpoint, decision.time) == (f"timer/churn/@{NOON + 7 * DAY}", NOON + 7 * DAY)
    assert (decision.data.risk, decision.data.model) == (0.95, "m2")
    assert [candidate.family for candidate in decision.data.candidates] == ["retention-offer"]
    assert outcome.profile.risk == 0.95


def test_an_example_says_what_was_seen_and_said_then() -> None:
    """Features are those of its moment, to three digits, with the risk and the model that said it.

    The season is not among them: it is the moment's, which the example says as well.
    """
    first, _ = lived(learning(), BOUGHT, happened("page.viewed", NOON + 3 * DAY))
    _, (example, *_) = lived(
        learning(), BOUGHT, happened("page.viewed", NOON + 3 * DAY), until=NOON + 31 * DAY
    )
    bought, _ = lived(learning(), BOUGHT)
    signals = signals_of(bought, NOON)
    exact = {name: value for name, value in signals.items() if value and name not in SEASON}

    assert first.looked == NOON
    assert example.data.features == pytest.approx(exact, rel=1e-3, abs=0.03)
    assert (example.data.risk, example.data.model, example.data.horizon_s) == (0.25, "m1", 30 * 86_400)
    assert example.data.history == (0.0, 0.0, 30.0)
    assert (example.customer, example.touchpoint) == ("ann", f"timer/churn/@{NOON + 30 * DAY + 1}")


def test_a_longer_horizon_holds_for_what_waits() -> None:
    """What was to mature matures at the new end instead."""
    profile, _ = lived(learning(), BOUGHT)
    longer = learning(Churn("60d", "60d"))
    later, known = lived(longer, happened("page.viewed", NOON + 31 * DAY), profile=profile)
    _, matured = lived(longer, happened("page.viewed", NOON + 60 * DAY + 1), profile=later)

    assert known == []
    assert told(matured) == [(NOON + 60 * DAY, "silent", True)]
    assert matured[0].data.horizon_s == 60 * 86_400


def test_what_a_shorter_horizon_comes_too_late_for_is_dropped() -> None:
    """Nobody looked at its end: it is dropped, whichever class it is of, and later ones mature in time."""
    profile, _ = lived(learning(Churn("30d", "7d")), BOUGHT, happened("page.viewed", NOON + 20 * DAY))
    shorter = learning(Churn("10d", "7d"))
    _, known = lived(shorter, happened("page.viewed", NOON + 40 * DAY), profile=profile)

    assert [(each.time - NOON) // DAY for each in known] == [24, 31, 38]
    assert {each.data.horizon_s for each in known} == {10 * 86_400}


def test_without_the_section_what_waits_is_dropped() -> None:
    """A playbook that learns no more leaves nothing behind once the timer is due."""
    profile, _ = lived(learning(), BOUGHT)
    left, known = lived(Engine(HOTEL, GivenRisk(0.25), "m1"), profile=profile, until=NOON + 31 * DAY)

    assert (left.pending, left.timers, known) == ((), (), [])


def test_what_is_told_late_is_no_look() -> None:
    """A year of history that is sent at once makes no looks at now; the next touchpoint does."""
    engine = learning()
    profile = engine.step(None, BOUGHT, NOON + 50 * DAY).profile
    seen = engine.step(
        profile, happened("page.viewed", NOON + 50 * DAY + HOUR), NOON + 50 * DAY + HOUR
    ).profile

    assert (profile.pending, profile.timers) == ((), ())
    assert [time_of(each) for each in seen.pending] == [NOON + 50 * DAY + HOUR]


def test_no_more_wait_than_there_is_room_for() -> None:
    """One who buys every day is looked at as often as there is room; later looks are left out."""
    days = [happened("order.placed", NOON + day * DAY) for day in range(60)]
    profile, known = lived(learning(Churn("90d", "30d")), *days)

    assert (len(profile.pending), known) == (MAX_PENDING, [])
    assert [time_of(each) for each in profile.pending] == [NOON + day * DAY for day in range(MAX_PENDING)]


def test_two_ids_that_are_one_customer_have_one_set_of_what_waits() -> None:
    """What was seen of both matures in time, with its own kinds, and by what either did."""
    engine = learning()
    ann, _ = lived(engine, happened("page.viewed", NOON - DAY), BOUGHT)
    other, _ = lived(engine, happened("order.placed", NOON + DAY), happened("search.made", NOON + 2 * DAY))
    merger.merge(ann, other)
    _, known = lived(engine, profile=ann, until=NOON + 31 * DAY + 1)

    assert [timer.due for timer in ann.timers if timer.name == timers.CHURN] == [NOON + 30 * DAY]
    assert told(known) == [(NOON + 30 * DAY, "returned", False), (NOON + 31 * DAY, "silent", True)]
    assert [sorted(name for name in each.data.features if name.endswith(":count")) for each in known] == [
        ["order.placed:count", "page.viewed:count"],
        ["order.placed:count"],
    ]


def test_who_is_erased_leaves_nothing_that_waits() -> None:
    """An erasure drops what was seen, and no label comes of it."""
    profile, known = lived(learning(), BOUGHT, happened("privacy.erase", NOON + DAY), until=NOON + 60 * DAY)

    assert (profile.pending, profile.timers, known) == ((), (), [])


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("{horizon: 0d}", "2:9: Expected `str` such as `30d`: a whole number"),
        ("{horizon: -3d}", "2:9: Expected `str` such as `30d`: a whole number"),
        ("{horizon: 23h}", "2:9: churn: a horizon of less than a day"),
        (
            "{horizon: 90d, every: 1d}",
            "2:23: churn: 24 looks at a customer within a horizon are the most",
        ),
        ("{horizon: 90d, every: 1m}", "2:23: churn: to look at customers more than once an hour"),
        (
            "{horizon: 90d, activity: [order.place]}",
            "2:23: churn: there is no touchpoint type `order.place`",
        ),
        (
            "{horizon: 90d, activity: [order.placed], cancellation: [order.placed]}",
            "2:23: churn: `order.placed` can't be both",
        ),
        ("{horizon: 90d, evry: 7d}", "2:23: Object contains unknown field `evry`"),
    ],
)
def test_a_section_that_makes_no_sense_is_refused(section: str, message: str) -> None:
    """A horizon of nothing, looks without end and types that are not there are named with their line."""
    lines = HOTEL_YAML.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("playbook:"))
    text = "\n".join([lines[first], f"churn: {section}", *lines[:first], *lines[first + 1 :]])

    with pytest.raises(InputError) as caught:
        load(text, "hotel.yaml")

    assert str(caught.value).startswith(f"hotel.yaml:{message}")


STREAMS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", "eve"]),
        st.sampled_from(["order.placed", "page.viewed", "complaint.opened", "order.damaged"]),
        st.integers(1, 20 * 24),
    ),
    min_size=5,
    max_size=60,
)
"""Customers and what they do, with the hours since the one before."""


def stream_of(drawn: list[tuple[str, str, int]]) -> list[Touchpoint]:
    """The touchpoints of a drawn stream."""
    now, made = NOON, []
    for number, (customer, type_, hours) in enumerate(drawn):
        now += hours * HOUR
        made.append(Touchpoint(str(number), "/test", type_, customer, now, amount=5.0))
    return made


def worked(playbook: Playbook, touchpoints: list[Touchpoint], *, through_bytes: bool = False) -> list[Any]:
    """What a worker learns: steps, and before each the timers of all that are due by then."""
    engine = Engine(playbook, GivenRisk(0.25), "m1")
    profiles: dict[str, Profile] = {}
    known: list[Example] = []
    for touchpoint in touchpoints:
        for customer in sorted(profiles):
            due = timers.next_due(profiles[customer])
            if due is not None and due <= touchpoint.time:
                outcome = engine.fire(profiles[customer], touchpoint.time)
                profiles[customer] = outcome.profile
                known += outcome.examples
        outcome = engine.step(profiles.get(touchpoint.customer), touchpoint, touchpoint.time)
        profiles[touchpoint.customer] = outcome.profile
        known += outcome.examples
        if through_bytes:
            profiles = {name: decode(encode(profile)) for name, profile in profiles.items()}
    return known


@settings(PROPERTY_TEST, max_examples=60)
@given(STREAMS)
def test_the_worker_labels_as_an_evaluation_does(drawn: list[tuple[str, str, int]]) -> None:
    """Looks on days of activity have the time, features and label that `evaluate churn` gives them."""
    touchpoints = stream_of(drawn)
    playbook = msgspec.structs.replace(HOTEL, plays=(), churn=Churn("20d", every="4000d"))
    evaluated = Prequential(playbook, [GivenRisk(0.25)], 20 * DAY)
    expected = sorted(evaluated.run(touchpoints), key=lambda point: point.time)
    last = touchpoints[-1].time
    found = sorted(worked(playbook, touchpoints), key=lambda example: example.time)
    # At the very last moment the one knows that nothing more comes at it, the other can't.
    expected = [point for point in expected if point.time + 20 * DAY < last]

    assert [(each.time - 20 * DAY, each.data.churned) for each in found] == [
        (point.time, point.churned) for point in expected
    ]
    for each, point in zip(found, expected, strict=True):
        signals = {name: value for name, value in point.features.items() if name not in SEASON}
        seen = {name: each.data.features.get(name, 0.0) for name in signals}
        assert seen == pytest.approx(signals, rel=1e-3, abs=0.03)
        assert each.data.features.keys() <= signals.keys()


@settings(PROPERTY_TEST, max_examples=40)
@given(STREAMS, st.integers(0, 60), st.randoms())
def test_what_comes_later_changes_nothing_that_is_known(
    drawn: list[tuple[str, str, int]], cut: int, draw: Any
) -> None:
    """Another future gives the same examples up to then, to the bit; so does a worker that begins anew."""
    touchpoints = stream_of(drawn)
    cut = min(cut, len(touchpoints))
    playbook = msgspec.structs.replace(HOTEL, plays=(), churn=Churn("20d", every="5d"))
    what = [(each.customer, each.type) for each in touchpoints[cut:]]
    draw.shuffle(what)
    other = touchpoints[:cut] + [
        msgspec.structs.replace(each, customer=customer, type=type_)
        for each, (customer, type_) in zip(touchpoints[cut:], what, strict=True)
    ]
    until = touchpoints[cut].time if cut < len(touchpoints) else touchpoints[-1].time
    whole = worked(playbook, touchpoints)

    assert [each for each in whole if each.time < until] == [
        each for each in worked(playbook, other) if each.time < until
    ]
    assert worked(playbook, touchpoints, through_bytes=True) == whole
