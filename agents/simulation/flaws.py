"""Flaws: what goes wrong between an app and the topic, as it does everywhere, in small shares.

Records are sent twice, carry no key or the wrong one, or can't be read at all. Each comes on top of,
or instead of, a record that was right, so that what must become of all of them is known.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec

from agents.simulation.record import Record
from schemas.timestamp import SECOND

DUPLICATES = 0.006
"""Share of the day's records that are sent twice: a producer without idempotence that had to retry."""

REJECTS = 0.004
"""Share of records, on top, that can't be read."""

MISKEYED = 0.006
"""Share of records without a key, or keyed by something else than the customer."""

HARMLESS = frozenset({"page.viewed", "screen.viewed", "product.viewed", "product.searched", "review.read"})
"""Types whose keys may be wrong: they come by way of another partition, later, and nothing hangs on it."""

CLOCK_GONE_WRONG = "2098-01-01T00:00:00Z"
"""A time ahead of whatever clock the demo runs under, and still a time that state could hold."""


def duplicate(record: Record, random: Random) -> Record:
    """The same record again, up to five minutes later."""
    return msgspec.structs.replace(record, at=record.at + random.randint(SECOND, 300 * SECOND))


def miskeyed(record: Record, random: Random) -> Record:
    """The record without a key, or keyed by the visit instead of the customer."""
    visit = f"visit-{random.getrandbits(32):08x}".encode()
    return msgspec.structs.replace(record, key=None if random.random() < 0.5 else visit)


def rejected(record: Record, random: Random) -> tuple[str, Record]:
    """A record like this one that can't be read, and the code that it must be rejected with."""
    code, spoil = random.choice(_SPOILERS)
    id_ = f"{random.getrandbits(64):016x}"
    event = {
        "specversion": "1.0",
        "id": id_,
        "source": "/shop/legacy",
        "type": "order.placed",
        "subject": (record.key or b"").decode(),
        "time": "2026-03-14T12:00:00Z",
        "data": {"channel": "web", "amount": 12.5},
    }
    return code, Record(record.at, id_, "order.placed", record.key, spoil(msgspec.json.encode(event)))


def _replacing(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda value: value.replace(old, new)


_SPOILERS: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("json-invalid", lambda value: value[:-9]),  # Cut off by a full buffer.
    ("json-invalid", _replacing(b"12.5", b"NaN")),  # Some languages write it; JSON has no such word.
    ("amount-invalid", _replacing(b"12.5", b'"NaN"')),
    ("amount-invalid", _replacing(b"12.5", b"1e999")),
    ("customer-missing", _replacing(b'"subject"', b'"customer_no"')),
    ("data-invalid", _replacing(b"order.placed", b"consent.granted")),  # To what, it does not say.
    ("time-future", _replacing(b"2026-03-14T12:00:00Z", CLOCK_GONE_WRONG.encode())),
)
