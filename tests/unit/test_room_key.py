"""Room key: on the phone when everything is right, never when anything is wrong, gone in the end."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from schemas.families.room_key import RoomKey
from schemas.profile import Profile
from schemas.property import Property
from schemas.stay import Key
from schemas.timestamp import DAY, HOUR, MINUTE
from schemas.touchpoint import Touchpoint
from stream.outcome import Outcome
from tests.hotel import ARRIVAL, HOTEL, NOON, STAY, after, checked, engine, happened, reasons, run

PLAY = "key-at-the-door"
LAST_DAY = date(2026, 3, 16)


def arrive(profile: Profile | None, at: int = NOON, **changes: Any) -> Outcome:
    """The outcome of an arrival in Seoul; None leaves something out of its data."""
    data = {name: value for name, value in {**ARRIVAL, **changes}.items() if value is not None}
    return engine().step(profile, happened("guest.arrived", at, data), at)


def failed(outcome: Outcome) -> tuple[str, ...]:
    """The gates that did not hold; fails where a trigger got out all the same."""
    assert outcome.triggers == []
    assert outcome.decision is not None
    (candidate,) = outcome.decision.data.candidates
    assert candidate.reason == candidate.failed[0]
    assert candidate.trigger is None
    return candidate.failed


def test_key_is_issued_when_everything_is_right() -> None:
    """A confirmed guest at the door, on the day, with their own phone, gets the key."""
    outcome = arrive(after(checked()))

    (trigger,) = outcome.triggers
    assert trigger.family == "room-key"
    assert trigger.correlation == "b1"
    assert trigger.expires == NOON + 15 * MINUTE
    assert msgspec.to_builtins(trigger.data.content) == {
        "family": "room-key",
        "action": "issue",
        "booking": "b1",
        "property": "seoul",
        "device": "phone",
        "departure": "2026-03-16",
    }
    assert outcome.profile.bookings[0].key == Key(trigger.id, "phone", "seoul", LAST_DAY)


def test_second_arrival_gets_no_second_key() -> None:
    """While a key is out, arriving again opens nothing more."""
    profile = arrive(after(checked())).profile

    assert failed(arrive(profile, NOON + MINUTE)) == ("live-key",)


@pytest.mark.parametrize(
    ("changes", "gates"),
    [
        ({"booking": "b9"}, ("booking", "property", "day")),
        ({"booking": 1}, ("booking", "property", "day")),
        ({"booking": ["b1"]}, ("booking", "property", "day")),
        ({"property": "busan"}, ("property",)),
        ({"property": None}, ("property",)),
        ({"property": ["seoul"]}, ("property",)),
        ({"device": "other"}, ("device",)),
        ({"device": None}, ("device",)),
        ({"device": {"device": "phone"}}, ("device",)),
        ({"accuracy_m": 100.5}, ("accuracy",)),
        ({"accuracy_m": -1}, ("accuracy",)),
        ({"accuracy_m": None}, ("accuracy",)),
        ({"accuracy_m": True}, ("accuracy",)),
        ({"accuracy_m": "20"}, ("accuracy",)),
        ({"accuracy_m": 10**400}, ("accuracy",)),
        ({"accuracy_m": float("nan")}, ("accuracy",)),
        ({"accuracy_m": float("inf")}, ("accuracy",)),
        ({"device": None, "accuracy_m": None}, ("device", "accuracy")),
    ],
)
def test_arrival_that_is_not_right(changes: dict[str, Any], gates: tuple[str, ...]) -> None:
    """What the arrival says wrongly or not at all holds the key back, each part by its name."""
    assert failed(arrive(after(checked()), **changes)) == gates


@pytest.mark.parametrize(
    ("missing", "gates"),
    [
        ("consent.granted", ("consent",)),
        ("device.bound", ("device",)),
        ("booking.confirmed", ("booking", "property", "day")),
    ],
)
def test_guest_who_is_not_ready(missing: str, gates: tuple[str, ...]) -> None:
    """Consent, device and booking must each be there before the arrival."""
    profile = after(touchpoint for touchpoint in checked() if touchpoint.type != missing)

    assert failed(arrive(profile)) == gates


def test_stranger_fails_at_every_gate() -> None:
    """Someone of whom nothing is known has nothing, and every missing part is named."""
    outcome = engine().step(None, happened("guest.arrived"), NOON)

    assert failed(outcome) == ("booking", "property", "day", "device", "consent", "accuracy")


def test_consent_withdrawn_holds_at_once() -> None:
    """The very next touchpoint after a withdrawal gets no key."""
    profile = after([*checked(), happened("consent.withdrawn", NOON - 1, {"purpose": "location"})])

    assert failed(arrive(profile)) == ("consent",)


@pytest.mark.parametrize("ended", ["booking.cancelled", "stay.checked-out"])
def test_booking_that_has_ended_opens_nothing(ended: str) -> None:
    """A cancelled booking or a stay that is over is no booking."""
    profile = after([*checked(), happened(ended, NOON - 1, {"booking": "b1"})])

    assert failed(arrive(profile)) == ("booking", "property", "day")
    assert failed(arrive(profile, booking="b1")) == ("booking", "property", "day")


@pytest.mark.parametrize("late", [False, True])
def test_word_that_comes_late_changes_no_permission(late: bool) -> None:
    """An old grant that comes after a newer withdrawal opens no door, nor does an old device."""
    granted = happened("consent.granted", NOON - 20, {"purpose": "location"}, id_="old-consent")
    withdrawn = happened("consent.withdrawn", NOON - 10, {"purpose": "location"})
    old = happened("device.bound", NOON - 20, {"device": "phone"}, id_="old-device")
    new = happened("device.bound", NOON - 10, {"device": "new"})
    in_order, late_ones = [old, granted, new, withdrawn], [new, withdrawn, old, granted]

    assert failed(arrive(after([*checked(), *(late_ones if late else in_order)]))) == ("device", "consent")


def test_grant_by_a_clock_that_is_ahead() -> None:
    """A grant that says it is of tonight doesn't outrank the withdrawal of this minute."""
    ahead = happened("consent.granted", NOON + 9 * HOUR, {"purpose": "location"}, id_="ahead")
    granted = engine().step(after(checked()), ahead, NOON - 2)
    withdrawn = happened("consent.withdrawn", NOON - 1, {"purpose": "location"})

    assert failed(arrive(engine().step(granted.profile, withdrawn, NOON - 1).profile)) == ("consent",)


