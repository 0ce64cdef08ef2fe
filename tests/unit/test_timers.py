"""Timers: what is done because nothing happened, once, at its time, whoever notices it."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import decision as decisions
from schemas import profile as profiles
from schemas import trigger as triggers
from schemas.families.recovery_offer import RecoveryOffer, RecoveryOfferPlay
from schemas.families.room_key import RoomKey
from schemas.issue import MAX_ISSUES
from schemas.offer import Offer
from schemas.playbook import load
from schemas.profile import Profile, new_profile
from schemas.timer import MAX_TIMERS, Timer
from schemas.timestamp import DAY, HOUR, MINUTE
from schemas.touchpoint import Touchpoint
from stream import timers
from stream.engine import LATENESS, Engine
from stream.outcome import Outcome
from stream.replay import Replay
from tests.hotel import (
    ARRIVAL,
    HOTEL,
    HOTEL_YAML,
    NOON,
    PROPERTY_TEST,
    STAY,
    after,
    checked,
    engine,
    happened,
    reasons,
    run,
)

RIGHT, KEY = "recovery-offer:make-it-right", "room-key"
LAST_DAY_ENDS = 1_773_673_200_000
"""Midnight in Seoul after 16 March 2026, the day of departure, in ms."""


def timer(due: int, name: str = "a", key: str = "k", touchpoint: str = "t") -> Timer:
    """A timer of a play `a` unless another is named."""
    return Timer(due, name, key, touchpoint)


def holding(*held: Timer) -> Profile:
    """A profile on which these timers were set, one after the other."""
    profile = new_profile("ann")
    for one in held:
        timers.put(profile, one)
    return profile


def angry(at: int = NOON, issue: str = "i1") -> Profile:
    """A customer who has just complained."""
    return after([happened("complaint.opened", at, {"issue": issue})])


def at_the_door() -> Profile:
    """A guest whose phone has the key."""
    return after([*checked(), happened("guest.arrived", NOON, ARRIVAL)])


def contents(outcome: Outcome) -> list[Any]:
    """What the triggers of an outcome say."""
    return [trigger.data.content for trigger in outcome.triggers]


def test_timers_stand_in_order_of_when_they_are_due() -> None:
    """Whatever the order in which they were set."""
    profile = holding(timer(3, key="c"), timer(1, key="a"), timer(2, key="b"))

    assert [one.due for one in profile.timers] == [1, 2, 3]
    assert timers.next_due(profile) == 1
    assert timers.next_due(new_profile("ann")) is None


def test_a_timer_is_replaced_by_name_and_key() -> None:
    """One name and key is one timer; if nothing changes, what has set it first is still what has set it."""
    profile = holding(timer(1, touchpoint="t1"), timer(1, touchpoint="t2"), timer(1, name="b"))
    again = holding(timer(1, touchpoint="t1"), timer(2, touchpoint="t2"))

    assert profile.timers == (timer(1, touchpoint="t1"), timer(1, name="b"))
    assert again.timers == (timer(2, touchpoint="t2"),)


def test_a_flood_costs_its_own_oldest() -> None:
    """Too many issues push out the timers of the first of them, and no other play's."""
    profile = holding(
        *(timer(number, "key", f"b{number}") for number in range(3)),
        *(timer(100 + number, "issue", f"i{number}") for number in range(MAX_TIMERS)),
    )

    assert len(profile.timers) == MAX_TIMERS
    assert [one.key for one in profile.timers[:4]] == ["b0", "b1", "b2", "i3"]


NAMES, KEYS = st.sampled_from("ab"), st.sampled_from("xyz")
STEPS = st.lists(
    st.tuples(st.just("put"), NAMES, KEYS, st.integers(0, 20))
    | st.tuples(st.just("cancel"), NAMES, KEYS, st.none())
    | st.tuples(st.just("pass"), st.none(), st.none(), st.integers(0, 20)),
    max_size=40,
)


