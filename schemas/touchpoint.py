"""Touchpoint: anything that happens between a customer and us, on any channel.

Three forms are read, told apart by what the record itself says: CloudEvents 1.0 in
structured JSON, CloudEvents in Kafka binary mode (`ce_*` headers), and Segment-shaped JSON.
Decoding is the first of the hot path: one typed pass, no intermediate dict of the envelope.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from math import isfinite
from typing import Annotated, Any

import msgspec

from schemas import deadletter, segment
from schemas.errors import RejectedError
from schemas.segment import amount_of, name_of
from schemas.timestamp import DAY, to_datetime, to_millis

MAX_BYTES = 64 * 1024
"""Largest touchpoint read, in bytes: some fifty times a usual one, and it bounds the time that
one record can hold up a partition to about a millisecond."""

MAX_AHEAD = DAY
"""How far ahead of the record's Kafka timestamp a touchpoint's own time may be, in ms.
A day covers a device with the wrong time zone; more is a broken clock. What is within it counts as
happening now."""

MAX_TIME = 4_102_444_800_000
"""The year 2100 in ms: a time at or after it is a mistake, and state keeps seconds in four bytes."""

MAX_ID = 256
"""Longest id, type, source, correlation or customer id, in characters: they stand in state and on
every record."""

Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)]
"""An id or a name in a touchpoint's data that is kept in state."""

MAX_MOVED_BYTES = 768 * 1024
"""Largest touchpoint that one customer's step sent to another, in bytes: the largest profile in base64,
several times over, and below the 1 MiB that a broker takes."""

MOVED = "cx-moved"
"""Header of a touchpoint that one customer's step sent to another: which way it came, as JSON."""

MAX_AMOUNT = 1e12
"""Largest amount, in units of the currency: beyond it sums lose the cents."""

Headers = Sequence[tuple[str, bytes]]


class Moved(msgspec.Struct, frozen=True, gc=False):
    """The way of a touchpoint that one customer's step sent to another customer.

    Attributes:
        path: the customers whose steps sent it on, the first one first.
        number: counts what the last of them sent, rising: at or below the last one is a repetition.
            0 where it is not to be looked at, as for a dead letter that is published again.
    """

    path: tuple[Annotated[str, msgspec.Meta(max_length=MAX_ID)], ...]
    number: Annotated[int, msgspec.Meta(ge=0)]


class Touchpoint(msgspec.Struct, frozen=True, gc=False):
    """One contact between a customer and us.

    Attributes:
        id: unique within `source`; both together are what deduplication goes by.
        source: who published it, a URI reference such as `/shop/web`.
        type: what happened, such as `order.placed`; unknown types are welcome.
        customer: the customer's id, which is also the record's key.
        time: when it happened, milliseconds since 1970.
        data: whatever else the app says; `amount` in it is checked to be a number.
        channel: where it happened (`web`, `app`, `store`, …), None if the app doesn't say.
        amount: money that it is about, in the shop's currency; None if it isn't about money.
        correlation: what it belongs to (a booking, an order), to be carried on triggers.
        moved: how it came here, if another customer's step sent it.
    """

    id: str
    source: str
    type: str
    customer: str
    time: int
    data: dict[str, Any] = {}
    channel: str | None = None
    amount: float | None = None
    correlation: str | None = None
    moved: Moved | None = None


class TouchpointEvent(msgspec.Struct, omit_defaults=True):
    """A touchpoint as CloudEvents 1.0 structured JSON, the form that apps should publish.

    `subject` is the customer's id; `correlationid` (optional) names the booking, order or
    conversation that the touchpoint belongs to.
    """

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime | None = None
    data: dict[str, Any] | None = None
    correlationid: str | None = None
    datacontenttype: str | None = None


class _Wire(msgspec.Struct, gc=False):
    """Every envelope at once, so that one pass reads whichever it is."""

    specversion: str | None = None
    id: str | None = None
    source: str | None = None
    type: str | None = None
    subject: str | None = None
    time: datetime | None = None
    data: dict[str, Any] | None = None
    correlationid: str | None = None
    messageId: str | None = None  # noqa: N815 - Segment's own spelling
    userId: str | None = None  # noqa: N815
    anonymousId: str | None = None  # noqa: N815
    event: str | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    timestamp: datetime | None = None


_decode_wire = msgspec.json.Decoder(_Wire).decode
_decode_data = msgspec.json.Decoder(dict[str, Any] | None).decode
_decode_moved = msgspec.json.Decoder(Moved).decode
_encode = msgspec.json.Encoder().encode

