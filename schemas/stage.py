"""Stage change: a customer who has come further on the 5A journey, or fallen back."""

from __future__ import annotations

from datetime import datetime

import msgspec

from schemas.catalogue import Stage
from schemas.cloudevents import CloudEvent
from schemas.timestamp import to_datetime


class StageData(msgspec.Struct, frozen=True):
    """The `data` of a stage change's CloudEvent.

    Attributes:
        from: the stage before; null for one who was not on the journey.
        to: the stage now; null for one who is not on it any more, being one with another customer.
        since: when the stage was entered; earlier than the change is known where that was told late.
        dwell_s: how long the stage before had lasted, in seconds.
        because: type of the touchpoint that made the change known.
        regression: whether it leads back: an advocate who was let down.
    """

    from_: Stage | None = msgspec.field(name="from")
    to: Stage | None
    since: datetime
    dwell_s: float
    because: str
    regression: bool


class StageChange(msgspec.Struct, frozen=True, gc=False):
    """A change of stage as the engine makes it: at most one for each touchpoint.

    Attributes:
        id: deterministic, from customer and touchpoint.
        customer: the customer's id.
        time: `now` of the step that made it known, in ms.
        touchpoint: id of the touchpoint.
        data: the content.
        correlation: what the touchpoint belongs to.
    """

    id: str
    customer: str
    time: int
    touchpoint: str
    data: StageData
    correlation: str | None = None


class StageEvent(CloudEvent[StageData], frozen=True):
    """A stage change as it stands on `cx.journey.stages.v1`."""


_encode = msgspec.json.Encoder().encode


def encode(change: StageChange) -> bytes:
    """The stage change as CloudEvents structured JSON."""
    return _encode(
        StageEvent(
            id=change.id,
            type="cx.journey.stage.v1",
            subject=change.customer,
            time=to_datetime(change.time),
            causationid=change.touchpoint,
            correlationid=change.correlation or msgspec.UNSET,
            data=change.data,
        )
    )