@PROPERTY_TEST
@given(STEPS)
def test_whatever_is_set_fires_once_in_order_unless_called_off(steps: list[Any]) -> None:
    """Against a plain dictionary: what was called off never fires, the others once, the earliest first."""
    profile = new_profile("ann")
    model: dict[tuple[str, str], int] = {}
    for step, name, key, time in steps:
        if step == "put":
            timers.put(profile, timer(time, name, key))
            model[name, key] = time
        elif step == "cancel":
            timers.cancel(profile, name, key)
            model.pop((name, key), None)
        else:
            fired = []
            while (one := timers.take_due(profile, time)) is not None:
                fired.append((one.due, one.name, one.key))
            due = sorted((at, *place) for place, at in model.items() if at <= time)
            model = {place: at for place, at in model.items() if at > time}
            assert fired == due
    assert sorted((one.name, one.key) for one in profile.timers) == sorted(model)


@pytest.mark.parametrize(("at", "fires"), [(30 * MINUTE - 1, False), (30 * MINUTE, True)])
def test_an_issue_that_nobody_closes_escalates(at: int, fires: bool) -> None:
    """After the time that the playbook gives, and not before, a person is to call."""
    outcome = engine().fire(angry(), NOON + at)

    assert contents(outcome) == (
        [RecoveryOffer("escalate", "complaint.opened", 0.8, 1, "voucher", 15.0, "EUR", unanswered="i1")]
        if fires
        else []
    )


def test_what_a_timer_decides_is_of_when_it_was_due() -> None:
    """However late it is noticed: time, expiry and ids are as if it had been noticed at once."""
    prompt, late = (engine().fire(angry(), NOON + delay) for delay in (30 * MINUTE, 9 * DAY))
    (trigger,) = prompt.triggers
    (decision,) = prompt.decisions

    assert prompt == late
    assert (trigger.time, trigger.expires) == (NOON + 30 * MINUTE, NOON + 150 * MINUTE)
    assert trigger.touchpoint == f"timer/recovery-offer:make-it-right/i1@{NOON + 30 * MINUTE}"
    assert trigger.correlation == decision.correlation == "i1"
    assert (decision.time, decision.data.touchpoint_type) == (NOON + 30 * MINUTE, "timer.due")
    assert (trigger.id, decision.id) == (
        "99a057eafaf07b17f895d26005811bd1",
        "74753193c9eae4eb64ee1209d9647444",
    )


def test_a_step_fires_what_was_due_before_it() -> None:
    """The timer first, as of its own time, then the touchpoint, by itself as it would have been."""
    (outcome,) = run([happened("service.failed", NOON + HOUR)], angry())
    (alone,) = run([happened("service.failed", NOON + HOUR)], engine().fire(angry(), NOON + HOUR).profile)

    assert [trigger.time for trigger in outcome.triggers] == [NOON + 30 * MINUTE, NOON + HOUR]
    assert [decision.time for decision in outcome.decisions] == [NOON + 30 * MINUTE, NOON + HOUR]
    assert (outcome.profile, outcome.triggers[1:], outcome.decision) == (
        alone.profile,
        alone.triggers,
        alone.decision,
    )


@pytest.mark.parametrize(("closed", "left"), [({"issue": "i1"}, []), ({}, []), ({"issue": "i2"}, ["i1"])])
def test_closing_the_issue_calls_the_timer_off(closed: dict[str, str], left: list[str]) -> None:
    """At once, and only that issue's."""
    profile = after([happened("complaint.closed", NOON + 1, closed)], angry())

    assert [one.key for one in profile.timers] == left


def test_closing_it_when_it_has_escalated_changes_nothing_of_that() -> None:
    """What has fired has fired: closing the issue afterwards is only the end of the suppression."""
    (outcome,) = run(
        [happened("complaint.closed", NOON + 31 * MINUTE, {"issue": "i1"})],
        engine().fire(angry(), NOON + 30 * MINUTE).profile,
    )

    assert reasons(outcome) == {"hold-promotions": "fired"}
    assert [trigger.family for trigger in outcome.triggers] == ["suppression"]


