"""Service context: on contact, the desk knows who this is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from schemas.budget import THOUSANDTHS
from schemas.duration import millis_of
from schemas.families.service_context import (
    ServiceBooking,
    ServiceContext,
    ServiceContextPlay,
    ServiceIssue,
    ServiceMoment,
    ServicePreference,
    ServicePromise,
    ServiceRestraint,
)
from schemas.lifecycle import Issued
from schemas.playbook import Playbook
from schemas.profile import Profile
from schemas.suppression import Suppressed
from schemas.timestamp import to_datetime
from stream import budgets, preferences, stays
from stream.budgets import Terms
from stream.plays.context import LATE, Context

MOMENTS = 5
BOOKINGS = 3
PROMISES = 5
PREFERENCES = 12
"""How many of each the desk gets: what someone can read while saying hello."""

OPEN = ("issued", "delivered")
"""What a trigger is that nobody has answered yet."""


class ServiceContextRule:
    """Proposes the context of whoever makes contact."""

    types = None

    def __init__(self, play: ServiceContextPlay, playbook: Playbook) -> None:
        self.play = play
        self.types = play.touchpoints
        self._valid_for = millis_of(play.valid_for)
        self._currency = playbook.currency
        self._budgets = own_budgets(playbook)

    def decide(self, context: Context) -> None:
        """Tell the desk, unless the contact was long ago."""
        if context.late:
            context.hold(self.play, LATE)
            return
        touchpoint = context.touchpoint
        content = content_of(
            context.profile, context.now, self._currency, self._budgets, touchpoint.type, touchpoint.channel
        )
        context.propose(self.play, content, self._valid_for, touchpoint.correlation)


def own_budgets(playbook: Playbook) -> dict[str, Terms]:
    """The terms of budgets that each customer has one of, by name."""
    return {name: Terms(budget) for name, budget in playbook.budgets.items() if budget.per == "customer"}


def content_of(
    profile: Profile,
    now: int,
    currency: str,
    own: Mapping[str, Terms],
    contact: str | None = None,
    channel: str | None = None,
) -> ServiceContext:
    """What the desk is told of a customer.

    Args:
        profile: the customer's.
        now: as of when, in ms.
        currency: of amounts.
        own: the terms of budgets that each customer has one of, by name.
        contact: type of the touchpoint by which contact was made, if it was.
        channel: where.
    """
    return ServiceContext(
        contact=contact,
        channel=channel,
        customer_since=to_datetime(profile.first_seen),
        stage_since=to_datetime(profile.stage_since),
        spent=round(profile.spent, 2),
        currency=currency,
        active_days=profile.active_days,
        last_active=to_datetime(profile.last_active) if profile.active_days else None,
        moments=tuple(
            [
                ServiceMoment(each.type, each.weight, to_datetime(each.time))
                for each in profile.moments[: -MOMENTS - 1 : -1]
            ]
        ),
        issues=tuple(
            [ServiceIssue(each.id, each.type, to_datetime(each.opened)) for each in reversed(profile.issues)]
        ),
        bookings=_bookings(profile, now) if profile.bookings else (),
        promises=_promises(profile, now) if profile.issued else (),
        preferences=tuple(
            [
                ServicePreference(each.name, each.value, each.by, to_datetime(each.time), not each.stated)
                for each in preferences.known(profile)[:PREFERENCES]
            ]
        ),
        not_now=_restraints(profile, now),
        budget={
            name: budgets.remaining(profile.ledgers.get(name), now, terms) / THOUSANDTHS
            for name, terms in own.items()
        },
    )


def promised(profile: Profile, now: int) -> list[Issued]:
    """What was offered, is not answered, and holds beyond now (ms); what was offered last comes last."""
    # A key is no offer: it stands with its booking.
    return [
        each
        for each in profile.issued
        if each.status in OPEN and each.expires > now and each.family != "room-key"
    ]


def restrained(profile: Profile, now: int) -> list[Suppressed]:
    """Why promotions are held back beyond now (ms)."""
    return [each for each in profile.suppressed if each.until > now]


def _bookings(profile: Profile, now: int) -> tuple[ServiceBooking, ...]:
    # A day of grace, for a hotel whose day is not over yet; stays that nobody checked out of are past then.
    yesterday = to_datetime(now).date() - timedelta(days=1)
    current = [
        each for each in profile.bookings if each.status not in stays.OVER and each.departure >= yesterday
    ]
    return tuple(
        ServiceBooking(
            each.id,
            each.property,
            each.arrival,
            each.departure,
            each.status,
            each.room,
            each.key is not None,
            each.waiting is not None,
        )
        for each in current[:BOOKINGS]
    )


def _promises(profile: Profile, now: int) -> tuple[ServicePromise, ...]:
    return tuple(
        [
            ServicePromise(
                each.id,
                each.play,
                each.family,
                to_datetime(each.time),
                to_datetime(each.expires),
                each.offer,
                each.delivered,
            )
            for each in promised(profile, now)[: -PROMISES - 1 : -1]
        ]
    )


def _restraints(profile: Profile, now: int) -> tuple[ServiceRestraint, ...]:
    told = [
        ServiceRestraint(each.because, each.about or None, to_datetime(each.until))
        for each in restrained(profile, now)
    ]
    if profile.issues and not any(each.because == "open-issue" for each in told):
        told.insert(0, ServiceRestraint("open-issue"))
    return tuple(told)
