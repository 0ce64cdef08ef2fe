"""Lifecycle: triggers that went out and what became of them, as they are kept in a profile."""

from __future__ import annotations

import msgspec

MAX_ISSUED = 32
"""Triggers whose fate is remembered, the latest: one a day over a month. What caps count is among them; where
more went out, caps count as reached (see `Profile.forgotten`)."""


class Issued(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A trigger that went out to the customer, and what became of it.

    It is live until it is answered, revoked or has run out.

    Attributes:
        id: the trigger's id.
        play: whose it was.
        family: the play's trigger family.
        channel: how it reaches the customer; None where it doesn't go to the customer.
        category: what kind of message it is.
        slot: what it has taken of its channel, as long as it is live.
        time: when it went out, in ms.
        expires: until when it may be acted on, in ms.
        status: `issued`, `delivered`, `accepted`, `declined`, `ignored`, `expired` or `revoked`.
        said: when that was said, in ms.
        delivered: whether it is known to have reached the customer.
        correlation: what it belongs to.
        offer: the offer's name, where it makes one.
    """

    id: str
    play: str
    family: str
    channel: str | None
    category: str | None
    slot: str | None
    time: int
    expires: int
    status: str = "issued"
    said: int = 0
    delivered: bool = False
    correlation: str | None = None
    offer: str | None = None
