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
    whole = b""
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        whole += len(raw).to_bytes(4, "big") + raw
    return blake2b(whole, digest_size=16).hexdigest()
