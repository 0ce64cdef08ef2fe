"""Sentence: a trigger as a person would say it."""

from __future__ import annotations

from functools import singledispatch

from schemas.cloudevents import CloudEvent
from schemas.families import Content
from schemas.families.continuation import Continue
from schemas.families.participation import Participation
from schemas.families.recommendation import Recommendation
from schemas.families.recovery_offer import RecoveryOffer
from schemas.families.retention_offer import RetentionOffer
from schemas.families.room_key import RoomKey
from schemas.families.service_context import ServiceContext
from schemas.families.suppression import Suppression
from schemas.families.wow import Wow
from schemas.trigger import TriggerData


def sentence(event: CloudEvent[TriggerData], cause: str | None) -> str:
    """What is done for whom, and why.

    Args:
        event: the trigger.
        cause: type of the touchpoint that it names as its cause, if that is known.
    """
    content = event.data.content
    said = said_of(event)
    # Recovery offers name their cause themselves.
    because = f"; because {cause}" if cause and not isinstance(content, RecoveryOffer) else ""
    return f"{event.subject}: {said}{because}"


def said_of(event: CloudEvent[TriggerData]) -> str:
    """What is done, without whom for and why."""
    content = event.data.content
    risk = f", risk {event.data.risk:.2f}" if isinstance(content, RetentionOffer) else ""
    return f"{_said(content)}{risk}"


@singledispatch
def _said(content: Content) -> str:
    """What is done, by the content of the trigger."""
    raise TypeError(f"no words for {content!r}")


@_said.register
def _(key: RoomKey) -> str:
    room = f"room {key.room or 'not yet assigned'}, {key.property.capitalize()}"
    return (
        f"key for {room} taken back" if key.action == "revoke" else f"key for {room}, on phone {key.device}"
    )


@_said.register
def _(offer: RecoveryOffer) -> str:
    worth = _worth(offer)
    if offer.unanswered is not None:
        return f"a person calls, with {worth}; nobody has answered: {offer.cause}"
    if offer.action == "escalate":
        return f"a person calls, with {worth}; bad moment {offer.bad_moments}: {offer.cause}"
    return f"{worth}; because {offer.cause}"


@_said.register
def _(known: ServiceContext) -> str:
    """What someone at the desk would say first of a customer."""
    told = [f"since {known.customer_since:%Y-%m}", f"spent {known.spent:g} {known.currency}"]
    told += [f"{len(known.issues)} open issue{'s' * (len(known.issues) > 1)}"] * bool(known.issues)
    told += [f"in room {stay.room or '?'}" for stay in known.bookings if stay.status == "in-house"]
    told += [f"last: {moment.type}" for moment in known.moments[:1]]
    return f"the desk knows: {', '.join(told)}"


@_said.register
def _(order: Suppression) -> str:
    what = "promotions" if order.category is None else f"promotions of category {order.category}"
    return f"no {what} on any channel" if order.action == "start" else f"{what} may go out again"


@_said.register
def _(offer: RetentionOffer) -> str:
    last = f"last bought {offer.days_since_active:.0f} days ago"
    return f"{_worth(offer)}, {last}"


@_said.register
def _(gift: Wow) -> str:
    return f"a surprise, {_worth(gift)}, drawn at {100 * gift.odds:g} %"


@_said.register
def _(ask: Participation) -> str:
    for_what = {
        "review": "for a review",
        "refer": "to refer a friend",
        "join": "to join",
        "consent": f"to agree to {ask.consent}" + (f" by {ask.over}" if ask.over else ""),
        "data": f"for {ask.data}",
    }[ask.ask]
    return f"asked {for_what}" + (f" ({ask.benefit})" if ask.benefit else "")


@_said.register
def _(left: Continue) -> str:
    return f"go on here ({left.here}) with {left.thing} {left.reference}, left on {left.left_in}"


@_said.register
def _(advice: Recommendation) -> str:
    liked = ", ".join(each.item for each in advice.items)
    return f"may like {liked}: {advice.because} among {advice.among}"


def _worth(offer: RecoveryOffer | RetentionOffer | Wow) -> str:
    return f"{offer.offer} ({offer.amount:g} {offer.currency})"
