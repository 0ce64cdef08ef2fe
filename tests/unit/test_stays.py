"""Stays: bookings on the profile, from confirmation to check-out."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.profile import Profile, new_profile
from schemas.stay import MAX_BOOKINGS, Booking, Key
from schemas.touchpoint import MAX_ID
from stream.stays import confirm, find, put, set_status
from tests.hotel import NOON, PROPERTY_TEST, STAY, after, happened

FIRST = date(2026, 3, 14)
BOOKING = Booking("b1", "seoul", FIRST, date(2026, 3, 16))
KEY = Key("t1", "phone")


def booked(*bookings: Booking) -> Profile:
    """A profile with these bookings, entered one after another."""
    profile = new_profile("ann")
    for booking in bookings:
        put(profile, booking)
    return profile


def stay(day: int, **changes: Any) -> Booking:
    """A booking that arrives so many days after the first one."""
    arrival = FIRST + timedelta(days=day)
    return msgspec.structs.replace(BOOKING, id=f"b{day}", arrival=arrival, departure=arrival, **changes)


def test_confirm_enters_a_booking() -> None:
    """A confirmation with all that a booking needs is a booking."""
    profile = new_profile("ann")

    assert confirm(profile, happened("booking.confirmed", data={**STAY, "room": "707"})) is True
    assert profile.bookings == (msgspec.structs.replace(BOOKING, room="707", changed=NOON),)


def test_confirm_again_changes_what_it_says() -> None:
    """A change of a booking leaves what it doesn't mention: its key, too."""
    profile = booked(msgspec.structs.replace(BOOKING, key=KEY, status="in-house"))
    change = happened("booking.confirmed", data={"booking": "b1", "departure": "2026-03-18"})

    assert confirm(profile, change) is False
    assert profile.bookings == (
        msgspec.structs.replace(
            BOOKING, key=KEY, status="in-house", departure=date(2026, 3, 18), changed=NOON
        ),
    )


def test_cancelled_booking_can_be_confirmed_again() -> None:
    """Who books again what was cancelled has a booking."""
    profile = booked(msgspec.structs.replace(BOOKING, status="cancelled"))
    confirm(profile, happened("booking.confirmed", data={"booking": "b1"}))

    assert profile.bookings == (msgspec.structs.replace(BOOKING, changed=NOON),)


def tell(profile: Profile, status: str, at: int, **data: str) -> None:
    """Tell the profile of the status that its booking had at a time."""
    touchpoint = happened(status, at, {"booking": "b1", **data})
    if status == "confirmed":
        confirm(profile, touchpoint)
    else:
        set_status(profile, touchpoint, status)


@pytest.mark.parametrize(
    ("first", "second", "later", "status"),
    [
        ("confirmed", "in-house", 1, "in-house"),
        ("in-house", "checked-out", 1, "checked-out"),
        ("cancelled", "confirmed", 1, "confirmed"),
        ("checked-out", "in-house", 1, "in-house"),
        ("cancelled", "confirmed", -1, "cancelled"),
        ("checked-out", "confirmed", -1, "checked-out"),
        ("checked-out", "in-house", -1, "checked-out"),
        ("in-house", "cancelled", -1, "in-house"),
        ("cancelled", "confirmed", 0, "cancelled"),
        ("checked-out", "in-house", 0, "checked-out"),
        ("confirmed", "cancelled", 0, "cancelled"),
        ("in-house", "checked-out", 0, "checked-out"),
        ("confirmed", "in-house", 0, "in-house"),
        ("in-house", "confirmed", 0, "in-house"),
    ],
)
def test_latest_word_on_a_booking_holds(first: str, second: str, later: int, status: str) -> None:
    """What happened last decides, not what was told last; of two at once, the one that ends the stay."""
    profile = booked(BOOKING)
    tell(profile, first, NOON, room="101")
    tell(profile, second, NOON + later)

    assert profile.bookings == (
        msgspec.structs.replace(BOOKING, status=status, room="101", changed=NOON + max(later, 0)),
    )


def test_change_that_is_told_late_finds_its_place() -> None:
    """A change from before the check-out brings its dates and room, but the stay is over."""
    words = [
        happened("booking.confirmed", NOON - 2, STAY),
        happened("booking.confirmed", NOON - 1, {**STAY, "departure": "2026-03-20", "room": "707"}),
        happened("stay.checked-out", NOON, {"booking": "b1"}),
    ]
    over = msgspec.structs.replace(
        BOOKING, departure=date(2026, 3, 20), room="707", status="checked-out", changed=NOON
    )

    assert [after(order).bookings for order in permutations(words)] == [(over,)] * 6


