"""Service context: whoever answers the customer knows who this is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING

import msgspec

from schemas.duration import Duration
from schemas.families.entry import EntryPlay
from schemas.families.play import Mistake

if TYPE_CHECKING:
    from schemas.playbook import Playbook


class ServiceContextPlay(EntryPlay, frozen=True, kw_only=True, tag="service-context"):
    """On contact, the desk gets who this is, what just happened, what is open and what may be offered.

    Attributes:
        keep_for: how long the record on the compacted topic may be relied on.
    """

    keep_for: Duration = "30d"

    def mistakes(self, playbook: Playbook) -> Iterator[Mistake]:
        """What could never fire, and a context that nobody has made contact for."""
        yield from super().mistakes(playbook)
        if not self.touchpoints:
            yield ["touchpoints"], "a service context is for a contact: it needs `touchpoints`"


class ServiceMoment(msgspec.Struct, frozen=True, gc=False):
    """A good or bad moment.

    Attributes:
        type: type of the touchpoint.
        weight: from −1 (the worst) to 1 (the best).
        time: when it happened.
    """

    type: str
    weight: float
    time: datetime


class ServiceIssue(msgspec.Struct, frozen=True, gc=False):
    """Something that is not settled yet.

    Attributes:
        issue: the issue's id.
        type: type of the touchpoint that opened it.
        opened: when.
    """

    issue: str
    type: str
    opened: datetime


class ServiceBooking(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A stay that is not over.

    Attributes:
        booking: the booking's id.
        property: which hotel.
        arrival: first day, in the hotel's own calendar.
        departure: last day.
        status: `confirmed` or `in-house`.
        room: the room's number, if it is assigned.
        key: whether the guest has a key on the phone.
        waits_for_room: whether the guest is there and waits for the room.
    """

    booking: str
    property: str
    arrival: date
    departure: date
    status: str
    room: str | None = None
    key: bool = False
    waits_for_room: bool = False


class ServicePromise(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Something that was offered or announced and is not answered yet.

    Attributes:
        trigger: id of the trigger.
        play: which play it is of.
        family: its family.
        offer: the offer's name, where it is one.
        made: when it went out.
        until: until when it holds.
        delivered: whether it is known to have reached the customer.
    """

    trigger: str
    play: str
    family: str
    made: datetime
    until: datetime
    offer: str | None = None
    delivered: bool = False


class ServicePreference(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How the customer likes something.

    Attributes:
        name: what it is about.
        value: how the customer likes it.
        by: who said so.
        said: when.
        learned: whether it is a guess.
    """

    name: str
    value: str
    by: str
    said: datetime
    learned: bool = False


class ServiceRestraint(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What is not to be offered now, and why.

    Attributes:
        because: `open-issue`, `declined` or `fatigue`.
        category: the category that was declined; left out where it is about all promotions.
        until: when it ends by itself; left out where only the issue's end ends it.
    """

    because: str
    category: str | None = None
    until: datetime | None = None


class ServiceContext(
    msgspec.Struct, frozen=True, omit_defaults=True, tag_field="family", tag="service-context", kw_only=True
):
    """Who this is, what just happened, what is open, what was promised and what may not be offered.

    Attributes:
        contact: type of the touchpoint by which the customer made contact; left out where the record was
            renewed for something else.
        channel: where, if the touchpoint says so.
        customer_since: time of the first touchpoint.
        stage_since: when the 5A stage was entered.
        spent: money spent.
        currency: ISO 4217 code of the amount.
        active_days: days with a purchase.
        last_active: time of the latest purchase.
        moments: good and bad moments, the latest first, five at most.
        issues: what is not settled, the latest first.
        bookings: stays that are not over, in order of arrival, three at most.
        promises: what was offered and is not answered, the latest first, five at most.
        preferences: how the customer likes it, stated ones first, of each kind the latest first, twelve at
            most.
        not_now: what is not to be offered.
        budget: what is left of each budget of the customer's own, by its name.
    """

    contact: str | None = None
    channel: str | None = None
    customer_since: datetime
    stage_since: datetime
    spent: float
    currency: str
    active_days: int = 0
    last_active: datetime | None = None
    moments: tuple[ServiceMoment, ...] = ()
    issues: tuple[ServiceIssue, ...] = ()
    bookings: tuple[ServiceBooking, ...] = ()
    promises: tuple[ServicePromise, ...] = ()
    preferences: tuple[ServicePreference, ...] = ()
    not_now: tuple[ServiceRestraint, ...] = ()
    budget: dict[str, float] = {}