MIDNIGHT_IN_SEOUL = NOON - 21 * HOUR


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        (MIDNIGHT_IN_SEOUL - 1, False),
        (MIDNIGHT_IN_SEOUL, True),
        (MIDNIGHT_IN_SEOUL + 3 * DAY - 1, True),
        (MIDNIGHT_IN_SEOUL + 3 * DAY, False),
    ],
)
def test_day_is_the_hotels(at: int, opens: bool) -> None:
    """The first day begins and the last one ends at midnight in Seoul, nine hours before UTC's."""
    outcome = arrive(after(checked(at=NOON - 9 * DAY)), at)

    assert reasons(outcome) == {PLAY: "fired" if opens else "day"}


def test_day_of_a_hotel_further_west() -> None:
    """The same moment is another day in Lisbon."""
    lisbon = {**STAY, "property": "lisbon", "arrival": "2026-03-15"}
    profile = after([*checked()[:2], happened("booking.confirmed", NOON - DAY, lisbon)])

    assert failed(arrive(profile, MIDNIGHT_IN_SEOUL + DAY, property="lisbon")) == ("day",)
    assert reasons(arrive(profile, MIDNIGHT_IN_SEOUL + DAY + 9 * HOUR, property="lisbon")) == {PLAY: "fired"}


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize("now", [0, 4_102_444_799_999])
def test_day_at_the_ends_of_time(zone: str, now: int) -> None:
    """The first and the last moment there are have a day in every zone."""
    playbook = msgspec.structs.replace(HOTEL, properties={"seoul": Property(zone)})
    profile = after(checked())

    outcome = engine(playbook=playbook).step(profile, happened("guest.arrived", now, ARRIVAL), now)

    assert failed(outcome) == ("day",)


def test_hotel_that_is_not_in_the_playbook() -> None:
    """Where the time zone is not known there is no today, hence no key."""
    profile = after([*checked()[:2], happened("booking.confirmed", NOON - DAY, {**STAY, "property": "mars"})])

    assert failed(arrive(profile, property="mars")) == ("day",)


def test_todays_booking_is_found_among_others() -> None:
    """Without a booking in its data an arrival is about today's stay in this hotel."""
    never_ended = {**STAY, "booking": "b0", "arrival": "2026-03-10", "departure": "2026-03-11"}
    later = {**STAY, "booking": "b9", "arrival": "2026-03-20", "departure": "2026-03-21"}
    elsewhere = {**STAY, "booking": "a0", "property": "busan"}
    profile = after(
        [
            *checked(),
            happened("booking.confirmed", NOON - 3, never_ended),
            happened("booking.confirmed", NOON - 2, later),
            happened("booking.confirmed", NOON - 1, elsewhere),
        ]
    )

    (trigger,) = arrive(profile).triggers

    assert trigger.correlation == "b1"


