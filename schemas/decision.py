"""Decision: why something was done for a customer, and why something was not."""

from __future__ import annotations

import msgspec

from schemas.cloudevents import CloudEvent
from schemas.timestamp import to_datetime


class Candidate(msgspec.Struct, frozen=True, omit_defaults=True):
    """A play whose touchpoint matched and whose condition held, and what became of it.

    Attributes:
        play: the play's name.
        family: its trigger family.
        reason: `fired`, or the code of what held it back.
        failed: the gates that did not hold, all of them, in order.
        trigger: id of the trigger, if it fired; where the reason tells what became of an earlier one, of
            that one.
        odds: the chance that it had, where it was drawn by lot.
        cause: type of the touchpoint that was the bad moment, where the reason tells what became of an offer
            that was to put it right.
    """

    play: str
    family: str
    reason: str
    failed: tuple[str, ...] = ()
    trigger: str | None = None
    odds: float | None = None
    cause: str | None = None


class DecisionData(msgspec.Struct, frozen=True, omit_defaults=True):
    """The `data` of a decision's CloudEvent.

    Attributes:
        touchpoint_type: type of the touchpoint that was decided on; `timer.due` where none happened in time.
        candidates: every candidate, fired or not, in the playbook's order.
        stage: the customer's 5A stage.
        risk: churn risk, 0 to 1.
        model: version of the model that scored it.
        playbook: version of the playbook that decided.
    """

    touchpoint_type: str
    candidates: tuple[Candidate, ...]
    stage: str
    risk: float
    model: str
    playbook: str


class Decision(msgspec.Struct, frozen=True):
    """A decision as the engine makes it: one for each touchpoint or timer that had any candidate.

    Attributes:
        id: deterministic, from customer and touchpoint or timer.
        customer: the customer's id.
        time: `now` of the decision, in ms.
        touchpoint: id of the touchpoint, or of the timer.
        data: the content.
        correlation: what the touchpoint belongs to, or what the timer is about.
    """

    id: str
    customer: str
    time: int
    touchpoint: str
    data: DecisionData
    correlation: str | None = None


class DecisionEvent(CloudEvent[DecisionData], frozen=True):
    """A decision as it stands on `cx.decisions.v1`."""


_encode = msgspec.json.Encoder().encode


def encode(decision: Decision) -> bytes:
    """The decision as CloudEvents structured JSON."""
    return _encode(
        DecisionEvent(
            id=decision.id,
            type="cx.decision.v1",
            subject=decision.customer,
            time=to_datetime(decision.time),
            causationid=decision.touchpoint,
            correlationid=decision.correlation or msgspec.UNSET,
            data=decision.data,
        )
    )
