"""Early arrivals: the guest is there before the room is, and the key comes when the room does."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from schemas.families.room_key import RoomKey
from schemas.profile import Profile
from schemas.stay import Waiting
from schemas.timestamp import DAY, HOUR, MINUTE
from schemas.touchpoint import Touchpoint
from stream import merger
from stream.outcome import Outcome
from tests.hotel import ARRIVAL, NOON, STAY, after, checked, engine, happened, reasons, run

PLAY = "key-at-the-door"
JEJU = {**STAY, "property": "jeju", "room": "501"}


def early(at: int = NOON, **changes: Any) -> Touchpoint:
    """An arrival at a hotel where rooms are said to be ready."""
    return happened("guest.arrived", at, {**ARRIVAL, "property": "jeju", **changes})


def ready(at: int = NOON + HOUR, *, room: str = "501", booking: str = "b1") -> Touchpoint:
    """The word that a room is ready."""
    return happened("room.ready", at, {"booking": booking, "room": room})


def booked() -> Profile:
    """A guest to whom nothing is missing but the word that room 501 is ready."""
    return after([*checked()[:2], happened("booking.confirmed", NOON - DAY + 2, JEJU)])


def keys(*outcomes: Outcome) -> list[tuple[str, str, str | None]]:
    """Action, device and room of what is done about keys."""
    contents = [trigger.data.content for outcome in outcomes for trigger in outcome.triggers]
    return [
        (content.action, str(content.device), content.room)
        for content in contents
        if isinstance(content, RoomKey)
    ]


def test_the_key_waits_for_the_room() -> None:
    """Held by the gate `room` upon arrival, and issued the moment the room is ready."""
    held, issued = run([early(), ready()], booked())

    assert reasons(held) == {PLAY: "room"}
    assert held.profile.bookings[0].waiting == Waiting(NOON, "jeju", "phone")
    assert keys(issued) == [("issue", "phone", "501")]
    assert issued.triggers[0].correlation == "b1"
    assert issued.profile.bookings[0].waiting is None


def test_a_room_that_is_ready_before() -> None:
    """Then the arrival itself gets the key, and the word alone gets nothing."""
    said, arrived = run([ready(NOON - HOUR), early()], booked())

    assert (said.triggers, said.decisions) == ([], [])
    assert keys(arrived) == [("issue", "phone", "501")]


def test_a_word_before_the_booking() -> None:
    """Whatever comes first, the room is ready and assigned."""
    profile = after([ready(NOON - 2 * DAY), *checked()[:2]])
    profile = after([happened("booking.confirmed", NOON - DAY + 2, {**JEJU, "room": None})], profile)

    assert keys(*run([early()], profile)) == [("issue", "phone", "501")]


@pytest.mark.parametrize(
    "words",
    [
        [
            ready(NOON - 2, room="502"),
            happened("booking.confirmed", NOON - 1, {"booking": "b1", "room": "501"}),
        ],
        [ready(NOON - 3), happened("booking.confirmed", NOON - 1, {"booking": "b1", "room": "600"})],
        [ready(NOON - 2, booking="b2")],
        [
            ready(NOON - 3),
            happened("booking.cancelled", NOON - 2, {"booking": "b1"}),
            happened("booking.confirmed", NOON - 1, {"booking": "b1"}),
        ],
    ],
)
def test_another_room_is_ready(words: list[Touchpoint]) -> None:
    """Neither another room, nor another booking's, nor one from before it was cancelled counts."""
    assert reasons(run([early()], after(words, booked()))[0]) == {PLAY: "room"}


def test_a_room_is_needed_to_say_it_is_ready() -> None:
    """A word that names no room goes to the dead letters."""
    with pytest.raises(msgspec.ValidationError, match="needs `room`"):
        engine().step(booked(), happened("room.ready", NOON, {"booking": "b1"}), NOON)


def test_check_in_gives_the_room() -> None:
    """A guest whom the desk has checked in has a room, whether or not housekeeping said so."""
    (checked_in,) = run(
        [happened("stay.checked-in", NOON + HOUR, {"booking": "b1"})], after([early()], booked())
    )

    assert keys(checked_in) == [("issue", "phone", "501")]


@pytest.mark.parametrize(
    ("meanwhile", "failed"),
    [
        (happened("device.bound", NOON + 1, {"device": "new"}), ("device",)),
        (
            happened(
                "booking.confirmed",
                NOON + 1,
                {"booking": "b1", "arrival": "2026-03-15", "departure": "2026-03-16"},
            ),
            ("day", "room"),
        ),
        (happened("booking.confirmed", NOON + 1, {"booking": "b1", "property": "seoul"}), ("property",)),
    ],
)
def test_every_gate_must_hold_when_the_room_is_ready(meanwhile: Touchpoint, failed: tuple[str, ...]) -> None:
    """What held upon arrival may not hold any more; then there is no key, and it is told once."""
    outcomes = run([meanwhile, ready(), ready(NOON + 2 * HOUR)], after([early()], booked()))
    told = [o.decision.data.candidates[0].failed for o in outcomes if o.decision is not None]

    assert keys(*outcomes) == []
    assert told == [failed]
    assert outcomes[-1].profile.bookings[0].waiting is None


@pytest.mark.parametrize(
    "meanwhile",
    [
        happened("consent.withdrawn", NOON + 1, {"purpose": "location"}),
        happened("booking.cancelled", NOON + 1, {"booking": "b1"}),
        happened("stay.checked-out", NOON + 1, {"booking": "b1"}),
    ],
)
def test_an_arrival_is_forgotten(meanwhile: Touchpoint) -> None:
    """With the consent, or the stay, the memory of the arrival goes, and nothing is decided later."""
    forgotten, later = run([meanwhile, ready()], after([early()], booked()))

    assert forgotten.profile.bookings[0].waiting is None
    assert (later.triggers, later.decisions) == ([], [])


