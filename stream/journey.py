"""The journey: which of Kotler's five A's a customer has reached.

Evidence moves a customer forward. Backward there is one way: a bad moment takes an advocate
back to `act`, because nobody recommends what has just let them down. What happened decides, in
the order of its time, whatever order it arrives in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from sys import intern
from typing import cast, get_args

from schemas.catalogue import Stage
from schemas.cloudevents import deterministic_id
from schemas.profile import MAX_TURNS, Profile
from schemas.stage import StageChange, StageData
from schemas.timestamp import SECOND, to_datetime
from schemas.touchpoint import Touchpoint

STAGES: tuple[Stage, ...] = get_args(Stage)

ORDER: dict[str, int] = {stage: place for place, stage in enumerate(STAGES)}

_PLACES: dict[str, int] = {"appeal": 0, "ask": 1, "act": 2}
"""Where `Profile.evidence` holds a stage."""

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
    place = _PLACES.get(stage)
    if place is not None:
        first = profile.evidence
        if not first or not 0 < first[place] <= time:
            profile.evidence = _earliest(first, ((place, time),))
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
    if other.evidence:
        profile.evidence = _earliest(profile.evidence, enumerate(other.evidence))


def change_of(profile: Profile, before: Standing, touchpoint: Touchpoint, now: int) -> StageChange | None:
    """The change of the current stage that a touchpoint has made known; None where it is the same.

    A touchpoint that is told late and changes the past alone is no change; one that changes what holds
    now is one, and `since` says from when.

    Args:
        profile: the profile with the touchpoint applied.
        before: stage and since when, before that; a time of 0 is no stage.
        touchpoint: what happened.
        now: time of the step, in ms.
    """
    was = before[0] if before[1] else None
    is_ = profile.stage if profile.stage_since else None
    if was == is_:
        return None
    since = profile.stage_since or touchpoint.time
    data = StageData(
        cast("Stage | None", was),
        cast("Stage | None", is_),
        to_datetime(since),
        max(since - before[1], 0) / SECOND if was else 0.0,
        touchpoint.type,
        was is not None and is_ is not None and ORDER[is_] < ORDER[was],
    )
    customer = profile.customer
    id_ = deterministic_id("stage", customer, touchpoint.source, touchpoint.id)
    return StageChange(id_, customer, now, touchpoint.id, data, touchpoint.correlation)


def dwell(profile: Profile, until: int) -> dict[str, int]:
    """How long a customer was in each stage up to a time (ms), in ms, as far as is remembered.

    >>> from schemas.profile import new_profile
    >>> ann = new_profile("ann")
    >>> for at, stage in ((1_000, "aware"), (5_000, "ask"), (2_000, "appeal"), (9_000, "advocate")):
    ...     ann.first_seen = 1_000
    ...     advance(ann, stage, 0.0, at)
    >>> dwell(ann, 10_000)
    {'aware': 1000, 'appeal': 3000, 'ask': 4000, 'act': 0, 'advocate': 1000}
    """
    lasted = dict.fromkeys(ORDER, 0)
    if not profile.stage_since:
        return lasted
    way = [*_way(profile), ("", until)]
    for (stage, entered), (_, left) in pairwise(way):
        lasted[stage] += max(min(left, until) - entered, 0)
    return lasted


def _way(profile: Profile) -> list[Standing]:
    """The stages that a customer went through, with when each was entered."""
    reached, turns = _history(profile)
    flips = _flips(turns)
    first = list(profile.evidence or (0, 0, 0))
    if (place := _PLACES.get(reached[0])) is not None:
        # Stored by a program that kept the furthest stage alone.
        first[place] = first[place] or reached[1]
    entered = sorted(
        (at, stage)
        for stage, place in _PLACES.items()
        if (at := first[place]) and not (flips and at >= flips[0][1])
    )
    begin = min(profile.first_seen or reached[1], reached[1])
    way: list[Standing] = [("aware", begin)]
    for at, stage in entered:
        if ORDER[stage] > ORDER[way[-1][0]]:
            way.append((stage, at))
    return [*way, *flips]


def _earliest(first: Sequence[int], others: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """When each stage was first reached, with further times by place; 0 is never."""
    times = list(first or (0, 0, 0))
    for place, time in others:
        if time and not 0 < times[place] <= time:
            times[place] = time
    return tuple(times)


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
    flips = _flips(turns)
    stage, profile.stage_since = flips[-1] if flips else reached
    # Only the very string that is the default is left out of the stored form, not one that was read.
    profile.stage = intern(stage)


def _flips(turns: Sequence[int]) -> list[Standing]:
    """What a customer became by the turns, and when."""
    flips: list[Standing] = []
    for turn in turns:
        time, let_down = divmod(turn, 2)
        if (len(flips) % 2 == 1) == bool(let_down):
            flips.append(("act" if let_down else "advocate", time))
    return flips


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
