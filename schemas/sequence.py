"""Sequence: steps that were taken one after another, as they are kept in a profile."""

from __future__ import annotations

import msgspec

MAX_PROGRESS = 16
"""Sequences under way, those that took a step last: as many as a customer has going on at once."""


class Run(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """Steps of a sequence that were taken one after another. The one that began later is the greater one.

    Attributes:
        first: when the first was taken, in ms; −1 where none was.
        last: when the last was taken.
    """

    first: int
    last: int