_CODES = {
    "$.time": "time-invalid",
    "$.timestamp": "time-invalid",
    "$.id": "id-missing",
    "$.messageId": "id-missing",
    "$.subject": "customer-missing",
    "$.userId": "customer-missing",
    "$.type": "type-missing",
    "$.data.amount": "amount-invalid",
}
"""The reason code for a field of the wrong type, by the path that msgspec names."""

_READ = ("ce_", "cx-")
"""What the names of headers begin with that are read: those of CloudEvents' binary mode, and dangol's own."""

_OUT_OF_RANGE = ("Number out of range", "Integer value out of range")

_ATTRIBUTES = frozenset(("specversion", "id", "source", "type", "subject", "time", "correlationid"))
"""What is read of CloudEvents binary mode; an extension may be called like a field of Segment's."""

_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]", re.DOTALL
)


def decode(value: bytes | None, headers: Headers = (), timestamp: int | None = None) -> Touchpoint:
    """Read a record's value and headers as a touchpoint.

    Args:
        value: the record's bytes.
        headers: the record's headers; `ce_*` mean CloudEvents binary mode.
        timestamp: the record's Kafka timestamp in ms; it stands in for a missing time,
            and a time more than a day after it is refused. None skips both.

    Raises:
        RejectedError: with a stable `code` and a message without personal data.

    >>> decode(b'{"specversion":"1.0","id":"1","source":"/shop","type":"order.placed",'
    ...        b'"subject":"ann","time":"2026-03-14T09:30:00Z","data":{"amount":12.5}}').amount
    12.5
    >>> decode(b'{"specversion":"1.0","source":"/shop","type":"order.placed","subject":"ann"}')
    Traceback (most recent call last):
      ...
    schemas.errors.RejectedError: no id: set `id` (CloudEvents) or `messageId` (Segment)
    """
    if value is None:
        raise RejectedError("value-null", "the record has no value: a touchpoint is never a tombstone")
    # Most records have others alone, such as their content type: they are looked at once, here.
    headers = [header for header in headers if header[0][:3] in _READ]
    moved = _moved(headers) if headers else None
    if len(value) > (limit := MAX_BYTES if moved is None else MAX_MOVED_BYTES):
        raise RejectedError("payload-too-large", f"{len(value)} bytes, the limit is {limit}")
    try:
        if headers and (attributes := _binary_attributes(headers)) is not None:
            wire = msgspec.convert(attributes, _Wire)
            wire.data = _decode_data(value) if value else None
        else:
            wire = _decode_wire(value)
    except msgspec.ValidationError as error:
        raise _shape_error(error) from None
    except UnicodeDecodeError:
        raise RejectedError("text-invalid", "the JSON holds text that is not UTF-8") from None
    except RecursionError:
        raise RejectedError("nesting-too-deep", "the JSON is nested too deeply to be read") from None
    except msgspec.DecodeError as error:
        code = "text-invalid" if _LONE_SURROGATE.search(value) else "json-invalid"
        raise RejectedError(code, f"not readable as JSON: {error}") from None
    if headers and wire.time is None and wire.timestamp is None:
        first = deadletter.first_timestamp(headers)
        if first is not None and 0 <= first < MAX_TIME:
            wire.time = wire.timestamp = to_datetime(first)
    if timestamp is not None and not 0 <= timestamp < MAX_TIME:
        raise RejectedError("time-invalid", "the record's Kafka timestamp is before 1970 or after 2099")
    if wire.specversion is None:
        return _from_segment(wire, timestamp)
    touchpoint = _from_cloudevent(wire, timestamp)
    return touchpoint if moved is None else msgspec.structs.replace(touchpoint, moved=moved)


def encode(touchpoint: Touchpoint) -> bytes:
    """The touchpoint as CloudEvents structured JSON; `decode` reads it as the same.

    >>> ann = Touchpoint("1", "/shop", "order.placed", "ann", 1773480600000)
    >>> decode(encode(ann)) == ann
    True
    """
    data = touchpoint.data
    if touchpoint.amount is not None:
        data = {**data, "amount": touchpoint.amount}
    return _encode(
        TouchpointEvent(
            "1.0",
            touchpoint.id,
            touchpoint.source,
            touchpoint.type,
            touchpoint.customer,
            to_datetime(touchpoint.time),
            data or None,
            touchpoint.correlation,
        )
    )


def headers_of(touchpoint: Touchpoint) -> list[tuple[str, bytes]]:
    """The headers that belong to what `encode` gives: which way it came, if it came from elsewhere."""
    return [] if touchpoint.moved is None else [(MOVED, _encode(touchpoint.moved))]


def _moved(headers: Headers) -> Moved | None:
    """The way that the headers tell of, or None."""
    told = dict(headers)
    if MOVED not in told:
        return None
    try:
        moved = _decode_moved(told[MOVED] or b"")
    except msgspec.DecodeError:
        raise RejectedError("shape-invalid", f"the header `{MOVED}` is not as dangol writes it") from None
    # What was published later has been counted since.
    return msgspec.structs.replace(moved, number=0) if deadletter.REPLAYED in told else moved