def test_an_issue_told_late_is_not_timed() -> None:
    """Yesterday's complaint escalates to nobody; one of just now does, by the time when it was made."""
    late = engine().step(None, happened("complaint.opened", NOON - LATENESS - 1), NOON)
    delayed = engine().step(None, happened("complaint.opened", NOON - 20 * MINUTE), NOON)
    overdue = engine().step(None, happened("complaint.opened", NOON - 40 * MINUTE), NOON)

    assert late.profile.timers == ()
    assert [one.due for one in delayed.profile.timers] == [NOON + 10 * MINUTE]
    assert [one.due for one in overdue.profile.timers] == [NOON]


@pytest.mark.parametrize(
    ("clock", "reason"), [(0, "fired"), (NOON + 150 * MINUTE - 1, "fired"), (NOON + 150 * MINUTE, "stale")]
)
def test_what_has_run_out_is_not_sent(clock: int, reason: str) -> None:
    """A call that nobody could make in time any more is held back, and the decision says so."""
    outcome = engine().fire(angry(), NOON + 3 * HOUR, clock)

    assert reasons_of(outcome) == [("make-it-right", reason)]
    assert len(outcome.triggers) == (reason == "fired")
    assert outcome.profile.timers == ()


def reasons_of(outcome: Outcome) -> list[tuple[str, str]]:
    """Play and reason of each candidate, of timers too."""
    return [(c.play, c.reason) for decision in outcome.decisions for c in decision.data.candidates]


def test_nothing_to_offer_is_said() -> None:
    """A playbook without an offer for this customer holds the escalation back as it does others."""
    play = next(play for play in HOTEL.plays if isinstance(play, RecoveryOfferPlay))
    playbook = msgspec.structs.replace(
        HOTEL, plays=(play,), offers={name: Offer(1.0, min_spent=1e6) for name in play.offers}
    )

    outcome = engine(playbook=playbook).fire(angry(), NOON + HOUR)

    assert (outcome.triggers, reasons_of(outcome)) == ([], [("make-it-right", "no-offer")])


def test_issues_that_fell_off_the_list_do_not_escalate() -> None:
    """More issues than are kept: those that are forgotten have nothing to be escalated for."""
    profile = after(
        [happened("complaint.opened", NOON + n, {"issue": f"i{n}"}) for n in range(MAX_ISSUES + 2)]
    )
    outcome = engine().fire(profile, NOON + HOUR)

    assert [content.unanswered for content in contents(outcome)] == [
        f"i{n}" for n in range(2, MAX_ISSUES + 2)
    ]


@pytest.mark.parametrize("at", [LAST_DAY_ENDS - 1, LAST_DAY_ENDS])
def test_a_key_ends_with_the_day_of_departure(at: int) -> None:
    """A guest who leaves without a word loses the key when the last day is over in Seoul."""
    guest = at_the_door()
    outcome = engine().fire(guest, at)

    assert [one.due for one in guest.timers] == [LAST_DAY_ENDS]
    assert [content.action for content in contents(outcome)] == ["revoke"] * (at == LAST_DAY_ENDS)
    assert (outcome.profile.bookings[0].key is None) == (at == LAST_DAY_ENDS)
    assert [trigger.expires for trigger in outcome.triggers] == [LAST_DAY_ENDS + DAY] * (at == LAST_DAY_ENDS)


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("stay.checked-out", {"booking": "b1"}),
        ("booking.cancelled", {"booking": "b1"}),
        ("device.bound", {"device": "watch"}),
        ("consent.withdrawn", {"purpose": "location"}),
    ],
)
def test_a_key_taken_back_has_no_timer(type_: str, data: dict[str, str]) -> None:
    """Whatever takes the key away calls the timer off."""
    assert after([happened(type_, NOON + HOUR, data)], at_the_door()).timers == ()


