"""Recovery: offers to put bad moments right, as they are kept in a profile."""

from __future__ import annotations

import msgspec

MAX_RECOVERIES = 8
"""Recovery offers remembered, the latest, with what became of them: half as many as there are moments."""


class Recovery(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """An offer to put a bad moment right, and what became of it.

    Attributes:
        time: when it was made, in ms.
        trigger: id of its trigger.
        play: the play that made it.
        cause: type of the touchpoint that was the bad moment.
        outcome: `accepted`, `declined` or `ignored`; empty where nothing is known.
        back: when the customer came back after it, in ms; −1: not yet.
    """

    time: int
    trigger: str
    play: str
    cause: str
    outcome: str = ""
    back: int = -1