def _shape_error(error: msgspec.ValidationError) -> RejectedError:
    message, _, path = str(error).partition(" - at ")
    path = path.strip("`")
    if message in _OUT_OF_RANGE:
        return RejectedError("amount-invalid", f"a number is out of range, at {path or '$'}")
    return RejectedError(_CODES.get(path, "shape-invalid"), f"{message}, at {path or '$'}")


def _binary_attributes(headers: Headers) -> dict[str, str] | None:
    """The attributes of CloudEvents binary mode, or None if the headers don't say it is one."""
    attributes = {
        name[3:]: value.decode()
        for name, value in headers
        if name[:3] == "ce_" and name[3:] in _ATTRIBUTES and value
    }
    return attributes if "specversion" in attributes else None


def _from_cloudevent(wire: _Wire, timestamp: int | None) -> Touchpoint:
    if not wire.id:
        raise RejectedError("id-missing", "no id: set `id` (CloudEvents) or `messageId` (Segment)")
    if not wire.type:
        raise RejectedError("type-missing", "no type: say what happened, such as `order.placed`")
    if not wire.subject:
        raise RejectedError("customer-missing", "no customer: set `subject` to the customer's id")
    data = wire.data if wire.data is not None else {}
    amount = data.get("amount")
    channel = data.get("channel")
    return _within_limits(
        Touchpoint(
            wire.id,
            wire.source or "/",
            wire.type,
            wire.subject,
            _time(wire.time, timestamp),
            data,
            channel if channel.__class__ is str else None,
            None if amount is None else _amount(amount),
            wire.correlationid,
        )
    )


def _from_segment(wire: _Wire, timestamp: int | None) -> Touchpoint:
    if not wire.messageId:
        if wire.id is not None or wire.subject is not None or (wire.type is None and wire.userId is None):
            raise RejectedError("shape-invalid", "neither a CloudEvent (`specversion`) nor a Segment call")
        raise RejectedError("id-missing", "no id: set `id` (CloudEvents) or `messageId` (Segment)")
    customer = wire.userId or wire.anonymousId
    if not customer:
        raise RejectedError("customer-missing", "no customer: set `userId` or `anonymousId`")
    if not wire.type:
        raise RejectedError("type-missing", "no type: a Segment call is a `track`, `page`, `identify`, …")
    data = wire.properties if wire.properties is not None else wire.traits or {}
    amount = amount_of(data)
    channel = data.get("channel")
    return _within_limits(
        Touchpoint(
            wire.messageId,
            segment.SOURCE,
            name_of(wire.type, wire.event),
            customer,
            _time(wire.timestamp, timestamp),
            data,
            channel if channel.__class__ is str else None,
            None if amount is None else _amount(amount),
            None,
        )
    )


def _within_limits(touchpoint: Touchpoint) -> Touchpoint:
    """The touchpoint itself; RejectedError if a name in it is too long to be kept."""
    if (
        len(touchpoint.id) > MAX_ID
        or len(touchpoint.source) > MAX_ID
        or len(touchpoint.type) > MAX_ID
        or len(touchpoint.customer) > MAX_ID
    ):
        raise RejectedError("shape-invalid", f"an id, type, source or customer is over {MAX_ID} characters")
    if touchpoint.correlation is not None and len(touchpoint.correlation) > MAX_ID:
        raise RejectedError("shape-invalid", f"`correlationid` is over {MAX_ID} characters")
    return touchpoint


def _time(moment: datetime | None, timestamp: int | None) -> int:
    if moment is None:
        if timestamp is None:
            raise RejectedError("time-missing", "no time, and no Kafka timestamp to stand in for it")
        return timestamp
    if moment.tzinfo is None:
        raise RejectedError("time-invalid", "the time has no UTC offset: write it as 2026-03-14T09:30:00Z")
    millis = to_millis(moment)
    if not 0 <= millis < MAX_TIME:
        raise RejectedError("time-invalid", "the time is before 1970 or after 2099")
    if timestamp is not None and millis > timestamp + MAX_AHEAD:
        raise RejectedError(
            "time-future", "the time is more than a day ahead of the record's Kafka timestamp"
        )
    return millis


def _amount(amount: Any) -> float:
    if amount.__class__ is not float and amount.__class__ is not int:
        raise RejectedError("amount-invalid", "data.amount is not a number")
    if not -MAX_AMOUNT <= amount <= MAX_AMOUNT or not isfinite(amount):
        raise RejectedError("amount-invalid", f"data.amount is beyond ±{MAX_AMOUNT:g}")
    return float(amount)
