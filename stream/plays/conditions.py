"""Conditions: what the names and functions of a condition read, and the conditions of a playbook, ready.

Everything is read from the context of a decision, in constant or bounded time, and only what is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, timedelta, tzinfo
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from schemas.account import Account
from schemas.conditions.checking import check
from schemas.conditions.evaluation import CLASSES, ConditionError, Part, Reference, Step, ready
from schemas.conditions.meaning import conjuncts, names_event
from schemas.conditions.syntax import parse
from schemas.families import Play
from schemas.playbook import Playbook, entering_of
from schemas.profile import Profile
from schemas.stay import Booking
from schemas.timestamp import DAY, to_datetime
from stream import experience, permissions, stays
from stream.arbitration import lifecycle
from stream.plays.context import Context
from stream.residence import Residence

Reader = Callable[[Context], Any]

NEVER = float("inf")
"""Days since what never happened."""


class Condition:
    """A condition, ready to be asked.

    Args:
        parts: all that has to hold.
        read: gives what reads a reference.

    Attributes:
        parts: all that has to hold.
        holds: whether it holds in a context; raises `ConditionError` where that can't be said.
        beforehand: the parts of it that name the touchpoint; None without such a part.
        afterwards: the others, likewise.
    """

    def __init__(self, parts: tuple[Part, ...], read: Callable[[Reference], Reader]) -> None:
        self.parts = parts
        whole = parts[0]
        for part in parts[1:]:
            whole = Step("&&", (whole, part), "truth", part.at)
        self.holds: Reader = ready(whole, read)
        before = tuple(part for part in parts if names_event(part))
        after = tuple(part for part in parts if not names_event(part))
        self.beforehand = self if not after else Condition(before, read) if before else None
        self.afterwards = self if not before else Condition(after, read) if after else None


class Conditions:
    """The conditions of a playbook.

    Args:
        playbook: the playbook, as it was loaded; what is wrong in it was refused then.
    """

    def __init__(self, playbook: Playbook) -> None:
        self.zones: dict[str, tzinfo] = {
            id_: ZoneInfo(place.zone) for id_, place in playbook.properties.items()
        }
        self._residence = Residence(playbook)
        self._fields: dict[str, Reader] = {**_FIELDS, "account.days_to_renewal": self._days_to_renewal}
        self._scope = playbook.scope
        self._texts = playbook.segments
        self._segments: dict[str, Reader] = {
            name: ready(self.part_of_segment(name), self.read) for name in playbook.segments
        }
        self._known: dict[tuple[Any, ...], Condition] = {}

    def of(self, play: Play) -> Condition | None:
        """A play's condition with its segment; None where it has neither."""
        if play.when is None and play.segment is None:
            return None
        key = (play.when, play.segment, entering_of(play, self._scope))
        if key not in self._known:
            self._known[key] = Condition(self.parts_of(play), self.read)
        return self._known[key]

    def parts_of(self, play: Play) -> tuple[Part, ...]:
        """All that has to hold for a play, its segment first."""
        parts: tuple[Part, ...] = ()
        if play.segment is not None:
            parts = (Reference("in_segment", (play.segment,), "truth", 0),)
        if play.when is not None:
            scope = replace(self._scope, entering=entering_of(play, self._scope))
            parts += conjuncts(check(parse(play.when), scope))
        return parts

    def part_of_segment(self, name: str) -> Part:
        """What has to hold for a customer to be in a segment."""
        return check(parse(self._texts[name]), replace(self._scope, is_segment=True))

    def answer(self, part: Part, context: Context) -> Any:
        """What a part comes to in a context, for someone who asks about it alone.

        Raises:
            ConditionError: it can't be answered.
        """
        return ready(part, self.read)(context)

    def segments_of(self, context: Context, first: int | None = None) -> tuple[str, ...]:
        """The segments that the customer is in; one that can't be said is none.

        Args:
            context: where the customer stands.
            first: how many segments of the playbook are asked; all, unless it is said.
        """
        found = []
        for name, holds in islice(self._segments.items(), first):
            try:
                if holds(context):
                    found.append(name)
            except ConditionError:
                continue
        return tuple(found)

    def read(self, reference: Reference) -> Reader:
        """What reads a name or a function of the vocabulary from a context."""
        name, arguments = reference.name, reference.arguments
        if name == "event":
            return _data(reference)
        if name in self._fields:
            return self._fields[name]
        if name in _BOOKING:
            return self._booking(_BOOKING[name], name)
        if name == "in_segment":
            return self._in_segment(arguments[0])
        if name in _AT_ZONE:
            return _AT_ZONE[name](self.zones[arguments[0]] if arguments else UTC)
        return _FUNCTIONS[name](*arguments)

    def _in_segment(self, name: str) -> Reader:
        # Looked up when it is asked: a segment may be made of one that comes after it.
        return lambda context: bool(self._segments[name](context))

    def _days_to_renewal(self, context: Context) -> int:
        account = context.profile.account
        if account is None or account.renews is None:
            raise ConditionError("account.days_to_renewal is not known")
        zone = ZoneInfo(self._residence.zone_of(context.profile))
        return (account.renews - to_datetime(context.now).astimezone(zone).date()).days

    def _booking(self, field: Callable[[Booking, date], Any], name: str) -> Reader:
        zones = self.zones

        def of_booking(context: Context) -> Any:
            booking = _booking_of(context, zones)
            if booking is None:
                raise ConditionError(f"{name}: there is no booking")
            value = field(booking, _today(booking, context.now, zones))
            if value is None:
                raise ConditionError(f"{name} is not known")
            return value

        return of_booking


