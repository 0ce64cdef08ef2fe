"""Happening: something that a simulated customer does or meets, before it becomes a record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from schemas.timestamp import to_millis

DAY_START = to_millis(datetime(2026, 3, 14, tzinfo=UTC))
"""Start of the simulated day, in ms: a fixed Saturday, so that every run is about the same day."""

SOURCES = {
    "web": "/shop/web",
    "app": "/app",
    "store": "/store/pos",
    "call-centre": "/call-centre",
    "chat": "/chat",
    "front-desk": "/hotel/front-desk",
    "device": "/app/location",
    "email": "/mail",
}
"""The channels, and the system that publishes what happens on each."""


class Happening(msgspec.Struct, frozen=True):
    """Something that happens.

    Attributes:
        time: when, in ms.
        customer: to whom.
        type: what, as the catalogue calls it.
        channel: where; one of `SOURCES`.
        id: unique.
        data: whatever else is said about it.
        correlation: the booking, order or issue that it belongs to.
        segment: whether the customer's web touchpoints come as Segment calls.
    """

    time: int
    customer: str
    type: str
    channel: str
    id: str
    data: dict[str, Any]
    correlation: str | None = None
    segment: bool = False
