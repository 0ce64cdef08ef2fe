"""Trigger: something to be done for a customer now; what services subscribe to."""

from __future__ import annotations

import msgspec

from schemas.cloudevents import CloudEvent
from schemas.families import Content
from schemas.families.play import Level
from schemas.timestamp import to_datetime


class TriggerData(msgspec.Struct, frozen=True, omit_defaults=True):
    """The `data` of a trigger's CloudEvent.

    Attributes:
        play: the play that fired.
        content: what to do, by family.
        stage: the customer's 5A stage.
        risk: churn risk, 0 to 1.
        model: version of the model that scored it.
        playbook: version of the playbook that decided.
        level: what the play is for: to remove a pain, to make a wow moment, to invite to take part.
        message: what may be said to the customer, in the customer's language, if the play has a text for it
            and all that the text says is known.
    """

    play: str
    content: Content
    stage: str
    risk: float
    model: str
    playbook: str
    level: Level | None = None
    message: str | None = None


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