@pytest.mark.parametrize(
    "changes",
    [
        {"booking": None},
        {"booking": 7},
        {"booking": ""},
        {"booking": ["b1"]},
        {"booking": "x" * (MAX_ID + 1)},
        {"property": None},
        {"property": {}},
        {"property": "x" * (MAX_ID + 1)},
        {"arrival": None},
        {"arrival": "2026-02-30"},
        {"arrival": "0000-01-01"},
        {"arrival": "soon"},
        {"arrival": 20260314},
        {"departure": None},
        {"departure": "2026-03-13"},
        {"departure": 10**400},
        {"room": 707},
        {"room": "x" * (MAX_ID + 1)},
    ],
)
def test_confirmation_that_lacks_something(changes: dict[str, Any]) -> None:
    """A booking without its parts, or that ends before it begins, is refused as a whole."""
    profile = new_profile("ann")

    with pytest.raises(msgspec.ValidationError):
        confirm(profile, happened("booking.confirmed", data={**STAY, **changes}))
    assert profile.bookings == ()


def test_change_that_ends_before_it_begins() -> None:
    """A change is held to the dates that the booking already has."""
    profile = booked(BOOKING)

    with pytest.raises(msgspec.ValidationError, match="`departure` is before `arrival`"):
        confirm(profile, happened("booking.confirmed", data={"booking": "b1", "arrival": "2026-03-17"}))
    assert profile.bookings == (BOOKING,)


def test_status_of_a_known_booking() -> None:
    """A check-in sets the status and may bring the room; an unknown booking is left alone."""
    profile = booked(BOOKING)
    set_status(profile, happened("stay.checked-in", data={"booking": "b1", "room": "707"}), "in-house")
    set_status(profile, happened("stay.checked-in", data={"booking": "b2"}), "in-house")

    assert profile.bookings == (
        msgspec.structs.replace(BOOKING, status="in-house", room="707", changed=NOON),
    )


@pytest.mark.parametrize("data", [{}, {"booking": None}, {"booking": 7}, {"booking": {}}])
def test_status_of_no_booking(data: dict[str, Any]) -> None:
    """A check-in that names no booking is refused."""
    with pytest.raises(msgspec.ValidationError):
        set_status(booked(BOOKING), happened("stay.checked-in", data=data), "in-house")


def test_find() -> None:
    """A booking is found by its id, or not at all."""
    assert find(booked(BOOKING), "b1") == BOOKING
    assert find(booked(BOOKING), "b2") is None


def test_bookings_stand_in_order_of_arrival() -> None:
    """Whatever was booked first, what comes first stands first."""
    assert [b.id for b in booked(stay(9), stay(1), stay(5)).bookings] == ["b1", "b5", "b9"]


def test_too_many_bookings_drop_the_earliest() -> None:
    """Of nine stays to come the earliest goes."""
    profile = booked(*(stay(day) for day in range(MAX_BOOKINGS + 1)))

    assert [b.id for b in profile.bookings] == [f"b{day}" for day in range(1, MAX_BOOKINGS + 1)]


@pytest.mark.parametrize("status", ["cancelled", "checked-out"])
def test_too_many_bookings_drop_first_what_is_over(status: str) -> None:
    """A stay that is over goes before one that is still to come, however late it was."""
    profile = booked(stay(99, status=status), *(stay(day) for day in range(MAX_BOOKINGS)))

    assert [b.id for b in profile.bookings] == [f"b{day}" for day in range(MAX_BOOKINGS)]


def test_too_many_bookings_never_drop_a_live_key() -> None:
    """A key that is out must be revoked one day, so its booking stays."""
    profile = booked(stay(0, key=KEY, status="checked-out"), *(stay(d) for d in range(1, MAX_BOOKINGS + 5)))

    assert profile.bookings[0] == stay(0, key=KEY, status="checked-out")
    assert len(profile.bookings) == MAX_BOOKINGS


@PROPERTY_TEST
@given(
    st.lists(
        st.builds(stay, st.integers(0, 30), status=st.sampled_from(["confirmed", "cancelled"])), max_size=40
    )
)
def test_bookings_are_bounded_sorted_and_one_of_each(bookings: list[Booking]) -> None:
    """Any sequence of bookings leaves at most eight, in order, none twice."""
    kept = booked(*bookings).bookings

    assert len(kept) <= MAX_BOOKINGS
    assert list(kept) == sorted(kept, key=lambda booking: booking.arrival)
    assert len({booking.id for booking in kept}) == len(kept)
