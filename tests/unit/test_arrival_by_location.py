"""Arrivals by location: the phone enters the fence, and the key is there; not twice, and not by mistake."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.errors import InputError
from schemas.families.room_key import RoomKey
from schemas.playbook import load
from schemas.presence import MAX_PRESENCES
from schemas.profile import Profile
from schemas.timestamp import HOUR, MINUTE, SECOND
from schemas.touchpoint import Touchpoint
from stream.engine import Engine
from stream.outcome import Outcome
from tests.hotel import ARRIVAL, HOTEL_YAML, NOON, STAY, after, checked, engine, happened, reasons, run

PLAY = "key-at-the-door"
SEOUL = (37.5665, 126.978)
METRE = 1 / 111_195
"""A metre northwards, in degrees."""


def at_distance(metres: float, at: int = NOON, *, error: Any = 10, device: Any = "phone") -> Touchpoint:
    """A location so many metres north of the hotel in Seoul."""
    data = {
        "latitude": SEOUL[0] + metres * METRE,
        "longitude": SEOUL[1],
        "accuracy_m": error,
        "device": device,
    }
    return happened("location.reported", at, {k: v for k, v in data.items() if v is not None})


def actions(outcomes: list[Outcome]) -> list[str]:
    """What is done about keys, in order."""
    contents = [trigger.data.content for outcome in outcomes for trigger in outcome.triggers]
    return [content.action for content in contents if isinstance(content, RoomKey)]


def step(profile: Profile, touchpoint: Touchpoint, delay: int = 0) -> Outcome:
    """The outcome of a touchpoint that arrives so many ms after it happened."""
    return engine().step(profile, touchpoint, touchpoint.time + delay)


@pytest.mark.parametrize(
    ("metres", "error", "expected"),
    [
        (0, 10, {PLAY: "fired"}),
        (189, 10, {PLAY: "fired"}),
        (191, 10, {}),
        (101, 98, {PLAY: "fired"}),
        (103, 98, {}),
        (199, 0, {PLAY: "fired"}),
        (201, 0, {}),
        (1_000_000, 10, {}),
    ],
)
def test_the_whole_circle_must_be_within_the_fence(
    metres: float, error: float, expected: dict[str, str]
) -> None:
    """A fence of 200 m is entered only when the phone is within it wherever in its error it may be."""
    assert reasons(step(after(checked()), at_distance(metres, error=error))) == expected


def test_the_key_is_that_of_an_arrival_by_event() -> None:
    """The same content, and the same note on the booking."""
    by_event = step(after(checked()), happened("guest.arrived", NOON, ARRIVAL))
    by_location = step(after(checked()), at_distance(0))

    assert [t.data.content for t in by_location.triggers] == [t.data.content for t in by_event.triggers]
    assert by_location.profile.presences == by_event.profile.presences


@pytest.mark.parametrize(
    ("error", "failed"), [(100.5, "accuracy"), (None, "accuracy"), (-1, "accuracy"), ("5", "accuracy")]
)
def test_an_error_that_is_too_large_is_named(error: Any, failed: str) -> None:
    """Where the error says that the location is no good, the point alone says that there was an arrival."""
    outcome = step(after(checked()), at_distance(150, error=error))

    assert outcome.decision is not None
    assert outcome.decision.data.candidates[0].failed == (failed,)
    assert reasons(step(after(checked()), at_distance(201, error=error))) == {}


@pytest.mark.parametrize(
    "data",
    [
        {"latitude": 90.1, "longitude": 0},
        {"latitude": 37.5, "longitude": -180.5},
        {"latitude": float("nan"), "longitude": 127},
        {"latitude": 37.5, "longitude": float("inf")},
        {"latitude": "37.5", "longitude": 127},
        {"latitude": True, "longitude": 127},
        {"latitude": 10**400, "longitude": 127},
        {"latitude": 37.5},
        {},
    ],
)
def test_absurd_coordinates_are_no_place(data: dict[str, Any]) -> None:
    """They are held back by their own name, and nothing is remembered of them."""
    told = happened("location.reported", NOON, {"accuracy_m": 5, "device": "phone", **data})
    outcome = step(after(checked()), told)

    assert reasons(outcome) == {PLAY: "location"}
    assert outcome.profile.presences == ()


def test_whoever_stays_arrives_once() -> None:
    """A phone that reports from the lobby again and again is one arrival, and nobody hears of the others."""
    outcomes = run([at_distance(n, NOON + n * SECOND) for n in range(100)], after(checked()))

    assert actions(outcomes) == ["issue"]
    assert [n for n, outcome in enumerate(outcomes) if outcome.decisions] == [0]


def test_hysteresis() -> None:
    """Walking about the line is neither leaving nor arriving; only well beyond it the guest has left."""
    walk = [(0, 0), (180, 1), (220, 2), (180, 3), (245, 4), (100, 5)]
    outcomes = run([at_distance(m, NOON + n * HOUR) for m, n in walk], after(checked()))

    assert [outcome.profile.presences[0].inside for outcome in outcomes] == [True] * 6
    assert actions(outcomes) == ["issue"]

    (left, back) = run(
        [at_distance(261, NOON + 6 * HOUR), at_distance(0, NOON + 7 * HOUR)], outcomes[-1].profile
    )
    assert left.profile.presences[0].inside is False
    assert reasons(back) == {PLAY: "live-key"}


def test_a_circle_that_may_be_inside_has_not_left() -> None:
    """What is 300 m away, give or take 60 m, may still be within the fence and its hysteresis."""
    profile = step(after(checked()), at_distance(0)).profile

    assert step(profile, at_distance(300, NOON + 1, error=60)).profile.presences[0].inside is True
    assert step(profile, at_distance(311, NOON + 1, error=60)).profile.presences[0].inside is False


def test_cooldown() -> None:
    """Whoever comes back within half an hour has not arrived anew, even if no key is out any more."""
    issued = step(after(checked()), at_distance(0))
    again = after(
        [
            happened("booking.cancelled", NOON + MINUTE, {"booking": "b1"}),
            happened("booking.confirmed", NOON + 2 * MINUTE, {"booking": "b1"}),
            at_distance(900, NOON + 3 * MINUTE),
        ],
        issued.profile,
    )

    soon = step(again, at_distance(0, NOON + 30 * MINUTE - 1))
    later = step(again, at_distance(0, NOON + 30 * MINUTE))

    assert reasons(soon) == {PLAY: "cooldown"}
    assert reasons(later) == {PLAY: "fired"}


@pytest.mark.parametrize(("age", "expected"), [(2 * MINUTE, "fired"), (2 * MINUTE + 1, "age")])
def test_an_old_location_is_no_arrival(age: int, expected: str) -> None:
    """A phone that sends later where it was, or whose clock is behind, does not arrive now."""
    outcome = step(after(checked()), at_distance(0, NOON - age), age)

    assert reasons(outcome) == {PLAY: expected}
    assert len(outcome.profile.presences) == (expected == "fired")


def test_a_clock_that_is_ahead() -> None:
    """It counts as now, so that the guest who leaves in an hour has left."""
    ahead = at_distance(0, NOON + 9 * HOUR)
    arrived = engine().step(after(checked()), ahead, NOON)
    left = step(arrived.profile, at_distance(900, NOON + HOUR))

    assert actions([arrived]) == ["issue"]
    assert left.profile.presences[0].inside is False


def test_an_older_location_changes_nothing() -> None:
    """Of locations that arrive in another order than they were taken the latest holds."""
    profile = after([at_distance(0), at_distance(900, NOON + MINUTE)], after(checked()))

    late = step(profile, at_distance(0, NOON + 30 * SECOND), MINUTE)
    later = step(profile, at_distance(900, NOON - MINUTE), 2 * MINUTE)

    assert late.profile.presences == later.profile.presences == profile.presences


@pytest.mark.parametrize("event_first", [True, False])
def test_two_arrivals_at_once(event_first: bool) -> None:
    """The door and the phone say the same at the same moment: one key."""
    both = [happened("guest.arrived", NOON, ARRIVAL), at_distance(0)]
    outcomes = run(both if event_first else both[::-1], after(checked()))

    assert actions(outcomes) == ["issue"]


def test_another_device_neither_arrives_nor_leaves() -> None:
    """A tablet at home says nothing about where the phone is, and one in the lobby opens nothing."""
    profile = step(after(checked()), at_distance(0)).profile
    gone = step(profile, at_distance(9_000, NOON + 1, device="tablet"))
    came = step(after(checked()), at_distance(0, device="tablet"))
    nobody = step(after(checked()), at_distance(0, device=None))

    assert gone.profile.presences == profile.presences
    assert reasons(came) == reasons(nobody) == {PLAY: "device"}
    assert came.profile.presences == ()


def test_a_refusal_is_told_once_and_mended_on_the_way() -> None:
    """Whoever books at the door is refused once, however often the phone reports, then gets the key."""
    ready = [touchpoint for touchpoint in checked() if touchpoint.type != "booking.confirmed"]
    refused = run([at_distance(0, NOON + n) for n in range(9)], after(ready))
    mended = run(
        [
            happened("booking.confirmed", NOON + MINUTE, STAY, amount=400.0),
            at_distance(0, NOON + MINUTE + 1),
            at_distance(0, NOON + MINUTE + 2),
        ],
        refused[-1].profile,
    )

    assert [reasons(outcome) for outcome in refused] == [{PLAY: "booking"}] + [{}] * 8
    assert actions(mended) == ["issue"]


def test_nothing_is_kept_without_consent() -> None:
    """Without consent a location is refused and forgotten; with the withdrawal all that was kept goes."""
    stranger = step(after(checked()[1:]), at_distance(0))
    guest = step(after(checked()), at_distance(0))
    withdrawn = step(guest.profile, happened("consent.withdrawn", NOON + 1, {"purpose": "location"}))

    assert reasons(stranger) == {PLAY: "consent"}
    assert stranger.profile.presences == ()
    assert len(guest.profile.presences) == 1
    assert withdrawn.profile.presences == ()
    assert actions([withdrawn]) == ["revoke"]


def test_a_new_phone_arrives_for_itself() -> None:
    """The key goes from the old phone at once, and to the new one when it reports from the house."""
    guest = step(after(checked()), at_distance(0)).profile
    outcomes = run(
        [happened("device.bound", NOON + 1, {"device": "new"}), at_distance(0, NOON + 2, device="new")], guest
    )

    assert actions(outcomes) == ["revoke", "issue"]


def test_two_hotels_side_by_side() -> None:
    """Where two fences hold a point, it is the hotel of today's booking; without one, the nearer."""
    beside = "fence: {latitude: 37.5665, longitude: 126.978, radius_m: 250}"
    playbook = HOTEL_YAML.replace("busan: {zone: Asia/Seoul}", f"busan: {{zone: Asia/Seoul, {beside}}}")
    twins = engine_of(playbook)
    elsewhere = [*checked()[:2], happened("booking.confirmed", NOON - 1, {**STAY, "property": "busan"})]

    (trigger,) = twins.step(after(elsewhere), at_distance(0), NOON).triggers
    stranger = twins.step(after(checked()[:2]), at_distance(0), NOON)

    assert isinstance(trigger.data.content, RoomKey)
    assert trigger.data.content.property == "busan"
    assert reasons(stranger) == {PLAY: "booking"}