def _booking_of(context: Context, zones: Mapping[str, tzinfo]) -> Booking | None:
    """The booking that the touchpoint names, or else the stay that is on, or else the next one."""
    bookings = context.profile.bookings
    if not bookings:
        return None
    touchpoint = context.touchpoint
    named = touchpoint.data.get("booking", touchpoint.correlation)
    if named is not None and (found := stays.find(context.profile, named)) is not None:
        return found
    best = None
    for booking in bookings:
        if booking.status == "in-house":
            return booking
        if (
            best is None
            and booking.status == "confirmed"
            and booking.departure >= _today(booking, context.now, zones)
        ):
            best = booking
    return best


def _today(booking: Booking, now: int, zones: Mapping[str, tzinfo]) -> date:
    return to_datetime(now).astimezone(zones.get(booking.property, UTC)).date()


def _data(reference: Reference) -> Reader:
    """What reads a field of the touchpoint's own data, and takes it for the kind that was asked for."""
    first, *rest = reference.arguments
    classes = CLASSES.get(reference.kind, (str, int, float, bool, list))

    def data(context: Context) -> Any:
        value = context.touchpoint.data.get(first)
        for field in rest:
            value = value.get(field) if isinstance(value, dict) else None
        if value.__class__ not in classes:
            raise ConditionError(f"{reference} is {'missing' if value is None else f'no {reference.kind}'}")
        return value

    return data


def _present(name: str, value_of: Reader) -> Reader:
    def present(context: Context) -> Any:
        value = value_of(context)
        if value is None:
            raise ConditionError(f"{name} is missing")
        return value

    return present


_DAY = float(DAY)


def _days(since: int, now: int) -> float:
    return max(now - since, 0) / _DAY


def _account(field: str, value_of: Callable[[Account], Any]) -> Reader:
    name = f"account.{field}"

    def of_account(context: Context) -> Any:
        account = context.profile.account
        value = None if account is None else value_of(account)
        if value is None:
            raise ConditionError(f"{name} is not known")
        return value

    return of_account


