"""Example: what was seen of a customer at one moment, and what is known by now to have come of it.

The label is known at the end of the horizon, for those who came back as for those who did not: to learn
"came back" at once and "lost" only later would teach that hardly anyone is lost. Only who cancels is known
to be lost at once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from schemas.catalogue import Stage
from schemas.cloudevents import CloudEvent
from schemas.quantities import Name
from schemas.timestamp import to_datetime

Because = Literal["returned", "silent", "cancelled", "stayed"]
"""How the label is known: activity within the horizon or none; a cancellation, or none."""

History = tuple[float, float, float]
"""Active days after the first; days from the first to the latest of them; days from the first until now."""


MAX_SEGMENTS = 16
"""Segments that are told apart, the first ones of the playbook: what is seen waits in few bytes."""


class ExampleData(msgspec.Struct, frozen=True):
    """The `data` of an example's CloudEvent.

    Attributes:
        seen: when the features were seen, and the risk was said.
        horizon_s: within which the customer would have had to come back, in seconds.
        churned: whether the customer was lost: the label.
        because: how that is known.
        risk: the churn risk that was said then, from 0 to 1.
        model: version of the model that said so.
        features: what was seen of the customer then, by name; what is not there is 0.
        history: of the customer as it is known now: active days after the first, days from the first to the
            latest of them, and days from the first until now.
        stage: where the customer stood on the journey then; null where it was not noted.
        segments: those of the playbook's first 16 segments that the customer was in then; null where it was
            not noted, or the playbook has other segments by now.
    """

    seen: datetime
    horizon_s: float
    churned: bool
    because: Because
    risk: Annotated[float, msgspec.Meta(ge=0, le=1)]
    model: str
    features: dict[str, float]
    history: History
    stage: Stage | None = None
    segments: Annotated[tuple[Name, ...], msgspec.Meta(max_length=MAX_SEGMENTS)] | None = None


class Example(msgspec.Struct, frozen=True, gc=False):
    """An example as the engine makes it.

    Attributes:
        id: deterministic, from customer and the moment that was seen.
        customer: the customer's id.
        time: when the label became known, in ms.
        touchpoint: id of the touchpoint that made it known, or of the timer.
        data: the content.
    """

    id: str
    customer: str
    time: int
    touchpoint: str
    data: ExampleData


class ExampleEvent(CloudEvent[ExampleData], frozen=True):
    """An example as it stands on `cx.churn.examples.v1`."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ExampleEvent).decode


def encode(example: Example) -> bytes:
    """The example as CloudEvents structured JSON."""
    return _encode(
        ExampleEvent(
            id=example.id,
            type="cx.churn.example.v1",
            subject=example.customer,
            time=to_datetime(example.time),
            causationid=example.touchpoint,
            data=example.data,
        )
    )


def decode(value: bytes) -> ExampleEvent:
    """Read an example.

    Raises:
        msgspec.DecodeError: the bytes are no example.
    """
    return _decode(value)
