"""Stays: the bookings on a profile, from confirmation to check-out.

When it happened decides, not when it arrived: an old word that comes late changes nothing.
"""

from __future__ import annotations

from datetime import date

import msgspec

from schemas.profile import Profile
from schemas.stay import MAX_BOOKINGS, MAX_EARLY, Booking, Key, Words
from schemas.touchpoint import Identifier, Touchpoint

OVER = ("cancelled", "checked-out")
"""Statuses of a booking that has ended."""


class BookingData(msgspec.Struct, frozen=True):
    """What a booking touchpoint must say in its data.

    Attributes:
        booking: the booking's id.
        property: which hotel; needed to confirm.
        arrival: first day; needed to confirm.
        departure: last day, not before the first; needed to confirm.
        room: the room's number, if it is assigned.
    """

    booking: Identifier
    property: Identifier | None = None
    arrival: date | None = None
    departure: date | None = None
    room: Identifier | None = None


def confirm(profile: Profile, touchpoint: Touchpoint) -> bool:
    """Enter a booking, or change the one with the same id; whether it is a new one.

    Raises:
        msgspec.ValidationError: the data lacks what a booking needs, or the stay ends before it begins.
    """
    data = msgspec.convert(touchpoint.data, BookingData)
    old = find(profile, data.booking)
    time = touchpoint.time
    if old is not None:
        words = _words(profile, old)
    elif data.property is None or data.arrival is None or data.departure is None:
        raise msgspec.ValidationError("a booking needs `property`, `arrival` and `departure` - at `$.data`")
    else:
        old = Booking(data.booking, data.property, data.arrival, data.departure)
        early = profile.told.get(data.booking)
        if early is None:
            # Most bookings are said at once.
            booking = msgspec.structs.replace(old, room=data.room, changed=time)
            _check(booking)
            put(profile, booking)
            return True
        old = msgspec.structs.replace(old, room=early.early)
        words = msgspec.structs.replace(early, early=None)
    is_new = words.confirmed < 0
    said = Words(
        time if data.property is not None else -1,
        time if data.arrival is not None else -1,
        time if data.departure is not None else -1,
        time if data.room is not None else -1,
        time,
    )
    stated = Booking(
        data.booking,
        data.property or old.property,
        data.arrival or old.arrival,
        data.departure or old.departure,
        room=data.room,
    )
    _enter(profile, *_later(old, words, stated, said))
    return is_new


def set_status(profile: Profile, touchpoint: Touchpoint, status: str) -> None:
    """Set the status of the booking that a touchpoint names, unless there is a later word.

    The status of a booking that is not confirmed yet is kept until it is.

    Raises:
        msgspec.ValidationError: the data names no booking.
    """
    data = msgspec.convert(touchpoint.data, BookingData)
    time = touchpoint.time
    said = Words(room=-1 if data.room is None else time, said=time, status=status, early=data.room)
    booking = find(profile, data.booking)
    if booking is None:
        _note(profile, data.booking, said)
    else:
        stated = msgspec.structs.replace(booking, room=data.room)
        _enter(profile, *_later(booking, _words(profile, booking), stated, said))


def make_ready(profile: Profile, touchpoint: Touchpoint) -> None:
    """Note that the room of a booking is ready; it is the booking's room, unless there is a later word.

    Raises:
        msgspec.ValidationError: the data names no booking, or no room.
    """
    data = msgspec.convert(touchpoint.data, BookingData)
    if data.room is None:
        raise msgspec.ValidationError("a room that is ready needs `room` - at `$.data`")
    time = touchpoint.time
    said = Words(room=time, early=data.room, ready=time, ready_room=data.room)
    booking = find(profile, data.booking)
    if booking is None:
        _note(profile, data.booking, said)
    else:
        stated = msgspec.structs.replace(booking, room=data.room)
        _enter(profile, *_later(booking, _words(profile, booking), stated, said))


def has_room(profile: Profile, booking: Booking) -> bool:
    """Whether a guest may go up: the booking's own room was said to be ready, or the guest is in house.

    A word from before the booking was over and booked again counts no more.
    """
    if booking.status == "in-house":
        return True
    words = profile.told.get(booking.id)
    if words is None or words.ready < 0 or words.ready_room != booking.room:
        return False
    return words.status not in OVER or words.said < words.ready


def keys_of(profile: Profile) -> dict[str, tuple[Booking, Key]]:
    """The keys that are live and their bookings, by the id of the trigger that issued each."""
    return {each.key.trigger: (each, each.key) for each in profile.bookings if each.key is not None}


