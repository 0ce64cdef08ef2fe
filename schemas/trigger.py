"""Trigger: something to be done for a customer now; what services subscribe to."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from schemas.cloudevents import CloudEvent
from schemas.timestamp import to_datetime


class RoomKey(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="family", tag="room-key"):
    """Put the room key on the guest's phone, or take it away again.

    Attributes:
        action: `issue` or `revoke`.
        booking: the booking's id.
        property: which hotel.
        device: the device that gets the key.
        departure: last day of the stay, in the property's calendar.
        room: the room's number, if it is assigned.
        revokes: on `revoke`, the id of the trigger that issued the key.
    """

    action: Literal["issue", "revoke"]
    booking: str
    property: str
    device: str | None
    departure: date
    room: str | None = None
    revokes: str | None = None


class RecoveryOffer(
    msgspec.Struct, frozen=True, omit_defaults=True, tag_field="family", tag="recovery-offer"
):
    """Apologise and put it right; on `escalate`, a person calls.

    Attributes:
        action: `offer`; `escalate` at the second bad moment within the window, or when nobody has closed
            an issue in time.
        cause: type of the touchpoint that was the bad moment.
        severity: how bad, 0 to 1.
        bad_moments: how many within the window, this one included.
        offer: what to offer.
        amount: what it is worth.
        currency: ISO 4217 code of the amount.
        unanswered: id of the issue that nobody has closed in time, where that is why a person is to call.
    """

    action: Literal["offer", "escalate"]
    cause: str
    severity: float
    bad_moments: int
    offer: str
    amount: float
    currency: str
    unanswered: str | None = None


class Suppression(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="family", tag="suppression"):
    """Hold promotions back on all channels, or let them through again.

    Attributes:
        action: `start` or `end`.
        because: why; `open-issue`.
        issue: the issue's id.
        open_issues: how many are open now.
    """

    action: Literal["start", "end"]
    because: Literal["open-issue"]
    issue: str
    open_issues: int


class RetentionOffer(
    msgspec.Struct, frozen=True, omit_defaults=True, tag_field="family", tag="retention-offer"
):
    """Give a customer who is about to leave a reason to stay.

    Attributes:
        threshold: the risk that was crossed.
        days_since_active: days since the latest purchase.
        offer: what to offer.
        amount: what it is worth.
        currency: ISO 4217 code of the amount.
    """

    threshold: float
    days_since_active: float
    offer: str
    amount: float
    currency: str


Content = RoomKey | RecoveryOffer | Suppression | RetentionOffer


class TriggerData(msgspec.Struct, frozen=True, omit_defaults=True):
    """The `data` of a trigger's CloudEvent.

    Attributes:
        play: the play that fired.
        content: what to do, by family.
        stage: the customer's 5A stage.
        risk: churn risk, 0 to 1.
        model: version of the model that scored it.
        playbook: version of the playbook that decided.
    """

    play: str
    content: Content
    stage: str
    risk: float
    model: str
    playbook: str


class Trigger(msgspec.Struct, frozen=True):
    """A trigger as the engine makes it, before it becomes a record.

    Attributes:
        id: deterministic, from customer, play, touchpoint or timer, and index.
        family: which topic it goes to.
        customer: the customer's id.
        time: `now` of the decision, in ms.
        touchpoint: id of the touchpoint that caused it, or of the timer.
        expires: until when it may be acted on, in ms.
        data: the content.
        correlation: the booking, issue or conversation it belongs to.
    """

    id: str
    family: str
    customer: str
    time: int
    touchpoint: str
    expires: int
    data: TriggerData
    correlation: str | None = None


class TriggerEvent(CloudEvent[TriggerData], frozen=True):
    """A trigger as it stands on `cx.trigger.<family>.v1`."""


_encode = msgspec.json.Encoder().encode


def encode(trigger: Trigger) -> bytes:
    """The trigger as CloudEvents structured JSON."""
    return _encode(
        TriggerEvent(
            id=trigger.id,
            type=f"cx.trigger.{trigger.family}.v1",
            subject=trigger.customer,
            time=to_datetime(trigger.time),
            causationid=trigger.touchpoint,
            correlationid=trigger.correlation or msgspec.UNSET,
            expirytime=to_datetime(trigger.expires),
            data=trigger.data,
        )
    )
