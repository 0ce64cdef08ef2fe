"""The journey: which of Kotler's five A's a customer has reached.

Evidence moves a customer forward. Backward there is one way: a bad moment takes an advocate
back to `act`, because nobody recommends what has just let them down. What happened decides, in
the order of its time, whatever order it arrives in.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from sys import intern

from schemas.catalogue import Stage
from schemas.profile import MAX_TURNS, Profile

ORDER: dict[str, int] = {"aware": 0, "appeal": 1, "ask": 2, "act": 3, "advocate": 4}

REGRESSION = -0.3
"""Weight of a moment from which an advocate is none: an annoyance, not a trifle."""

Standing = tuple[str, int]
"""A stage, and since when, in ms."""


def advance(profile: Profile, evidence: Stage | None, weight: float, time: int) -> None:
    """Move a customer's stage by a touchpoint's evidence and weight, at its time (ms)."""
    let_down = weight <= REGRESSION
    if let_down or evidence == "advocate":
        reached, turns = _history(profile)
        # Of two at once the bad moment counts as the later one.
        turn = 2 * time + let_down
        _stand(profile, _further(reached, ("aware", time)), tuple(sorted((*turns, turn))))
        return
    # On every touchpoint, hence without a call.
    stage = evidence or "aware"
    below = profile.reached
    further = ORDER[stage] - ORDER[profile.stage if below is None else below[0]]
    if further < 0:
        return
    since = profile.stage_since if below is None else below[1]
    if further == 0 and time >= since > 0:
        return
    if profile.turns:
        _stand(profile, (stage, time), profile.turns)
    else:
        profile.stage, profile.stage_since = stage, time


def merge(profile: Profile, other: Profile) -> None:
    """Take in how far another profile of the same customer had come."""
    reached, turns = _history(other)
    ours, our_turns = _history(profile)
    _stand(profile, _further(ours, reached), tuple(sorted((*our_turns, *turns))))


def _history(profile: Profile) -> tuple[Standing, tuple[int, ...]]:
    """What was reached below `advocate`, and the turns."""
    if profile.reached is not None:
        return profile.reached, profile.turns
    if profile.stage == "advocate":
        # Stored by a program that kept no turns.
        return ("aware", profile.stage_since), (2 * profile.stage_since,)
    return (profile.stage, profile.stage_since), ()


def _further(one: Standing, other: Standing) -> Standing:
    """The later stage of two, and of the same one the earlier time; no time at all is no stage."""
    if one[1] == 0 or other[1] == 0:
        return one if other[1] == 0 else other
    return min(one, other, key=lambda standing: (-ORDER[standing[0]], standing[1]))


def _stand(profile: Profile, reached: Standing, turns: tuple[int, ...]) -> None:
    """Set the stage by all that is known."""
    turns = _bounded(turns)
    profile.turns = turns
    profile.reached = reached if turns else None
    standing = None
    advocate = False
    for turn in turns:
        time, let_down = divmod(turn, 2)
        if advocate == bool(let_down):
            advocate = not advocate
            standing = ("advocate" if advocate else "act", time)
    stage, profile.stage_since = standing or reached
    # Only the very string that is the default is left out of the stored form, not one that was read.
    profile.stage = intern(stage)


def _bounded(turns: Sequence[int]) -> tuple[int, ...]:
    """The turns without the oldest that change nothing today, where they are too many.

    Something earlier that is told later may then find one of them missing.
    """
    kept = list(turns)
    while len(kept) > MAX_TURNS:
        again = (at for at, (one, next_) in enumerate(pairwise(kept), start=1) if one % 2 == next_ % 2)
        if (at := next(again, None)) is not None:
            del kept[at]
        else:
            # By turns an advocate and none: without the oldest pair the rest stands as it is.
            del kept[: 1 if kept[0] % 2 else 2]
    return tuple(kept)
