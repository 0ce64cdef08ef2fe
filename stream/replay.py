"""Replay: touchpoints of the past through the engine, without a broker.

`now` of each decision is the touchpoint's own time, so nothing is late and the same input gives
the same output, whenever and wherever it runs.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable

import msgspec

from schemas import profile_record
from schemas.budget import is_ledger
from schemas.ingestion import STEADY, Ingestion
from schemas.profile import Profile
from schemas.touchpoint import Touchpoint
from stream.churn import outages
from stream.engine import Engine
from stream.outcome import Outcome
from stream.timers import next_due


class Replay:
    """One run over the past; holds the profile of every customer seen.

    Time passes for a customer by the customer's own touchpoints only, and for all at the end. So what
    becomes of a customer does not depend on how the touchpoints of others lie in between, and a run
    through Kafka, which keeps the order within a partition only, comes to the same. Of others it is only
    known whether they did anything at all: an outage is one of a partition.

    Args:
        engine: what decides.
        partition_of: the partition of a customer; all in one where that is left out.

    Attributes:
        profiles: profiles by customer, and of shared budgets by the ledger's key.
        touchpoints: how many were taken.
        duplicates: how many of them had been seen before.
        erased: how many were dropped, as their customer was erased after them.
        erasures: how many customers were erased.
        decisions: how many decisions were made.
        triggers: how many triggers fired, by family.
    """

    def __init__(self, engine: Engine, partition_of: Callable[[str], int] = lambda _: 0) -> None:
        self.profiles: dict[str, Profile] = {}
        self.touchpoints = 0
        self.duplicates = 0
        self.erased = 0
        self.erasures = 0
        self.decisions = 0
        self.triggers: Counter[str] = Counter()
        self._engine = engine
        self._latest = 0
        self._partition_of = partition_of
        self._ingestions: dict[int, Ingestion] = {}

    def take(self, touchpoint: Touchpoint) -> list[Outcome]:
        """Fire the customer's timers that are due by then, and apply a touchpoint to the profile.

        Returns:
            The outcome, followed by those of what it sends to other ids of the customer, one after another.

        Raises:
            msgspec.ValidationError: its data lacks what its type needs; nothing was applied.
            RejectedError: it links ids in a way that is not allowed.
        """
        if self._engine.learns:
            before = self._ingestion(touchpoint.customer)
            heard = outages.after(before, touchpoint, touchpoint.time)
            self._ingestions[self._partition_of(touchpoint.customer)] = heard
        outcomes = self._follow([touchpoint])
        self.touchpoints += 1
        self._latest = max(self._latest, touchpoint.time)
        return outcomes

    def finish(self) -> list[Outcome]:
        """Fire the timers of those who stayed silent: all that were due by the latest touchpoint's time.

        Returns:
            One outcome a customer, the one with the earliest timer first, each followed by those of what
            it sends.
        """
        outcomes: list[Outcome] = []
        while silent := sorted(
            (due, customer)
            for customer, profile in self.profiles.items()
            if (due := next_due(profile, self._known(customer))) is not None and due <= self._latest
        ):
            # What a timer sends to another customer may set a timer there.
            for _, customer in silent:
                ingestion = self._ingestion(customer)
                fired = self._engine.fire(self.profiles[customer], self._latest, 0, ingestion)
                self._keep(fired)
                outcomes += [fired, *self._follow([forward.touchpoint for forward in fired.forwards])]
        return outcomes

    def _follow(self, touchpoints: Iterable[Touchpoint]) -> list[Outcome]:
        """Apply touchpoints, and those that they send to other customers, one after another."""
        outcomes = []
        waiting = deque(touchpoints)
        while waiting:
            each = waiting.popleft()
            ingestion = self._ingestion(each.customer)
            outcome = self._engine.step(self.profiles.get(each.customer), each, each.time, ingestion)
            waiting.extend(forward.touchpoint for forward in outcome.forwards)
            self.duplicates += outcome.duplicate
            self.erased += outcome.erased
            self.erasures += outcome.erasure is not None
            self._keep(outcome)
            outcomes.append(outcome)
        return outcomes

    def _ingestion(self, customer: str) -> Ingestion:
        return self._ingestions.get(self._partition_of(customer), STEADY)

    def _known(self, customer: str) -> int:
        return outages.known(self._ingestion(customer), self._latest)[0]

    @property
    def customers(self) -> dict[str, Profile]:
        """The profiles that are customers', by customer: all but the ledgers of shared budgets."""
        return {id_: profile for id_, profile in self.profiles.items() if not is_ledger(id_)}

    def _keep(self, outcome: Outcome) -> None:
        self.profiles[outcome.profile.customer] = outcome.profile
        self.decisions += len(outcome.decisions)
        for trigger in outcome.triggers:
            self.triggers[trigger.family] += 1


def profile_line(profile: Profile) -> bytes:
    """A profile as JSON without `applied`, which tells where it was read and not what it is.

    >>> from schemas.profile import new_profile
    >>> profile_line(new_profile("ann"))
    b'{"version":2,"customer":"ann"}'
    """
    return profile_record.encode(msgspec.structs.replace(profile, applied={}))
