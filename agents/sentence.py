"""Sentence: a trigger as a person would say it."""

from __future__ import annotations

from schemas.cloudevents import CloudEvent
from schemas.families.recovery_offer import RecoveryOffer
from schemas.families.retention_offer import RetentionOffer
from schemas.families.room_key import RoomKey
from schemas.families.service_context import ServiceContext
from schemas.families.suppression import Suppression
from schemas.trigger import TriggerData


def sentence(event: CloudEvent[TriggerData], cause: str | None) -> str:
    """What is done for whom, and why.

    Args:
        event: the trigger.
        cause: type of the touchpoint that it names as its cause, if that is known.
    """
    said = said_of(event)
    # Recovery offers name their cause themselves.
    because = f"; because {cause}" if cause and not isinstance(event.data.content, RecoveryOffer) else ""
    return f"{event.subject}: {said}{because}"


def said_of(event: CloudEvent[TriggerData]) -> str:
    """What is done, without whom for and why."""
    match event.data.content:
        case RoomKey() as key:
            room = f"room {key.room or 'not yet assigned'}, {key.property.capitalize()}"
            return (
                f"key for {room} taken back"
                if key.action == "revoke"
                else f"key for {room}, on phone {key.device}"
            )
        case RecoveryOffer() as offer:
            return _recovery(offer)
        case Suppression() as order:
            what = "promotions" if order.category is None else f"promotions of category {order.category}"
            return f"no {what} on any channel" if order.action == "start" else f"{what} may go out again"
        case ServiceContext() as known:
            return f"the desk knows: {_known(known)}"
        case RetentionOffer() as offer:
            last = f"last bought {offer.days_since_active:.0f} days ago"
            return f"{_worth(offer)}, risk {event.data.risk:.2f}, {last}"


def _recovery(offer: RecoveryOffer) -> str:
    worth = _worth(offer)
    if offer.unanswered is not None:
        return f"a person calls, with {worth}; nobody has answered: {offer.cause}"
    if offer.action == "escalate":
        return f"a person calls, with {worth}; bad moment {offer.bad_moments}: {offer.cause}"
    return f"{worth}; because {offer.cause}"


def _known(known: ServiceContext) -> str:
    """What someone at the desk would say first of a customer."""
    told = [f"since {known.customer_since:%Y-%m}", f"spent {known.spent:g} {known.currency}"]
    told += [f"{len(known.issues)} open issue{'s' * (len(known.issues) > 1)}"] * bool(known.issues)
    told += [f"in room {stay.room or '?'}" for stay in known.bookings if stay.status == "in-house"]
    told += [f"last: {moment.type}" for moment in known.moments[:1]]
    return ", ".join(told)


def _worth(offer: RecoveryOffer | RetentionOffer) -> str:
    return f"{offer.offer} ({offer.amount:g} {offer.currency})"
