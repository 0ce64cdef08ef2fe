"""Replay: touchpoints of the past through the engine, without a broker.

`now` of each decision is the touchpoint's own time, so nothing is late and the same input gives
the same output, whenever and wherever it runs. Timers are due by the touchpoints' times too: by
the latest one so far, of any customer.
"""

from __future__ import annotations

import heapq
from collections import Counter

import msgspec

from schemas.profile import Profile
from schemas.touchpoint import Touchpoint
from stream.engine import LATENESS, Engine, Outcome
from stream.timers import next_due


class Replay:
    """One run over the past; holds the profile of every customer seen.

    A timer waits until touchpoints are `LATENESS` beyond the moment when it was due, or until its own
    customer's next one. So as long as none comes later than that behind the others, what fires depends
    on each customer's touchpoints alone, and not on how those of several customers lie in one another:
    a run through Kafka, which knows an order within a partition only, comes to the same.

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
        self._engine = engine
        self._latest = 0
        self._due: list[tuple[int, str]] = []

    def take(self, touchpoint: Touchpoint) -> list[Outcome]:
        """Apply a touchpoint to its customer's profile, and fire what its time has brought due.

        Returns:
            One outcome for each customer whose timers fired, in order of time, and last the touchpoint's.

        Raises:
            msgspec.ValidationError: its data lacks what its type needs; nothing was applied.
        """
        customer = touchpoint.customer
        before = self.profiles.get(customer)
        outcome = self._engine.step(before, touchpoint, touchpoint.time)
        self.touchpoints += 1
        self.duplicates += outcome.duplicate
        self._keep(customer, before, outcome)
        self._latest = max(self._latest, touchpoint.time)
        due = self._due
        if due and due[0][0] <= self._latest - LATENESS:
            return [*self._fire(self._latest - LATENESS), outcome]
        return [outcome]

    def finish(self) -> list[Outcome]:
        """Fire what was due by the time of the latest touchpoint: no other comes."""
        return self._fire(self._latest)

    def _fire(self, until: int) -> list[Outcome]:
        outcomes = []
        while self._due and self._due[0][0] <= until:
            due, customer = heapq.heappop(self._due)
            before = self.profiles[customer]
            # What was called off or set anew since is left in the heap, and passed over here.
            if next_due(before) == due:
                outcome = self._engine.fire(before, due)
                self._keep(customer, before, outcome)
                outcomes.append(outcome)
        return outcomes

    def _keep(self, customer: str, before: Profile | None, outcome: Outcome) -> None:
        after = self.profiles[customer] = outcome.profile
        if after.timers and (before is None or before.timers is not after.timers):
            heapq.heappush(self._due, (after.timers[0].due, customer))
        self.decisions += len(outcome.decisions)
        for trigger in outcome.triggers:
            self.triggers[trigger.family] += 1


def profile_line(profile: Profile) -> bytes:
    """A profile as JSON without `applied`, which tells where it was read and not what it is.

    >>> from schemas.profile import new_profile
    >>> profile_line(new_profile("ann"))
    b'{"version":1,"customer":"ann"}'
    """
    return msgspec.json.encode(msgspec.structs.replace(profile, applied={}))