def engine_of(text: str) -> Engine:
    """The engine of a playbook in YAML."""
    return engine(playbook=load(text, "hotel.yaml"))


def test_no_more_hotels_are_kept_than_stated() -> None:
    """Of many hotels those seen last are remembered."""
    fences = "".join(
        f"  h{n}: {{zone: UTC, fence: {{latitude: {n}, longitude: 0, radius_m: 100}}}}\n" for n in range(9)
    )
    many = engine_of(HOTEL_YAML.replace("properties:\n", f"properties:\n{fences}"))
    profile = after(checked()[:2])
    for n in range(9):
        data = {"latitude": n, "longitude": 0, "accuracy_m": 5, "device": "phone"}
        outcome = many.step(profile, happened("location.reported", NOON + n, data), NOON + n)
        profile = outcome.profile

    assert [each.property for each in profile.presences] == [f"h{n}" for n in range(9 - MAX_PRESENCES, 9)]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (", fence: {latitude: 37.5665,", ", fence: {latitude: 91,", "<= 90"),
        ("radius_m: 200", "radius_m: 9", ">= 10"),
        ("hysteresis_m: 50", "hysteresis: 50", "did you mean `hysteresis_m`?"),
        (
            "locations: [location.reported]",
            "locations: [location.reportd]",
            "did you mean `location.reported`?",
        ),
        ("locations: [location.reported]", "locations: [guest.arrived]", "is an arrival already"),
        ("  room.ready: {effect: room.ready}\n", "", "`awaits_room`"),
    ],
)
def test_a_playbook_that_is_wrong(old: str, new: str, said: str) -> None:
    """A fence that can't be, and settings that could never work, are refused with a word on what to do."""
    assert old in HOTEL_YAML
    with pytest.raises(InputError) as raised:
        engine_of(HOTEL_YAML.replace(old, new))
    assert said in str(raised.value)
