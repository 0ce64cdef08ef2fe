"""Training: touchpoints of the past, one pass in order of time, to a model and how good it was.

Each point is scored when it happens, with what had matured by then, and learned from when its
label matures: at exactly the horizon, for those who came back as for those who did not. To
learn "came back" at once and "lost" only later would teach that hardly anyone is lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import groupby

import msgspec

from schemas.cloudevents import deterministic_id
from schemas.playbook import Playbook
from schemas.profile import Profile
from schemas.timestamp import DAY
from schemas.touchpoint import Touchpoint
from stream.churn.features import features_of
from stream.churn.scorer import Scorer
from stream.engine import Engine

WEEK = 7 * DAY
"""Between two looks at customers who do nothing, in ms: risk grows in silence, and the model
has to have seen silence."""

FIRST_LOOK = 13 * DAY + DAY // 2
"""The first such look, in ms from the first day: at noon, so that no look falls on midnight,
which is the time that data without times of day has."""

LONGEST_SILENCE = 182 * DAY
"""Half a year: who has been silent for longer is lost already, and such points would only teach that."""

LOOKED_AT = 10
"""One customer in so many is looked at weekly: a customer is silent for more weeks than they buy
on days, and at one in ten both kinds of point weigh about the same."""


class Point(msgspec.Struct, frozen=True, gc=False):
    """A customer at one moment, scored then, whose label has matured since.

    Attributes:
        time: when it was scored, in ms.
        bought: whether the customer had bought at that moment, or was looked at in silence.
        risk: what the model said, from what had matured by then.
        churned: whether no further active day came within the horizon.
    """

    time: int
    bought: bool
    risk: float
    churned: bool


class _Pending(msgspec.Struct, frozen=True, gc=False):
    time: int
    customer: str
    bought: bool
    active_days: int
    features: dict[str, float]
    risk: float


class Training:
    """One pass over the past.

    Args:
        playbook: whose catalogue says what counts as activity; its plays are left out.
        scorer: learns, and is the model afterwards.
        horizon: within which a customer who doesn't come back counts as lost, in ms.
    """

    def __init__(self, playbook: Playbook, scorer: Scorer, horizon: int) -> None:
        # The very profile that the engine keeps: what is learned from is what will be scored.
        self._engine = Engine(msgspec.structs.replace(playbook, plays=()), scorer, "in-training")
        self._scorer = scorer
        self._horizon = horizon
        self._profiles: dict[str, Profile] = {}
        self._looked_at: list[str] = []
        self._pending: deque[_Pending] = deque()

    def run(self, touchpoints: Iterable[Touchpoint]) -> Iterator[Point]:
        """Learn from touchpoints in order of time; yields each point when its label has matured.

        Points whose label would mature after the last touchpoint are left out: nobody knows.

        Raises:
            ValueError: the touchpoints are not in order of time.
        """
        look = before = -1
        for time, together in groupby(touchpoints, key=lambda touchpoint: touchpoint.time):
            if time < before:
                raise ValueError("touchpoints to learn from must be in order of time")
            before = time
            if look < 0:
                look = time - time % DAY + FIRST_LOOK
            while look < time:
                yield from self._mature(look)
                self._look(look)
                look += WEEK
            # What is due before now doesn't know of now; what is due at this very moment does.
            yield from self._mature(time - 1)
            buyers = self._apply(together)
            yield from self._mature(time)
            for customer in buyers:
                self._score(customer, time, bought=True)
            if look == time:
                self._look(look)
                look += WEEK

    def _apply(self, touchpoints: Iterable[Touchpoint]) -> dict[str, None]:
        """Apply what happened at one moment; the customers for whom it made an active day, in order."""
        buyers: dict[str, None] = {}
        for touchpoint in touchpoints:
            customer = touchpoint.customer
            before = self._profiles.get(customer)
            after = self._engine.step(before, touchpoint, touchpoint.time).profile
            self._profiles[customer] = after
            if before is None and int(deterministic_id(customer)[:8], 16) % LOOKED_AT == 0:
                self._looked_at.append(customer)
            if after.active_days > (before.active_days if before else 0):
                buyers[customer] = None
        return buyers

    def _look(self, now: int) -> None:
        for customer in self._looked_at:
            profile = self._profiles[customer]
            if profile.active_days and now - profile.last_active <= LONGEST_SILENCE:
                self._score(customer, now, bought=False)

    def _score(self, customer: str, now: int, *, bought: bool) -> None:
        profile = self._profiles[customer]
        features = features_of(profile, now)
        risk = self._scorer.predict(features)
        self._pending.append(_Pending(now, customer, bought, profile.active_days, features, risk))

    def _mature(self, now: int) -> Iterator[Point]:
        """Learn, oldest first, from every point whose horizon has passed."""
        pending = self._pending
        while pending and pending[0].time + self._horizon <= now:
            point = pending.popleft()
            churned = self._profiles[point.customer].active_days == point.active_days
            self._scorer.learn(point.features, churned=churned)
            yield Point(point.time, point.bought, point.risk, churned)
