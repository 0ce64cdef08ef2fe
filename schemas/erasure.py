"""Erasure: the record that a customer was forgotten, on `cx.erasures.v1`.

It names nobody. A digest stands for the customer and another one for the request, so that whoever
knows the id can find the proof, and who does not learns nothing from it. A digest is a pseudonym: by
trying ids one can find whose it is (GDPR, recital 26), so this topic is not public either.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

import msgspec

from schemas.cloudevents import CloudEvent
from schemas.timestamp import to_datetime

TYPE = "privacy.erase"
"""Type of the touchpoint by which a customer is erased, whatever the playbook says: a right is no play."""


class ErasureData(msgspec.Struct, frozen=True):
    """The `data` of an erasure's CloudEvent.

    Attributes:
        requested: when it was asked for: the time of the touchpoint.
        until: touchpoints of the customer up to this time are dropped from now on.
        removed: how many of what were removed; empty where nothing was known.
    """

    requested: datetime
    until: datetime
    removed: dict[str, int]


class Erasure(msgspec.Struct, frozen=True):
    """An erasure as the engine makes it: one for each `privacy.erase` that was carried out.

    Attributes:
        id: deterministic, from customer and request.
        digest: what stands for the customer, see `digest_of`.
        request: what stands for the touchpoint that asked, see `request_of`.
        time: `now` of the erasure, in ms.
        data: the content.
    """

    id: str
    digest: str
    request: str
    time: int
    data: ErasureData


class ErasureEvent(CloudEvent[ErasureData], frozen=True):
    """An erasure as it stands on `cx.erasures.v1`: the proof, without id and payload.

    Attributes:
        subject: SHA-256 of `dangol:customer:` and the customer's id, in hex; also the record's key.
        time: when it was done.
        causationid: SHA-256 of `dangol:request:`, the touchpoint's source, a space and its id, in hex.
    """


_encode = msgspec.json.Encoder().encode


def digest_of(customer: str) -> str:
    """What stands for a customer where the id must not: 64 hex digits.

    >>> digest_of("ann")
    'c01b2fab28ee3399c2ec72013dba4649db5ac74bbd035fc3767a31f9be5dd87e'
    """
    return _sha256(f"dangol:customer:{customer}")


def request_of(source: str, id_: str) -> str:
    """What stands for the touchpoint that asked for it; an app may have put the customer's id in its own."""
    return _sha256(f"dangol:request:{source} {id_}")


def encode(erasure: Erasure) -> bytes:
    """The erasure as CloudEvents structured JSON."""
    return _encode(
        ErasureEvent(
            id=erasure.id,
            type="cx.erasure.v1",
            subject=erasure.digest,
            time=to_datetime(erasure.time),
            causationid=erasure.request,
            data=erasure.data,
        )
    )


def _sha256(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
