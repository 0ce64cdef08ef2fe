"""Record: a happening as it goes over the wire, in one of the three forms that are read."""

from __future__ import annotations

from typing import Any

import msgspec

from agents.simulation.happening import SOURCES, Happening
from schemas.cloudevents import CONTENT_TYPE
from schemas.segment import NAMES
from schemas.timestamp import to_rfc3339

BINARY = frozenset({"store", "device"})
"""Channels whose systems speak CloudEvents in binary mode: tills and phones in the background."""

# Reversed, so that of two names for one type the first wins, which is the narrower.
_SEGMENT_EVENTS = {type_: name for name, type_ in reversed(NAMES.items())}

_encode = msgspec.json.encode


class Record(msgspec.Struct, frozen=True):
    """What is published.

    Attributes:
        at: simulated time of publication, in ms.
        id: the touchpoint's id; triggers name it as their cause.
        type: the touchpoint's type.
        key: the record's key.
        value: the record's bytes.
        headers: the record's headers.
    """

    at: int
    id: str
    type: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


def record_of(happening: Happening) -> Record:
    """The record of a happening: a Segment call, CloudEvents in binary mode, or, mostly, structured."""
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    call = _segment(happening) if happening.segment else None
    if call is not None:
        value, headers = _encode(call), ()
    elif happening.channel in BINARY:
        value, headers = _encode({"channel": happening.channel, **happening.data}), _attributes(happening)
    else:
        value, headers = _encode(envelope(happening)), (("content-type", CONTENT_TYPE),)
    key = happening.customer.encode()
    return Record(happening.time, happening.id, happening.type, key, value, headers)


def envelope(happening: Happening) -> dict[str, Any]:
    """The happening as a CloudEvent in structured JSON."""
    event = {
        "specversion": "1.0",
        "id": happening.id,
        "source": SOURCES[happening.channel],
        "type": happening.type,
        "subject": happening.customer,
        "time": to_rfc3339(happening.time),
        "data": {"channel": happening.channel, **happening.data},
    }
    if happening.correlation is not None:
        event["correlationid"] = happening.correlation
    return event


def _attributes(happening: Happening) -> tuple[tuple[str, bytes], ...]:
    attributes = {name: value for name, value in envelope(happening).items() if name != "data"}
    return (
        ("content-type", b"application/json"),
        *((f"ce_{name}", value.encode()) for name, value in attributes.items()),
    )


def _segment(happening: Happening) -> dict[str, Any] | None:
    """The happening as a Segment call; None where Segment has no word for it."""
    if happening.type == "page.viewed":
        kind = {"type": "page"}
    elif (event := _SEGMENT_EVENTS.get(happening.type)) is not None:
        kind = {"type": "track", "event": event}
    else:
        return None
    # Segment calls the money of an order its revenue.
    data = {"channel": happening.channel, **happening.data}
    properties = {("revenue" if name == "amount" else name): v for name, v in data.items()}
    return {
        **kind,
        "messageId": happening.id,
        "userId": happening.customer,
        "timestamp": to_rfc3339(happening.time),
        "properties": properties,
    }
