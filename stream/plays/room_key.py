"""Room key: on the phone when the guest arrives, gone when the stay ends.

Safe by construction: every gate must hold, all that don't are named, and what is not known
counts as not holding.

A guest arrives where a touchpoint says so, or where the phone's location enters the fence of a hotel. A
location is a circle, not a point: the phone may be anywhere within its error. So it has entered only when
the whole circle is within the fence, and left only when the whole circle is beyond the fence and its
hysteresis; in between nothing changes. Only of a location that is refused for its error the point alone is
looked at, to say that it was refused. Locations count by their own time, an older one changes nothing, and
only those of the bound device are remembered.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from schemas.duration import millis_of
from schemas.families.room_key import RoomKey, RoomKeyPlay
from schemas.playbook import Playbook
from schemas.presence import MAX_PRESENCES, Presence
from schemas.profile import Profile
from schemas.stay import Booking, Key, Waiting
from schemas.timer import Timer
from schemas.timestamp import DAY, to_datetime, to_millis
from stream import permissions, stays, timers
from stream.fences import Fences, distance
from stream.plays.context import LATE, Context

FAMILY = "room-key"

ENDS = ("booking.cancelled", "stay.checked-out")
"""Effects that end a stay."""

CHANGES = ("booking.confirmed", "stay.checked-in", "room.ready")
"""Effects by which what a key says may become wrong, or a room become ready."""

PERMITS = ("device.bound", "consent.withdrawn")
"""Effects by which a guest may lose what a live key was given for."""

COOLDOWN = "cooldown"
LOCATION = "location"
"""Reasons beside the gates: too soon after another arrival, and coordinates that are none."""

LAST_DAY = date(2099, 12, 31)
"""Departures after it count as on it: no touchpoint is later, and the calendar itself ends in 9999."""


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """What is said of an arrival.

    Attributes:
        property: at which hotel.
        device: with which device.
        is_accurate: whether the location is good enough.
        is_fresh: whether it is new enough.
    """

    property: object
    device: object
    is_accurate: bool = True
    is_fresh: bool = True


class RoomKeyRule:
    """Decides on arrivals, on the ends and changes of stays, and where a permission ends.

    A live key has a timer for the end of the day of departure, for guests who leave without a word.

    The gates, in order: `booking` (a confirmed booking of this guest), `property` (it is for
    this hotel), `day` (today is between arrival and departure, in the hotel's time zone),
    `device` (the device that arrived is the one bound), `consent` (to the use of location),
    `accuracy` (the location is good enough), `age` (and new enough), `live-key` (no key is out already),
    `room` (it is ready, at a hotel where that is said).

    An arrival at which nothing but the room was missing is remembered with the booking, and is decided on
    again when the room is ready. A live key that has become wrong, as the booking was changed, is revoked;
    one that says another room or last day is issued anew, if every gate holds.
    """

    def __init__(self, play: RoomKeyPlay, playbook: Playbook) -> None:
        self.play = play
        # Not the play's name, as a playbook has one play of this family: renamed, it still takes keys away.
        self.timer = FAMILY
        effects = {type_: entry.effect for type_, entry in playbook.catalogue.items()}
        self._changes = frozenset(type_ for type_, effect in effects.items() if effect in CHANGES)
        self._permits = frozenset(type_ for type_, effect in effects.items() if effect in PERMITS)
        others = (type_ for type_ in effects if type_ in self._permits or type_ in self._changes)
        self.types = (*play.touchpoints, *play.locations, *play.revoked_by, *others)
        self._arrivals = frozenset(play.touchpoints)
        self._locations = frozenset(play.locations)
        self._revoked_by = frozenset(play.revoked_by)
        self._ends = frozenset(type_ for type_ in play.revoked_by if effects.get(type_) in ENDS)
        self._zones: dict[str, tzinfo] = {
            id_: ZoneInfo(place.zone) for id_, place in playbook.properties.items()
        }
        self._awaiting = frozenset(id_ for id_, place in playbook.properties.items() if place.awaits_room)
        self._fences = Fences(playbook.properties)
        self._accuracy = play.accuracy_m
        self._consent = play.purpose
        self._channel = play.channel
        self._valid_for = millis_of(play.valid_for)
        self._max_age = millis_of(play.max_age)
        self._cooldown = millis_of(play.cooldown)
        self._room_within = millis_of(play.room_within)

    def decide(self, context: Context) -> None:
        """Revoke each live key that must not open any more; on an arrival, issue or hold one."""
        profile, type_ = context.profile, context.touchpoint.type
        if type_ in self._permits and not permissions.agreed(profile, self._consent, self._channel):
            # Where a guest was is not kept for longer than that is agreed to.
            self._forget(profile)
        for booking in profile.bookings:
            if booking.key is not None:
                self._look_after(context, booking, booking.key)
            elif booking.waiting is not None:
                self._answer(context, booking, booking.waiting)
        if type_ in self._arrivals:
            self._arrive(context)
        elif type_ in self._locations:
            self._locate(context)

    def join(self, context: Context, surplus: list[tuple[Booking, Key]]) -> None:
        """Two ids have become one customer: revoke each live key that the one may not have.

        Args:
            context: the profile is the one of both.
            surplus: keys that are in no booking of it any more; they are taken out.
        """
        while surplus:
            self._take_away(context, *surplus.pop(0))
        for booking in context.profile.bookings:
            if booking.key is not None:
                self._look_after(context, booking, booking.key, joined=True)

    def expire(self, context: Context, key: str) -> None:
        """Revoke the key of a booking whose last day is over."""
        booking = stays.find(context.profile, key)
        if booking is None or booking.key is None:
            return
        if self._end_of(booking) > context.now:
            # The playbook has moved the hotel to another time zone since the timer was set.
            self._time_end(context, booking)
        else:
            self._revoke(context, booking, booking.key)

    def _arrive(self, context: Context) -> None:
        """Decide on an arrival that a touchpoint tells of."""
        profile, data = context.profile, context.touchpoint.data
        accurate = self._trusted(data.get("accuracy_m")) is not None
        arrival = Arrival(data.get("property"), data.get("device"), accurate)
        booking = self._booking(context, arrival.property)
        failed = self._failed_gates(context, booking, arrival)
        inside = self._decide(context, booking, arrival, failed)
        if not inside or booking is None or profile.device is None:
            return
        if booking.property in self._fences.fences:
            # The locations that follow are of a guest who is in the house already.
            at, said = booking.property, context.touchpoint.time
            self._remember(profile, Presence(said, at, profile.device, inside=True, arrived=context.now))

    def _locate(self, context: Context) -> None:
        """Decide on a location that is an arrival; of one that is not, note what it says."""
        profile, touchpoint = context.profile, context.touchpoint
        data, said = touchpoint.data, touchpoint.time
        latitude = _number(data.get("latitude"), 90.0)
        longitude = _number(data.get("longitude"), 180.0)
        if latitude is None or longitude is None:
            context.hold(self.play, LOCATION, (LOCATION,))
            return
        error, device = self._trusted(data.get("accuracy_m")), data.get("device")
        is_own = profile.device is not None and device == profile.device
        if is_own and error is not None and profile.presences:
            self._leave(profile, latitude, longitude, error, said)
        # The point itself where the error is too large, so that it can be said to be that.
        reach = error or 0.0
        fences = self._fences.fences
        at = [
            (name, metres)
            for name, metres in self._fences.near(latitude, longitude)
            if metres + reach <= fences[name].radius_m
        ]
        if not at:
            return
        # Of two hotels side by side the guest's own, then the nearer one.
        today = {b.property for b in profile.bookings if self._is_today(b, context.now)}
        name = min(at, key=lambda place: (place[0] not in today, place[1], place[0]))[0]
        known = next((p for p in profile.presences if p.property == name), None)
        if known is not None and known.device != profile.device:
            known = None
        if known is not None and (said <= known.time or known.inside):
            if is_own and said > known.time:
                self._remember(profile, msgspec.structs.replace(known, time=said))
            return
        arrival = Arrival(name, device, error is not None, context.now - said <= self._max_age)
        booking = self._booking(context, name)
        failed = self._failed_gates(context, booking, arrival)
        arrived = -1 if known is None else known.arrived
        if known is not None and failed and failed == known.failed:
            # Said before; a phone at the door reports every few seconds.
            self._remember(profile, msgspec.structs.replace(known, time=said))
            return
        if not failed and arrived >= 0 and context.now - arrived < self._cooldown:
            context.hold(self.play, COOLDOWN)
            inside = True
        else:
            inside = self._decide(context, booking, arrival, failed)
            arrived = context.now if inside else arrived
        # Without consent no location is kept, and an old one is no word on where the guest is.
        if is_own and arrival.is_fresh and permissions.agreed(profile, self._consent, self._channel):
            assert profile.device is not None
            held = () if inside else failed
            self._remember(profile, Presence(said, name, profile.device, inside, arrived, held))

    def _leave(self, profile: Profile, latitude: float, longitude: float, error: float, said: int) -> None:
        """Note where the device is not any more."""
        fences = self._fences.fences
        kept = []
        for presence in profile.presences:
            fence = fences.get(presence.property)
            if fence is None:
                continue
            if presence.device == profile.device and said > presence.time:
                beyond = distance(fence, latitude, longitude) - error
                if beyond > fence.radius_m + fence.hysteresis_m:
                    presence = msgspec.structs.replace(presence, time=said, inside=False, failed=())  # noqa: PLW2901
            kept.append(presence)
        profile.presences = tuple(sorted(kept))

    def _remember(self, profile: Profile, presence: Presence) -> None:
        others = [other for other in profile.presences if other.property != presence.property]
        profile.presences = tuple(sorted((*others, presence))[-MAX_PRESENCES:])

    def _forget(self, profile: Profile) -> None:
        """Forget where the guest was seen."""
        profile.presences = ()
        for booking in profile.bookings:
            if booking.waiting is not None:
                stays.put(profile, msgspec.structs.replace(booking, waiting=None))

    def _decide(
        self, context: Context, booking: Booking | None, arrival: Arrival, failed: tuple[str, ...]
    ) -> bool:
        """Issue or hold the key of an arrival; whether the guest is there as far as we are concerned."""
        device = context.profile.device
        if failed or booking is None or device is None:
            context.hold(self.play, failed[0], failed)
            if failed == ("room",) and booking is not None and device is not None and not context.late:
                waiting = Waiting(context.now, booking.property, device)
                stays.put(context.profile, msgspec.structs.replace(booking, waiting=waiting))
                return True
            return failed == ("live-key",)
        if context.late:
            context.hold(self.play, LATE)
            return False
        content = RoomKey("issue", booking.id, booking.property, device, booking.departure, booking.room)
        key = Key("", device, booking.property, booking.departure, booking.room)

        def note(profile: Profile, trigger: str) -> None:
            issued = msgspec.structs.replace(key, trigger=trigger)
            stays.put(profile, msgspec.structs.replace(booking, key=issued, waiting=None))
            self._time_end(context, booking)

        context.propose(self.play, content, self._valid_for, booking.id, on_fired=note)
        return True

    def _look_after(self, context: Context, booking: Booking, key: Key, *, joined: bool = False) -> None:
        """Revoke a live key that must not open any more; issue it anew where only what it says is wrong."""
        changed = joined or context.touchpoint.type in self._changes
        if self._has_ended(context, booking, key) or (joined and booking.status in stays.OVER):
            self._revoke(context, booking, key)
        elif changed and self._is_wrong(context, booking, key):
            self._revoke(context, booking, key)
            # The guest is in the house: nothing that was known at the arrival is less true.
            arrival = Arrival(key.property or booking.property, key.device)
            booking = msgspec.structs.replace(booking, key=None)
            self._decide(context, booking, arrival, self._failed_gates(context, booking, arrival))
        else:
            self._time_end(context, booking)

    def _answer(self, context: Context, booking: Booking, waiting: Waiting) -> None:
        """Decide again on an arrival that waits for the room, once that may be ready."""
        type_ = context.touchpoint.type
        if booking.status in stays.OVER:
            stays.put(context.profile, msgspec.structs.replace(booking, waiting=None))
            return
        if type_ not in self._changes or context.touchpoint.data.get("booking") != booking.id:
            return
        arrival = Arrival(
            waiting.property, waiting.device, is_fresh=context.now - waiting.time <= self._room_within
        )
        failed = self._failed_gates(context, booking, arrival)
        if failed == ("room",):
            return
        if failed:
            stays.put(context.profile, msgspec.structs.replace(booking, waiting=None))
        self._decide(context, booking, arrival, failed)

    def _time_end(self, context: Context, booking: Booking) -> None:
        due = max(self._end_of(booking), context.now)
        timers.put(context.profile, Timer(due, self.timer, booking.id, context.touchpoint.id))

    def _has_ended(self, context: Context, booking: Booking, key: Key) -> bool:
        """Whether a live key lost its device or its consent, or the touchpoint ends its booking."""
        profile, touchpoint = context.profile, context.touchpoint
        if key.device != profile.device or not permissions.agreed(profile, self._consent, self._channel):
            return True
        if touchpoint.type not in self._revoked_by or touchpoint.data.get("booking") != booking.id:
            return False
        # An end that is older than the booking as it stands ended nothing.
        return touchpoint.type not in self._ends or booking.status in stays.OVER

    def _is_wrong(self, context: Context, booking: Booking, key: Key) -> bool:
        """Whether a live key says what is not so, or is useless."""
        if not self._is_today(booking, context.now):
            return True
        if key.property is None:
            # From before that was noted.
            return False
        return (key.property, key.departure, key.room) != (booking.property, booking.departure, booking.room)

    def _revoke(self, context: Context, booking: Booking, key: Key) -> None:
        # No step holds it back, and the next arrival must not find the key that it takes away.
        stays.put(context.profile, msgspec.structs.replace(booking, key=None))
        timers.cancel(context.profile, self.timer, booking.id)
        self._take_away(context, booking, key)

    def _take_away(self, context: Context, booking: Booking, key: Key) -> None:
        # A key is taken away however late we hear of it: an old key that opens is worse than a late word.
        property_, departure, room = booking.property, booking.departure, booking.room
        if key.property is not None and key.departure is not None:
            property_, departure, room = key.property, key.departure, key.room
        content = RoomKey("revoke", booking.id, property_, key.device, departure, room, key.trigger)
        # A day more than the key might open: a subscriber that was down has to take it away all the same.
        end = self._end_of(msgspec.structs.replace(booking, property=property_, departure=departure))
        left = max(end - context.now, 0)
        valid_for = max(left + DAY, self._valid_for)
        if context.is_stale(valid_for):
            # Nobody was there to fire the timer in time: the key must go all the same.
            valid_for += context.clock - context.now
        context.propose(self.play, content, valid_for, booking.id, protects=True, ends=True)

    def _end_of(self, booking: Booking) -> int:
        """When the departure day ends at the hotel, in ms; in UTC where the hotel is not known."""
        next_day = min(booking.departure, LAST_DAY) + timedelta(days=1)
        return to_millis(datetime.combine(next_day, time.min, self._zones.get(booking.property, UTC)))

    def _booking(self, context: Context, property_: object) -> Booking | None:
        """The booking that an arrival is about: the one it names, else the best of this hotel's."""
        bookings = [b for b in context.profile.bookings if b.status in ("confirmed", "in-house")]
        if (named := context.touchpoint.data.get("booking")) is not None:
            return next((b for b in bookings if b.id == named), None)
        here = [b for b in bookings if b.property == property_]
        today = [b for b in here if self._is_today(b, context.now)]
        return next(iter(today or here or bookings), None)

    def _is_today(self, booking: Booking, now: int) -> bool:
        zone = self._zones.get(booking.property)
        if zone is None:
            return False
        today: date = to_datetime(now).astimezone(zone).date()
        return booking.arrival <= today <= booking.departure

    def _trusted(self, accuracy: object) -> float | None:
        """An error of a location that is small enough, in metres."""
        error = _number(accuracy, self._accuracy)
        return error if error is not None and error >= 0 else None

    def _failed_gates(self, context: Context, booking: Booking | None, arrival: Arrival) -> tuple[str, ...]:
        profile = context.profile
        gates = (
            ("booking", booking is not None),
            ("property", booking is not None and booking.property == arrival.property),
            ("day", booking is not None and self._is_today(booking, context.now)),
            ("device", profile.device is not None and profile.device == arrival.device),
            ("consent", permissions.agreed(profile, self._consent, self._channel)),
            ("accuracy", arrival.is_accurate),
            ("age", arrival.is_fresh),
            ("live-key", booking is None or booking.key is None),
            (
                "room",
                booking is None or booking.property not in self._awaiting or stays.has_room(profile, booking),
            ),
        )
        return tuple(name for name, holds in gates if not holds)


def _number(value: Any, limit: float) -> float | None:
    """A finite number within ±`limit`, or None."""
    if value.__class__ is not float and value.__class__ is not int:
        return None
    return float(value) if -limit <= value <= limit else None
