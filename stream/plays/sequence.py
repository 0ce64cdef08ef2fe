"""Sequence: touchpoints that have to happen in an order, within a time.

Of each beginning of the order only the run is remembered that began last, for it has the most time left;
so what is kept is bounded by the number of steps.
"""

from __future__ import annotations

from schemas.duration import millis_of
from schemas.families.entry import Steps
from schemas.profile import Profile
from schemas.sequence import MAX_PROGRESS, Run
from schemas.touchpoint import Touchpoint
from stream.plays.reentry import name_of

NOT_YET = Run(-1, -1)


class Sequence:
    """The steps of a play.

    A touchpoint counts as a step if it did not happen before the step before it; what arrives late, or out of
    order, may so begin a run but never end one that was not.

    Args:
        play: the play's name.
        steps: its steps.
    """

    def __init__(self, play: str, steps: Steps) -> None:
        self._play = play
        self._steps = steps.steps
        self._within = millis_of(steps.within)

    def advance(self, profile: Profile, touchpoint: Touchpoint, key: str) -> bool:
        """Take a step with a touchpoint; whether that was the last of all. Then the runs are forgotten."""
        name, time, type_ = name_of(self._play, key), touchpoint.time, touchpoint.type
        before = profile.progress.get(name)
        runs = (
            [NOT_YET] * (len(self._steps) - 1)
            if before is None or len(before) != len(self._steps) - 1
            else [*before]
        )
        # From the end, so that one touchpoint takes one step of a run, not two.
        for place in reversed(range(len(self._steps))):
            if self._steps[place] != type_:
                continue
            run = Run(time, time) if place == 0 else runs[place - 1]
            if run.last < 0 or run.last > time or time - run.first > self._within:
                continue
            if place == len(self._steps) - 1:
                self.forget(profile, key, time)
                return True
            if run.first >= runs[place].first:
                runs[place] = Run(run.first, time)
        if tuple(runs) != before and any(run.last >= 0 for run in runs):
            others = {other: each for other, each in profile.progress.items() if other != name}
            while len(others) >= MAX_PROGRESS:
                del others[min(others, key=lambda other: (max(run.last for run in others[other]), other))]
            profile.progress = {**others, name: tuple(runs)}
        return False

    def forget(self, profile: Profile, key: str | None, happened: int) -> bool:
        """Forget the runs with a key, or any for None, that began before a time (ms); whether some did."""
        kept = {
            name: runs
            for name, runs in profile.progress.items()
            if not self._is_mine(name, key) or all(run.first > happened or run.last < 0 for run in runs)
        }
        had = len(kept) < len(profile.progress)
        if had:
            profile.progress = kept
        return had

    def _is_mine(self, name: str, key: str | None) -> bool:
        return name.startswith(f"{self._play}:") if key is None else name == name_of(self._play, key)


def merge(profile: Profile, other: Profile) -> None:
    """Take in the runs of another profile of the same customer: of two, the one that began last."""
    if not other.progress:
        return
    both = dict(profile.progress)
    for name, theirs in other.progress.items():
        ours = both.get(name)
        if ours is None or len(ours) != len(theirs):
            both[name] = theirs if ours is None else max(ours, theirs, key=len)
        else:
            both[name] = tuple(max(one, two) for one, two in zip(ours, theirs, strict=True))
    kept = sorted(both.items(), key=lambda entry: (max(run.last for run in entry[1]), entry[0]))[
        -MAX_PROGRESS:
    ]
    profile.progress = dict(sorted(kept))