@pytest.mark.parametrize(("age", "opens"), [(HOUR, True), (HOUR + 1, False)])
def test_arrival_told_late(age: int, opens: bool) -> None:
    """An hour is in time, a moment more is late: nobody stands at the door any more."""
    outcome = engine().step(after(checked()), happened("guest.arrived", NOON - age, ARRIVAL), NOON)

    assert reasons(outcome) == {PLAY: "fired" if opens else "late"}
    assert len(outcome.triggers) == opens


@pytest.mark.parametrize("ended", ["booking.cancelled", "stay.checked-out"])
@pytest.mark.parametrize("age", [0, DAY])
def test_key_is_revoked_in_the_end(ended: str, age: int) -> None:
    """A cancellation or check-out takes the key away, however late it is told, and only once."""
    issued = arrive(after(checked()))
    at = NOON + 2 * DAY
    first = engine().step(issued.profile, happened(ended, at - age, {"booking": "b1"}, id_="end-1"), at)
    second = engine().step(first.profile, happened(ended, at - age, {"booking": "b1"}, id_="end-2"), at)

    (trigger,) = first.triggers
    content = trigger.data.content
    assert isinstance(content, RoomKey)
    assert (content.action, content.booking, content.revokes) == ("revoke", "b1", issued.triggers[0].id)
    assert trigger.correlation == "b1"
    assert first.profile.bookings[0].key is None
    assert (second.triggers, second.decision) == ([], None)


def revoked(outcome: Outcome) -> list[tuple[str, str | None, str | None]]:
    """Booking, device and issuing trigger of each key that an outcome takes away."""
    contents = [t.data.content for t in outcome.triggers if t.family == "room-key"]
    return [
        (content.booking, content.device, content.revokes)
        for content in contents
        if isinstance(content, RoomKey) and content.action == "revoke"
    ]


@pytest.mark.parametrize(
    ("property_", "at", "expires"),
    [
        ("seoul", NOON, MIDNIGHT_IN_SEOUL + 4 * DAY),
        ("seoul", NOON + 2 * DAY, MIDNIGHT_IN_SEOUL + 4 * DAY),
        ("seoul", NOON + 9 * DAY, MIDNIGHT_IN_SEOUL + 4 * DAY),
        ("lisbon", NOON, MIDNIGHT_IN_SEOUL + 4 * DAY + 9 * HOUR),
    ],
)
def test_word_that_a_key_is_gone_holds_longer_than_the_key(property_: str, at: int, expires: int) -> None:
    """A subscriber that was down takes the key away all the same: until a day after the last day is over."""
    booking = happened("booking.confirmed", NOON - DAY, {**STAY, "property": property_})
    issued = arrive(after([*checked()[:2], booking]), property=property_)

    (outcome,) = run([happened("stay.checked-out", at, {"booking": "b1"})], issued.profile)

    assert [trigger.expires for trigger in outcome.triggers] == [expires]


def test_word_that_a_key_is_gone_holds_no_shorter_than_the_play_says() -> None:
    """Where the play says that triggers hold for longer than that, they do."""
    (key, *others) = HOTEL.plays
    playbook = msgspec.structs.replace(HOTEL, plays=(msgspec.structs.replace(key, valid_for="30d"), *others))
    issued = arrive(after(checked()))

    (outcome,) = run(
        [happened("stay.checked-out", NOON, {"booking": "b1"})], issued.profile, engine(playbook=playbook)
    )

    assert [trigger.expires for trigger in outcome.triggers] == [NOON + 30 * DAY]


@pytest.mark.parametrize("departure", ["9999-12-31", "2026-03-14"])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
def test_key_of_a_stay_at_the_ends_of_the_calendar(departure: str, zone: str) -> None:
    """A key is taken away whatever departure the booking says, and however its hotel's clock runs."""
    playbook = msgspec.structs.replace(HOTEL, properties={"seoul": Property(zone)})
    stay = {**STAY, "arrival": "2026-03-13", "departure": departure}
    profile = after([*checked()[:2], happened("booking.confirmed", NOON - DAY, stay)])
    door = engine(playbook=playbook)
    (issued,) = run([happened("guest.arrived", NOON - 3 * HOUR, ARRIVAL)], profile, door)

    (outcome,) = run([happened("stay.checked-out", NOON, {"booking": "b1"})], issued.profile, door)

    assert revoked(outcome) == [("b1", "phone", issued.triggers[0].id)]