@pytest.mark.parametrize(("departure", "days"), [("2026-03-15", -1), ("2026-03-19", 3)])
def test_a_stay_that_is_changed_moves_the_timer(departure: str, days: int) -> None:
    """A longer stay keeps its key for longer, a shorter one loses it earlier."""
    change = happened("booking.confirmed", NOON + HOUR, {"booking": "b1", "departure": departure})

    assert [one.due for one in after([change], at_the_door()).timers] == [LAST_DAY_ENDS + days * DAY]


def test_a_key_is_taken_away_however_late_it_is() -> None:
    """After an outage of a week the word still goes out, and holds for a day from now."""
    clock = LAST_DAY_ENDS + 7 * DAY
    (trigger,) = engine().fire(at_the_door(), clock, clock).triggers
    (prompt,) = engine().fire(at_the_door(), LAST_DAY_ENDS, LAST_DAY_ENDS).triggers

    assert isinstance(trigger.data.content, RoomKey)
    assert (trigger.id, trigger.time, trigger.expires) == (prompt.id, LAST_DAY_ENDS, clock + DAY)


def test_a_playbook_that_calls_its_plays_otherwise() -> None:
    """The key is taken away all the same; what a play that is gone wanted is forgotten."""
    renamed = load(HOTEL_YAML.replace("- play: ", "- play: new-"), "hotel.yaml")
    outcome = engine(playbook=renamed).fire(at_the_door(), LAST_DAY_ENDS)
    forgotten = engine(playbook=renamed).fire(angry(), NOON + HOUR)

    assert [trigger.data.play for trigger in outcome.triggers] == ["new-key-at-the-door"]
    assert (forgotten.triggers, forgotten.decisions, forgotten.profile.timers) == ([], [], ())


def test_a_playbook_that_gives_no_time_to_answer() -> None:
    """Nothing is timed, and what an earlier playbook has timed is left alone."""
    patient = load(HOTEL_YAML.replace("    answer_within: 30m\n", ""), "hotel.yaml")
    complaint = happened("complaint.opened", NOON)

    assert engine(playbook=patient).step(None, complaint, NOON).profile.timers == ()
    assert engine(playbook=patient).fire(angry(), NOON + HOUR).decisions == []


def test_a_duplicate_notices_no_timer() -> None:
    """It does nothing at all: the next touchpoint, or the clock, does."""
    complaint = happened("complaint.opened", NOON, {"issue": "i1"})
    again = engine().step(angry(), complaint, NOON + HOUR)

    assert (again.duplicate, again.triggers, again.decisions) == (True, [], [])
    assert [one.key for one in again.profile.timers] == ["i1"]


def test_firing_changes_no_profile_in_place() -> None:
    """A write that fails leaves the timer where it was."""
    profile = angry()
    before = profiles.encode(profile)
    engine().fire(profile, NOON + HOUR)

    assert profiles.encode(profile) == before


def test_timers_are_found_in_the_bytes_without_decoding() -> None:
    """Who looks for timers among many profiles need only decode those whose bytes name them."""
    assert b"timers" in profiles.encode(angry())
    assert b"timers" not in profiles.encode(after(checked()))


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", "eve"]),
        st.sampled_from(
            [
                *("complaint.opened", "complaint.closed", "service.failed", "page.viewed"),
                *("guest.arrived", "booking.confirmed", "stay.checked-out", "device.bound"),
            ]
        ),
        st.integers(0, 25 * MINUTE),
        st.sampled_from(["i1", "i2", "i3"]),
        st.sampled_from(["2026-03-14", "2026-03-15"]),
    ),
    min_size=1,
    max_size=40,
)


def touchpoints_of(events: list[Any]) -> list[Touchpoint]:
    """Touchpoints of three guests in the house, in order of time."""
    made = []
    for customer in ("ann", "bob", "eve"):
        made += [msgspec.structs.replace(t, customer=customer) for t in checked()]
        door = happened("guest.arrived", NOON, ARRIVAL)
        made.append(msgspec.structs.replace(door, customer=customer))
    time = NOON
    for number, (customer, type_, gap, issue, departure) in enumerate(events):
        time += gap
        data = {**STAY, **ARRIVAL, "issue": issue, "departure": departure}
        touchpoint = happened(type_, time, data, id_=f"e{number}")
        made.append(msgspec.structs.replace(touchpoint, customer=customer))
    return made


