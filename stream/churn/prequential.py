"""Prequential: each point is scored when it happens and learned from when its label matures, in one pass.

At exactly the horizon, for those who came back as for those who did not: to learn "came back" at once and
"lost" only later would teach that hardly anyone is lost. What is due at a moment is learned before anything
is scored at it, and at one moment touchpoints of other kinds come before activity.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Protocol, runtime_checkable

import msgspec

from schemas import profile as profiles
from schemas.errors import RejectedError
from schemas.ingestion import STEADY, Ingestion
from schemas.playbook import Playbook
from schemas.profile import Profile
from schemas.timestamp import DAY
from schemas.touchpoint import Touchpoint
from stream.churn import outages
from stream.churn.outages import end_of, passed
from stream.churn.population import Population
from stream.churn.scorer import Features, Scorer
from stream.churn.signals import signals_of
from stream.churn.training import FIRST_LOOK, LONGEST_SILENCE
from stream.engine import Engine

REFIT = 28 * DAY
"""Between two fits of what is fitted without labels, in ms."""


@runtime_checkable
class Refitted(Protocol):
    """A scorer of which a part is fitted to histories, without labels."""

    def refit(self, histories: list[tuple[float, float, float]]) -> None:
        """Fit to histories."""
        ...


class Scored(msgspec.Struct, frozen=True, gc=False):
    """A customer at one moment, scored then, whose label has matured since.

    Attributes:
        time: when it was scored, in ms.
        features: what was seen of the customer then.
        risks: what each scorer said, from what had matured by then.
        churned: whether no further active day came within the horizon.
    """

    time: int
    features: dict[str, float]
    risks: tuple[float, ...]
    churned: bool


class _Pending(msgspec.Struct, array_like=True, frozen=True, gc=False):
    time: int
    due: int
    customer: str
    active_days: int
    features: dict[str, float]
    risks: tuple[float, ...]


class Prequential:
    """One pass over a stream, with any number of scorers side by side.

    In an outage of ingestion nobody is scored again, and for horizons time stands still, by the rule that
    workers have (stream/churn/outages.py).

    Args:
        playbook: whose catalogue says what counts as activity; its plays are left out.
        scorers: each is asked and taught the same.
        horizon: within which a customer who doesn't come back counts as lost, in ms.
        every: score all customers who are not silent for longer than `longest_silence` again and again, so
            many ms apart; 0 for scoring each upon an active day.
        longest_silence: see `every`; in ms.
    """

    def __init__(
        self,
        playbook: Playbook,
        scorers: Iterable[Scorer],
        horizon: int,
        *,
        every: int = 0,
        longest_silence: int = LONGEST_SILENCE,
    ) -> None:
        self.scorers = tuple(scorers)
        self.rejected = 0
        self.duplicates = 0
        self.outages = 0
        # The very profile that the worker keeps: what is learned from is what will be scored.
        self._engine = Engine(msgspec.structs.replace(playbook, plays=()), _Silent(), "in-evaluation")
        self._activity = frozenset(
            name for name, entry in playbook.catalogue.items() if entry.effect == "activity"
        )
        self._horizon = horizon
        self._every = every
        self._longest_silence = longest_silence
        self._profiles: dict[str, Profile] = {}
        self._population = Population()
        self._pending: deque[_Pending] = deque()
        self._look = self._refit = self._before = -1
        self._ingestion = STEADY

    def run(self, touchpoints: Iterable[Touchpoint]) -> Iterator[Scored]:
        """Score and learn from touchpoints in order of time; yields each point when its label has matured.

        Points whose label would mature after the last touchpoint are left out: nobody knows.

        Raises:
            ValueError: the touchpoints are not in order of time.
        """
        for time, at_once in groupby(touchpoints, key=lambda touchpoint: touchpoint.time):
            together = list(at_once)
            if time < self._before:
                raise ValueError("touchpoints must be in order of time")
            if self._before < 0:
                start = time - time % DAY
                self._look = start + FIRST_LOOK
                self._refit = start + REFIT
            self._watch(together, time)
            self._before = time
            yield from self._pass(time)
            # What is due before now doesn't know of now; what is due at this very moment does.
            yield from self._mature(time - 1)
            active = self._apply(together, time)
            yield from self._mature(time)
            if not self._every:
                for customer in active:
                    self._score(customer, time)
            elif self._look == time:
                self._look_around()

    def pending(self) -> int:
        """How many points wait for their label."""
        return len(self._pending)

    def snapshot(self) -> dict[str, Any]:
        """All that the pass has come to, but for what was yielded: scorers, profiles, pending points."""
        return {
            "scorers": [scorer.snapshot() for scorer in self.scorers],
            "profiles": [profiles.encode(profile) for profile in self._profiles.values()],
            "population": self._population.snapshot(),
            "pending": msgspec.to_builtins(list(self._pending)),
            "clock": [self._look, self._refit, self._before],
            "ingestion": msgspec.to_builtins(self._ingestion),
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take on a snapshot of a pass with the same arguments."""
        for scorer, learned in zip(self.scorers, snapshot["scorers"], strict=True):
            scorer.restore(learned)
        decoded = map(profiles.decode, snapshot["profiles"])
        self._profiles = {profile.customer: profile for profile in decoded}
        self._population.restore(snapshot["population"])
        self._pending = deque(msgspec.convert(snapshot["pending"], list[_Pending]))
        self._look, self._refit, self._before = snapshot["clock"]
        self._ingestion = msgspec.convert(snapshot["ingestion"], Ingestion)

    def _pass(self, time: int) -> Iterator[Scored]:
        """Do what is due before a moment by the calendar."""
        while True:
            look = self._look if self._every else time
            if self._refit <= min(look, time):
                yield from self._mature(self._refit - 1)
                histories = self._population.histories(self._refit)
                for scorer in self.scorers:
                    if isinstance(scorer, Refitted):
                        scorer.refit(histories)
                self._refit += REFIT
            elif look < time:
                yield from self._mature(look)
                self._look_around()
            else:
                return

    def _watch(self, touchpoints: Iterable[Touchpoint], time: int) -> None:
        """Let labels and looks wait for as long as nothing came."""
        before = self._ingestion
        for touchpoint in touchpoints:
            self._ingestion = outages.after(self._ingestion, touchpoint, time)
        gone = self._ingestion.outages
        if self._ingestion.out_until > before.out_until:
            self.outages += 1
            self._pending = deque(
                msgspec.structs.replace(point, due=end_of(point.time, self._horizon, gone))
                for point in self._pending
            )
            if self._every:
                self._look = passed(self._look, self._every, gone)

    def _apply(self, touchpoints: Iterable[Touchpoint], time: int) -> dict[str, None]:
        """Apply what happened at one moment; the customers for whom it made an active day, in order."""
        active: dict[str, None] = {}
        for touchpoint in sorted(touchpoints, key=lambda one: one.type in self._activity):
            customer = touchpoint.customer
            before = self._profiles.get(customer)
            try:
                outcome = self._engine.step(before, touchpoint, time)
            except (msgspec.ValidationError, RejectedError):
                self.rejected += 1
                continue
            self.duplicates += outcome.duplicate
            after = self._profiles[customer] = outcome.profile
            if after.active_days > (before.active_days if before else 0):
                active[customer] = None
                self._population.see(after)
        return active

    def _look_around(self) -> None:
        for customer, profile in self._profiles.items():
            if profile.active_days and self._look - profile.last_active <= self._longest_silence:
                self._score(customer, self._look)
        self._look = passed(self._look + self._every, self._every, self._ingestion.outages)

    def _score(self, customer: str, now: int) -> None:
        profile = self._profiles[customer]
        features = signals_of(profile, now)
        risks = tuple([scorer.predict(features) for scorer in self.scorers])
        due = end_of(now, self._horizon, self._ingestion.outages)
        self._pending.append(_Pending(now, due, customer, profile.active_days, features, risks))

    def _mature(self, now: int) -> Iterator[Scored]:
        """Learn, oldest first, from every point whose horizon has passed."""
        pending = self._pending
        while pending and pending[0].due <= now:
            point = pending.popleft()
            churned = self._profiles[point.customer].active_days == point.active_days
            for scorer in self.scorers:
                scorer.learn(point.features, churned=churned)
            yield Scored(point.time, point.features, point.risks, churned)


class _Silent:
    """A Scorer for an engine whose risks nobody reads."""

    def predict(self, features: Features) -> float:
        """Nobody is at risk."""
        return 0.0

    def learn(self, features: Features, *, churned: bool) -> None:
        """Learn nothing."""

    def snapshot(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Nothing."""