@pytest.mark.parametrize(
    "change",
    [
        happened("device.bound", NOON + 1, {"device": "new"}),
        happened("consent.withdrawn", NOON + 1, {"purpose": "location"}),
    ],
)
@pytest.mark.parametrize("delay", [0, DAY])
def test_key_is_revoked_with_the_permission(change: Touchpoint, delay: int) -> None:
    """Another device, or no consent any more, takes the key from the phone that has it, once."""
    issued = arrive(after(checked()))
    first = engine().step(issued.profile, change, change.time + delay)
    (second,) = run([happened("stay.checked-out", NOON + 2 * DAY, {"booking": "b1"})], first.profile)

    assert reasons(first) == {PLAY: "fired"}
    assert revoked(first) == [("b1", "phone", issued.triggers[0].id)]
    assert first.profile.bookings[0].key is None
    assert (second.triggers, second.decision) == ([], None)


@pytest.mark.parametrize(
    "change",
    [
        happened("device.bound", NOON + 1, {"device": "phone"}),
        happened("device.bound", NOON - 2 * DAY, {"device": "new"}),
        happened("consent.withdrawn", NOON + 1, {"purpose": "e-mail"}),
        happened("consent.withdrawn", NOON - 2 * DAY, {"purpose": "location"}),
        happened("stay.checked-out", NOON + 1, {"booking": "b9"}),
        happened("booking.cancelled", NOON - 2 * DAY, {"booking": "b1"}),
        happened("guest.arrived", NOON + 1, ARRIVAL),
    ],
)
def test_key_stays_where_nothing_ended(change: Touchpoint) -> None:
    """The same device, another purpose, another booking, or a word from before: the key opens."""
    issued = arrive(after(checked()))
    outcome = engine().step(issued.profile, change, NOON + 1)

    assert revoked(outcome) == []
    assert outcome.profile.bookings[0].key == Key(issued.triggers[0].id, "phone", "seoul", LAST_DAY)


def test_every_live_key_is_revoked() -> None:
    """A guest of two bookings loses both keys with the consent, each by a candidate of its own."""
    second = {**STAY, "booking": "b2"}
    booked = after([*checked(), happened("booking.confirmed", NOON - 1, second)])
    one = arrive(booked, booking="b1")
    two = arrive(one.profile, NOON + 1, booking="b2")

    (outcome,) = run([happened("consent.withdrawn", NOON + 2, {"purpose": "location"})], two.profile)

    assert revoked(outcome) == [
        ("b1", "phone", one.triggers[0].id),
        ("b2", "phone", two.triggers[0].id),
    ]
    assert outcome.decision is not None
    assert [candidate.trigger for candidate in outcome.decision.data.candidates] == [
        trigger.id for trigger in outcome.triggers
    ]
    assert [booking.key for booking in outcome.profile.bookings] == [None, None]


def test_key_for_the_new_device() -> None:
    """Whoever binds a new phone in the house gets the key on it at the next arrival."""
    issued = arrive(after(checked()))
    (bound,) = run([happened("device.bound", NOON + 1, {"device": "new"})], issued.profile)

    (trigger,) = arrive(bound.profile, NOON + 2, device="new").triggers

    content = trigger.data.content
    assert isinstance(content, RoomKey)
    assert (content.action, content.device) == ("issue", "new")


@pytest.mark.parametrize("booking", ["b1", "b9"])
def test_nothing_to_revoke(booking: str) -> None:
    """Where no key is out, the end of a stay is no candidate."""
    (outcome,) = run([happened("stay.checked-out", data={"booking": booking})], after(checked()))

    assert (outcome.triggers, outcome.decision) == ([], None)


def test_new_key_after_a_revoked_one() -> None:
    """Who books again after a cancellation gets a new key, with another id."""
    issued = arrive(after(checked()))
    again = after(
        [
            happened("booking.cancelled", NOON + 1, {"booking": "b1"}),
            happened("booking.confirmed", NOON + 2, {"booking": "b1"}),
        ],
        issued.profile,
    )

    (trigger,) = arrive(again, NOON + 3).triggers

    assert trigger.id != issued.triggers[0].id
