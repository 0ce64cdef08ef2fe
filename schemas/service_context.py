"""Service record: the service context of a customer as it stands, on the compacted topic."""

from __future__ import annotations

import msgspec

from schemas.cloudevents import CloudEvent
from schemas.timestamp import to_datetime
from schemas.trigger import TriggerData

TYPE = "cx.service-context.v1"


class ServiceRecord(msgspec.Struct, frozen=True, gc=False):
    """A customer's service record as the engine makes it.

    Attributes:
        id: deterministic, from customer and touchpoint or timer.
        customer: the customer's id, the record's key.
        time: as of when, in ms.
        touchpoint: id of the touchpoint for which it was renewed, or of the timer.
        expires: until when it may be relied on, in ms.
        data: the content, as in a trigger; None where nothing is to be known of the customer any more.
    """

    id: str
    customer: str
    time: int
    touchpoint: str
    expires: int
    data: TriggerData | None


class ServiceRecordEvent(CloudEvent[TriggerData], frozen=True):
    """A service record as it stands on `cx.service-context.v1`; its content is a `ServiceContext`."""


_encode = msgspec.json.Encoder().encode


def encode(record: ServiceRecord) -> bytes | None:
    """The record as CloudEvents structured JSON; None, a tombstone, where nothing is to be known."""
    if record.data is None:
        return None
    return _encode(
        ServiceRecordEvent(
            id=record.id,
            type=TYPE,
            subject=record.customer,
            time=to_datetime(record.time),
            causationid=record.touchpoint,
            expirytime=to_datetime(record.expires),
            data=record.data,
        )
    )