@pytest.mark.parametrize(("hours", "expected"), [(12, "fired"), (12.1, "age")])
def test_an_arrival_is_remembered_for_half_a_day(hours: float, expected: str) -> None:
    """Whoever came at noon and got no room by midnight has to come again."""
    stay = {"booking": "b1", "arrival": "2026-03-14", "departure": "2026-03-18"}
    profile = after([happened("booking.confirmed", NOON - 1, stay), early()], booked())

    assert reasons(run([ready(NOON + int(hours * HOUR))], profile)[0]) == {PLAY: expected}


def test_only_who_lacked_nothing_else_is_remembered() -> None:
    """An arrival that failed at two gates is named both, and the room alone does not mend it."""
    outcomes = run(
        [early(device="other"), happened("device.bound", NOON + 1, {"device": "other"}), ready()], booked()
    )

    assert outcomes[0].decision is not None
    assert outcomes[0].decision.data.candidates[0].failed == ("device", "room")
    assert keys(*outcomes) == []


def test_a_word_that_comes_late_opens_nothing() -> None:
    """A room that was ready more than an hour ago: nobody is sent up by it any more."""
    outcome = engine().step(after([early()], booked()), ready(), NOON + 2 * HOUR + MINUTE)

    assert reasons(outcome) == {PLAY: "late"}


def test_coming_back_while_waiting() -> None:
    """A second arrival is held again, and there is one key in the end."""
    outcomes = run([early(), early(NOON + HOUR), ready(NOON + 2 * HOUR)], booked())

    assert [reasons(outcome) for outcome in outcomes] == [{PLAY: "room"}, {PLAY: "room"}, {PLAY: "fired"}]


def issued(profile: Profile | None = None) -> Profile:
    """A guest with a key to room 501."""
    return after([ready(NOON - 1), early()], profile or booked())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"room": "502"}, [("revoke", "phone", "501")]),
        ({"departure": "2026-03-18"}, [("revoke", "phone", "501"), ("issue", "phone", "501")]),
        ({"arrival": "2026-03-15"}, [("revoke", "phone", "501")]),
        ({"property": "seoul"}, [("revoke", "phone", "501")]),
        ({"arrival": "2026-03-13"}, []),
        ({}, []),
    ],
)
def test_a_booking_that_changes_after_the_key(
    change: dict[str, str], expected: list[tuple[str, str, str]]
) -> None:
    """A key that has become wrong goes at once; another comes where every gate holds."""
    (outcome,) = run([happened("booking.confirmed", NOON + HOUR, {"booking": "b1", **change})], issued())

    assert keys(outcome) == expected


def test_another_room_that_is_not_ready_yet() -> None:
    """The old key goes, the guest waits, and the new key comes with the new room."""
    moved, there = run(
        [
            happened("booking.confirmed", NOON + HOUR, {"booking": "b1", "room": "502"}),
            ready(NOON + 2 * HOUR, room="502"),
        ],
        issued(),
    )

    assert keys(moved) == [("revoke", "phone", "501")]
    assert [c.reason for c in moved.decisions[0].data.candidates] == ["fired", "room"]
    assert keys(there) == [("issue", "phone", "502")]


def test_another_room_at_once() -> None:
    """At a hotel where nobody says that rooms are ready the new key comes with the word of the room."""
    first = after([happened("guest.arrived", NOON, ARRIVAL)], after(checked()))
    (outcome,) = run([happened("stay.checked-in", NOON + 1, {"booking": "b1", "room": "707"})], first)
    again = run([happened("stay.checked-in", NOON + 2, {"booking": "b1", "room": "707"})], outcome.profile)

    assert keys(outcome) == [("revoke", "phone", None), ("issue", "phone", "707")]
    assert outcome.profile.bookings[0].key is not None
    assert outcome.profile.bookings[0].key.trigger == outcome.triggers[1].id
    assert keys(*again) == []


def test_a_change_that_is_told_late_takes_the_key_and_gives_none() -> None:
    """A wrong key goes however late we hear of it; a new one is only given in time."""
    change = happened("stay.checked-in", NOON + 1, {"booking": "b1", "room": "707"})
    first = after([happened("guest.arrived", NOON, ARRIVAL)], after(checked()))
    outcome = engine().step(first, change, NOON + 2 * HOUR)

    assert keys(outcome) == [("revoke", "phone", None)]
    assert [c.reason for c in outcome.decisions[0].data.candidates] == ["fired", "late"]


def test_a_key_from_before_that_was_noted_stays() -> None:
    """What a key of an older state says is not known, so a change of the room alone takes nothing away."""
    profile = issued()
    (booking,) = profile.bookings
    assert booking.key is not None
    old = msgspec.structs.replace(booking.key, property=None, departure=None, room=None)
    profile.bookings = (msgspec.structs.replace(booking, key=old),)
    other_room, other_day = (
        run([happened("booking.confirmed", NOON + HOUR, {"booking": "b1", **change})], profile)[0]
        for change in ({"room": "502"}, {"arrival": "2026-03-15"})
    )

    assert keys(other_room) == []
    assert keys(other_day) == [("revoke", "phone", "501")]


def test_two_ids_of_one_guest() -> None:
    """Of two profiles that are joined the later arrival waits, and the ready room is ready."""
    waiting, said = after([early()], booked()), after([ready(NOON + 1)], booked())
    for one, other in ((waiting, said), (said, waiting)):
        joined = msgspec.structs.replace(one)
        merger.merge(joined, other)

        assert joined.bookings[0].waiting == Waiting(NOON, "jeju", "phone")
        assert keys(*run([ready(NOON + 2)], joined)) == [("issue", "phone", "501")]