def merge(profile: Profile, other: Profile) -> None:
    """Take in the bookings of another profile of the same customer.

    A booking has one key: of two the one on the device that is bound, which has to be known by then. What
    becomes of the other is up to whoever knows of both (`identity.Meeting.surplus`).
    """
    for theirs in other.bookings:
        ours = find(profile, theirs.id)
        told = _words(other, theirs)
        if ours is not None:
            keys = [key for key in (ours.key, theirs.key) if key is not None]
            key = max(keys, key=lambda each: (each.device == profile.device, each.trigger), default=None)
            waiting = max((each for each in (ours.waiting, theirs.waiting) if each), default=None)
            booking, words = _later(ours, _words(profile, ours), theirs, told)
            _enter(profile, msgspec.structs.replace(booking, key=key, waiting=waiting), words)
        elif (early := profile.told.get(theirs.id)) is not None:
            unconfirmed = msgspec.structs.replace(theirs, room=early.early)
            _enter(profile, *_later(theirs, told, unconfirmed, early))
        else:
            _enter(profile, theirs, told)
    for id_, early in other.told.items():
        if find(other, id_) is not None:
            continue
        ours = find(profile, id_)
        if ours is None:
            _note(profile, id_, early)
        else:
            unconfirmed = msgspec.structs.replace(ours, room=early.early)
            _enter(profile, *_later(ours, _words(profile, ours), unconfirmed, early))


def _words(profile: Profile, booking: Booking) -> Words:
    """When each thing was said of a booking: all of it at once, unless it is noted."""
    told = profile.told.get(booking.id)
    if told is not None:
        return told
    at = booking.changed
    room = -1 if booking.room is None else at
    if booking.status == "confirmed":
        return Words(at, at, at, room, at)
    return Words(at, at, at, room, at, at, booking.status)


def _later(one: Booking, one_said: Words, other: Booking, other_said: Words) -> tuple[Booking, Words]:
    """A booking of which each thing is what was said later; of two at once, the greater."""
    property_at, place = max((one_said.property, one.property), (other_said.property, other.property))
    arrival_at, arrival = max((one_said.arrival, one.arrival), (other_said.arrival, other.arrival))
    departure_at, departure = max(
        (one_said.departure, one.departure), (other_said.departure, other.departure)
    )
    room_at, room = max((one_said.room, one.room or ""), (other_said.room, other.room or ""))
    confirmed = max(one_said.confirmed, other_said.confirmed)
    said, status = max(
        ((words.said, words.status) for words in (one_said, other_said)),
        key=lambda word: (word[0], word[1] in OVER, word[1]),
    )
    ready, ready_room = max((one_said.ready, one_said.ready_room), (other_said.ready, other_said.ready_room))
    booking = msgspec.structs.replace(
        one,
        property=place,
        arrival=arrival,
        departure=departure,
        room=room or None,
        # A stay that is changed is still a stay; one that is over is booked again.
        status=status if said >= confirmed or status == "in-house" else "confirmed",
        changed=max(said, confirmed),
    )
    return booking, Words(
        property_at,
        arrival_at,
        departure_at,
        room_at,
        confirmed,
        said,
        status,
        ready=ready,
        ready_room=ready_room,
    )


def _enter(profile: Profile, booking: Booking, words: Words) -> None:
    """Put a booking, and note when each thing was said where that was not at once."""
    _check(booking)
    told = {id_: each for id_, each in profile.told.items() if id_ != booking.id}
    profile.told = told
    if _words(profile, booking) != words:
        profile.told = {**told, booking.id: words}
    put(profile, booking)


def _note(profile: Profile, id_: str, said: Words) -> None:
    """Keep the status of a booking that is not confirmed yet."""
    known = profile.told.get(id_, Words())
    nothing = Booking(id_, "", date.min, date.min)
    booking, words = _later(
        msgspec.structs.replace(nothing, room=known.early),
        known,
        msgspec.structs.replace(nothing, room=said.early),
        said,
    )
    told = {**profile.told, id_: msgspec.structs.replace(words, early=booking.room)}
    early = [id_ for id_, each in told.items() if each.confirmed < 0]
    for oldest in sorted(early, key=lambda name: (told[name].said, name))[:-MAX_EARLY]:
        del told[oldest]
    profile.told = told


def _check(booking: Booking) -> None:
    if booking.departure < booking.arrival:
        raise msgspec.ValidationError("`departure` is before `arrival` - at `$.data`")


def find(profile: Profile, id_: str) -> Booking | None:
    """The booking with this id, if the profile has it."""
    return next((booking for booking in profile.bookings if booking.id == id_), None)


def put(profile: Profile, booking: Booking) -> None:
    """Put a booking in place of the one with its id, in order of arrival; drop one when too many."""
    others = [other for other in profile.bookings if other.id != booking.id]
    kept = sorted((*others, booking), key=lambda entry: (entry.arrival, entry.id))
    if len(kept) > MAX_BOOKINGS:
        dropped = min(kept, key=_worth_keeping)
        kept.remove(dropped)
        profile.told = {id_: words for id_, words in profile.told.items() if id_ != dropped.id}
    profile.bookings = tuple(kept)


def _worth_keeping(booking: Booking) -> tuple[bool, bool, date, str]:
    """Least for stays that are over; most for one whose key is live, for it must be revoked."""
    return booking.key is not None, booking.status not in OVER, booking.arrival, booking.id
