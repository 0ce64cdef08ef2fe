"""Re-entry: how often a customer may enter a play, and what is remembered for it."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.duration import millis_of
from schemas.families.play import PlayBase
from schemas.profile import MAX_ENTERED, MAX_KEYS, Profile

REASON = "reentry"


class Reentry:
    """A play's policy.

    `once` and a time such as `7d` go by when the customer entered the play last, `per-key` by whether it was
    with this key before. Whoever enters and then gets nothing, for lack of consent or because of a cap, has
    not entered: there is another time.

    Args:
        play: whose policy.
    """

    def __init__(self, play: PlayBase) -> None:
        self._play = play.play
        self.per_key = play.reentry == "per-key"
        self._once = play.reentry == "once"
        bounded = play.reentry not in ("always", "once", "per-key")
        self._window = millis_of(play.reentry) if bounded else 0
        self.always = play.reentry == "always"

    def allows(self, profile: Profile, key: str, now: int) -> bool:
        """Whether the customer may enter now (ms), with this key."""
        if self.always:
            return True
        if self.per_key:
            return name_of(self._play, key) not in profile.entered_keys
        last = profile.entered.get(self._play)
        # Something decided as of an earlier time comes after it all the same.
        return last is None or not (self._once or now - last < self._window)

    def note(self, profile: Profile, key: str, now: int) -> None:
        """Remember that the customer has entered."""
        if self.always:
            return
        if self.per_key:
            keys = {**profile.entered_keys, name_of(self._play, key): now}
            profile.entered_keys = latest(keys, MAX_KEYS)
        else:
            entered = {**profile.entered, self._play: max(now, profile.entered.get(self._play, now))}
            profile.entered = latest(entered, MAX_ENTERED)


def name_of(play: str, key: str) -> str:
    """What something of a play is kept under, for what it is about; a play's name has no colon."""
    return f"{play}:{key}"


def latest(times: Mapping[str, int], most: int) -> dict[str, int]:
    """The latest of what has times, at most so many; of two at once the greater name."""
    if len(times) <= most:
        return dict(times)
    return dict(sorted(times.items(), key=lambda entry: (entry[1], entry[0]))[-most:])


def merge(profile: Profile, other: Profile) -> None:
    """Take in what another profile of the same customer has entered: the later entry holds."""
    profile.entered = latest(_later(profile.entered, other.entered), MAX_ENTERED)
    profile.entered_keys = latest(_later(profile.entered_keys, other.entered_keys), MAX_KEYS)


def _later(ours: Mapping[str, int], theirs: Mapping[str, int]) -> dict[str, int]:
    both = dict(ours)
    for name, time in theirs.items():
        both[name] = max(time, both.get(name, time))
    # In one order, whichever profile was the other.
    return dict(sorted(both.items()))