_FIELDS: dict[str, Reader] = {
    "event.type": lambda context: context.touchpoint.type,
    "event.time": lambda context: to_datetime(context.touchpoint.time),
    "event.source": lambda context: context.touchpoint.source,
    "event.channel": _present("event.channel", lambda context: context.touchpoint.channel),
    "event.amount": _present("event.amount", lambda context: context.touchpoint.amount),
    "event.correlation": _present("event.correlation", lambda context: context.touchpoint.correlation),
    "event.weight": lambda context: context.weight,
    "now": lambda context: to_datetime(context.now),
    "profile.stage": lambda context: context.profile.stage,
    "profile.stage_days": lambda context: _days(context.profile.stage_since, context.now),
    "profile.risk": lambda context: context.profile.risk,
    "profile.spent": lambda context: context.profile.spent,
    "profile.last_amount": lambda context: context.profile.last_amount,
    "profile.active_days": lambda context: context.profile.active_days,
    "profile.gap_days": lambda context: context.profile.gap_mean,
    "profile.touchpoints": lambda context: context.profile.touchpoints,
    "profile.days": lambda context: _days(context.profile.first_seen, context.now),
    "profile.experience": lambda context: experience.score(context.profile, context.now),
    "profile.attention": lambda context: lifecycle.attention_of(context.profile, context.now),
    "profile.ids": lambda context: 1 + len(context.profile.aliases),
    "profile.has_device": lambda context: context.profile.device is not None,
    "account.plan": _account("plan", lambda account: account.plan),
    "account.seats": _account("seats", lambda account: account.seats),
}


_BOOKING: dict[str, Callable[[Booking, date], Any]] = {
    "booking.id": lambda booking, _: booking.id,
    "booking.property": lambda booking, _: booking.property,
    "booking.status": lambda booking, _: booking.status,
    "booking.room": lambda booking, _: booking.room,
    "booking.nights": lambda booking, _: (booking.departure - booking.arrival).days,
    "booking.days_to_arrival": lambda booking, today: (booking.arrival - today).days,
    "booking.days_to_departure": lambda booking, today: (booking.departure - today).days,
    "booking.has_key": lambda booking, _: booking.key is not None,
}


def _count(type_: str) -> Reader:
    def count(context: Context) -> int:
        kind = context.profile.kinds.get(type_)
        return 0 if kind is None else kind.count

    return count


def _days_since(type_: str) -> Reader:
    def days_since(context: Context) -> float:
        kind = context.profile.kinds.get(type_)
        return NEVER if kind is None else _days(kind.last, context.now)

    return days_since


def _millis(length: timedelta) -> int:
    return length // timedelta(milliseconds=1)


def _bad_moments(window: timedelta, severity: float = 0.0) -> Reader:
    within = _millis(window)

    def bad_moments(context: Context) -> int:
        since = context.now - within
        return sum(
            1 for m in context.profile.moments if m.time >= since and m.weight < 0 and m.weight <= -severity
        )

    return bad_moments


def _good_moments(window: timedelta, severity: float = 0.0) -> Reader:
    within = _millis(window)

    def good_moments(context: Context) -> int:
        since = context.now - within
        return sum(
            1 for m in context.profile.moments if m.time >= since and m.weight > 0 and m.weight >= severity
        )

    return good_moments


def _issue_days() -> Reader:
    def issue_days(context: Context) -> float:
        issues = context.profile.issues
        return _days(issues[0].opened, context.now) if issues else 0.0

    return issue_days


def _fired(play: str, window: timedelta | None = None) -> Reader:
    within = None if window is None else _millis(window)

    def fired(context: Context) -> bool:
        last = context.profile.fired.get(play)
        return last is not None and (within is None or context.now - last < within)

    return fired


def _hour(zone: tzinfo) -> Reader:
    return lambda context: to_datetime(context.now).astimezone(zone).hour


def _weekday(zone: tzinfo) -> Reader:
    return lambda context: to_datetime(context.now).astimezone(zone).isoweekday()


def _prefers(profile: Profile, name: str, value: str) -> bool:
    return any(each.name == name and each.value == value for each in profile.preferences)


def _bookings(profile: Profile) -> int:
    return sum(1 for booking in profile.bookings if booking.status not in stays.OVER)


_AT_ZONE: dict[str, Callable[[tzinfo], Reader]] = {"hour": _hour, "weekday": _weekday}

_FUNCTIONS: dict[str, Callable[..., Reader]] = {
    "count": _count,
    "days_since": _days_since,
    "bad_moments": _bad_moments,
    "good_moments": _good_moments,
    "open_issues": lambda: lambda context: len(context.profile.issues),
    "issue_days": _issue_days,
    "bookings": lambda: lambda context: _bookings(context.profile),
    "agreed": lambda *about: lambda context: permissions.agreed(context.profile, *about),
    "prefers": lambda name, value: lambda context: _prefers(context.profile, name, value),
    "fired": _fired,
}
