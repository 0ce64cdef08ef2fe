"""CloudEvents 1.0 in structured JSON: the envelope of everything that dangol publishes.

Source: CloudEvents 1.0.2, its Kafka binding, and the extensions correlation, expiry and
partitioning. Structured mode, because a record then carries all of it wherever it is copied.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Generic, TypeVar

import msgspec

CONTENT_TYPE = b"application/cloudevents+json; charset=UTF-8"
"""Value of the `content-type` header by which a subscriber knows structured mode."""

HEADERS = [("content-type", CONTENT_TYPE)]

SOURCE = "/dangol"
"""`source` of all that dangol publishes, a URI reference as the spec asks."""

Data = TypeVar("Data")


class CloudEvent(msgspec.Struct, Generic[Data], frozen=True, kw_only=True):
    """A record that dangol publishes.

    Attributes:
        specversion: always `1.0`.
        id: deterministic: the same cause always gives the same id, so a repeated
            delivery is recognised by it.
        source: always `/dangol`.
        type: the topic's name without the deployment's prefix, such as `cx.decision.v1`.
        subject: the customer's id, which is also the record's key.
        time: when it was decided.
        datacontenttype: always JSON.
        causationid: id of the touchpoint that caused it, or of the timer that ran out.
        correlationid: what it belongs to: the booking, the issue, or what the touchpoint said.
        expirytime: until when it may be acted on.
        data: the content.
    """

    specversion: str = "1.0"
    id: str
    source: str = SOURCE
    type: str
    subject: str
    time: datetime
    datacontenttype: str = "application/json"
    causationid: str
    correlationid: str | msgspec.UnsetType = msgspec.UNSET
    expirytime: datetime | msgspec.UnsetType = msgspec.UNSET
    data: Data


def deterministic_id(*parts: str) -> str:
    """A 128-bit id in hex, the same for the same parts on every machine and in every run.

    >>> deterministic_id("ann", "welcome")
    '756a89db164464d87f0174bf169c64d5'
    """
    # The length of each part goes in, so that ("ab", "c") and ("a", "bc") differ.
    text = ""
    try:
        for part in parts:
            text += _SHORT[len(part)] + part
    except IndexError:
        return blake2b(_framed(parts), digest_size=16).hexdigest()
    # Characters of ASCII are bytes; part by part as bytes it takes a third longer, and each event has an id.
    whole = text.encode() if text.isascii() else _framed(parts)
    return blake2b(whole, digest_size=16).hexdigest()


_SHORT = tuple("\0\0\0" + chr(length) for length in range(128))
"""Four bytes for the length of a short part, as text."""


def _framed(parts: tuple[str, ...]) -> bytes:
    """The parts as bytes, each after its length in four bytes."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join([len(part).to_bytes(4, "big") + part for part in encoded])
