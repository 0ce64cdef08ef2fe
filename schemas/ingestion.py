"""Ingestion: when touchpoints came in a partition, and when none did though they should have.

It stands in the partition's changelog, beside the profiles, under a key that is no customer's, and changes
with the offset of the touchpoints that it was told by. stream/churn/outages.py has the rule.
"""

from __future__ import annotations

import msgspec

from schemas.errors import StateError
from schemas.timestamp import HOUR

KEY = b"\xfcingestion"
"""Key of a partition's ingestion in the changelog; it begins with a byte that no UTF-8 has."""

VERSION = 1
"""Version of the stored form, as for profiles."""


class Outage(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A time in which touchpoints were missing.

    Attributes:
        start: after this moment, in ms.
        end: up to and with this one.
        usual: a silence as long would have been usual, in ms.
        told: in which stretches of that length something happened of which was told afterwards, by their
            number from the end.
    """

    start: int
    end: int
    usual: int
    told: tuple[int, ...] = ()


class Ingestion(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """When touchpoints came in a partition.

    Attributes:
        version: version of the stored form.
        latest: when one came, in ms; noted anew by the first that comes an hour later or more.
        longest: the longest silence that is usual, in ms.
        hours: how often that was noted.
        outages: the latest outages, in order; stream/churn/outages.py says how many.
        out_until: when the latest of them ended, in ms.
    """

    version: int = VERSION
    latest: int = 0
    longest: int = HOUR
    hours: int = 0
    outages: tuple[Outage, ...] = ()
    out_until: int = -1


STEADY = Ingestion()
"""Where nothing is known of it: no silence is too long."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Ingestion)


def encode(ingestion: Ingestion) -> bytes:
    """The stored bytes.

    >>> decode(encode(Ingestion(latest=7_200_000, hours=2))).hours
    2
    """
    return _encoder.encode(ingestion)


def decode(stored: bytes) -> Ingestion:
    """Read the stored bytes.

    Raises:
        msgspec.DecodeError: the bytes are none of it.
        StateError: they are of a version that this program doesn't know.
    """
    ingestion = _decoder.decode(stored)
    if ingestion.version != VERSION:
        raise StateError(
            f"a stored ingestion has version {ingestion.version}; this program knows {VERSION}: update it"
        )
    return ingestion
