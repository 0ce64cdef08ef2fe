"""Replay: touchpoints of the past through the engine, without a broker.

`now` of each decision is the touchpoint's own time, so nothing is late and the same input gives
the same output, whenever and wherever it runs.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from schemas.profile import Profile
from schemas.touchpoint import Touchpoint
from stream.engine import Engine, Outcome


class Replay:
    """One run over the past; holds the profile of every customer seen.

    Args:
        engine: what decides.

    Attributes:
        profiles: profiles by customer.
        touchpoints: how many were taken.
        duplicates: how many of them had been seen before.
        decisions: how many decisions were made.
        triggers: how many triggers fired, by family.
    """

    def __init__(self, engine: Engine) -> None:
        self.profiles: dict[str, Profile] = {}
        self.touchpoints = 0
        self.duplicates = 0
        self.decisions = 0
        self.triggers: Counter[str] = Counter()
        self._step = engine.step

    def take(self, touchpoint: Touchpoint) -> Outcome:
        """Apply a touchpoint to its customer's profile.

        Raises:
            msgspec.ValidationError: its data lacks what its type needs; nothing was applied.
        """
        profiles, customer = self.profiles, touchpoint.customer
        outcome = self._step(profiles.get(customer), touchpoint, touchpoint.time)
        profiles[customer] = outcome.profile
        self.touchpoints += 1
        self.duplicates += outcome.duplicate
        self.decisions += outcome.decision is not None
        for trigger in outcome.triggers:
            self.triggers[trigger.family] += 1
        return outcome


def profile_line(profile: Profile) -> bytes:
    """A profile as JSON without `applied`, which tells where it was read and not what it is.

    >>> from schemas.profile import new_profile
    >>> profile_line(new_profile("ann"))
    b'{"version":1,"customer":"ann"}'
    """
    return msgspec.json.encode(msgspec.structs.replace(profile, applied={}))
