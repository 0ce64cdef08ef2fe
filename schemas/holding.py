"""Holding: triggers that wait, as they are kept in a profile."""

from __future__ import annotations

import msgspec

MAX_HELD = 8
"""Triggers that wait for something: as many as a customer could be told in a morning, and more than anyone
would read. The first to go is the one that waits longest."""


class Held(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A trigger that would go out, but waits for something; its timer is called `held`.

    When it may go, every step of arbitration decides on it once more.

    Attributes:
        id: the id that the trigger will have.
        play: whose it is.
        family: the play's trigger family.
        content: what is to be done, by family, in MessagePack.
        touchpoint: id of the touchpoint that caused it.
        type: that touchpoint's type.
        source: that touchpoint's source.
        correlation: what it belongs to.
        proposed: when the play proposed it, in ms.
        expires: until when it may be acted on, in ms.
        waits_for: the reason code of what it waits for, such as `quiet-hours` or `budget`.
        due: when it is decided on again unless something does so before, in ms.
    """

    id: str
    play: str
    family: str
    content: bytes
    touchpoint: str
    type: str
    source: str
    correlation: str | None
    proposed: int
    expires: int
    waits_for: str
    due: int