def published(outcomes: list[Outcome]) -> list[bytes]:
    """All that outcomes publish, as bytes, in order of their ids."""
    fired = [triggers.encode(trigger) for outcome in outcomes for trigger in outcome.triggers]
    decided = [decisions.encode(decision) for outcome in outcomes for decision in outcome.decisions]
    return sorted(fired + decided)


@settings(PROPERTY_TEST, max_examples=60)
@given(EVENTS, st.data())
def test_whoever_notices_a_timer_comes_to_the_same(events: list[Any], data: st.DataObject) -> None:
    """Fired by the clock at whatever moment, or by the next touchpoint: the same bytes, each once."""
    life = [t for t in touchpoints_of(events) if t.customer == "ann"]
    end = life[-1].time + 9 * DAY
    lazy: Profile | None = None
    prompt: Profile | None = None
    lazily, promptly = [], []
    hotel = engine()
    before = NOON
    for touchpoint in life:
        lazily.append(hotel.step(lazy, touchpoint, touchpoint.time))
        lazy = lazily[-1].profile
        for share in sorted(data.draw(st.lists(st.floats(0, 1), max_size=3))):
            if prompt is not None:
                until = int(before + share * (touchpoint.time - before))
                promptly.append(hotel.fire(prompt, until))
                prompt = profiles.decode(profiles.encode(promptly[-1].profile))
        promptly.append(hotel.step(prompt, touchpoint, touchpoint.time))
        before = touchpoint.time
        prompt = promptly[-1].profile
    assert lazy is not None
    assert prompt is not None
    lazily.append(hotel.fire(lazy, end))
    promptly.append(hotel.fire(prompt, end))

    assert published(promptly) == published(lazily)
    assert lazily[-1].profile == promptly[-1].profile
    assert lazily[-1].profile.timers == ()
    ids = [trigger.id for outcome in lazily for trigger in outcome.triggers]
    assert len(ids) == len(set(ids))


def replayed(touchpoints: list[Touchpoint], engine: Engine) -> list[bytes]:
    """All that a replay publishes, in order."""
    replay = Replay(engine)
    outcomes = [outcome for touchpoint in touchpoints for outcome in replay.take(touchpoint)]
    return published(outcomes + replay.finish())


@settings(PROPERTY_TEST, max_examples=60)
@given(EVENTS, st.randoms(use_true_random=False))
def test_a_replay_does_not_depend_on_how_customers_lie_in_one_another(
    events: list[Any], random: Random
) -> None:
    """Each customer's own touchpoints decide, in their order: as on any partitions, by any workers."""
    in_time = touchpoints_of(events)
    queues = {name: [t for t in in_time if t.customer == name] for name in ("ann", "bob", "eve")}
    mixed = []
    while left := [queue for queue in queues.values() if queue]:
        mixed.append(random.choice(left).pop(0))

    assert replayed(mixed, engine()) == replayed(in_time, engine())


def test_a_replay_ends_with_those_who_stayed_silent() -> None:
    """Their timers fire at the end, the earliest first; what is due after the last touchpoint does not."""
    replay = Replay(engine())
    for number, name in enumerate(["cid", "bob", "ann"]):
        touchpoint = happened("complaint.opened", NOON + number * MINUTE, {"issue": name})
        replay.take(msgspec.structs.replace(touchpoint, customer=name))
    later = msgspec.structs.replace(happened("page.viewed", NOON + 31 * MINUTE), customer="eve")
    replay.take(later)

    assert [outcome.profile.customer for outcome in replay.finish()] == ["cid", "bob"]
    assert replay.finish() == []
    assert replay.triggers == {"recovery-offer": 5, "suppression": 3}
    assert (replay.touchpoints, replay.decisions) == (4, 5)
