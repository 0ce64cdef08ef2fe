"""Outlook: what a model says of a customer beside the risk: what drives it, and what money it is about."""

from __future__ import annotations

from collections.abc import Callable

from schemas.families.retention_offer import Driver
from schemas.profile import Profile
from stream.churn.drivers import Asked, drivers_of
from stream.churn.scorer import ExplainedScorer, Features, Scorer
from stream.churn.value import Value


class Outlook:
    """Answers where a decision is about to be made, or someone asks; no step waits for it otherwise.

    Args:
        scorer: what the churn risk is predicted with; None where nothing is known of it.
        seen: what it sees of a profile at a time, in ms.
        currency: ISO 4217 code of customers' money.
    """

    def __init__(
        self, scorer: Scorer | None, seen: Callable[[Profile, int], Features], currency: str
    ) -> None:
        self._scorer = scorer if isinstance(scorer, ExplainedScorer) else None
        self._seen = seen
        self._currency = currency
        self._value = Value(scorer)
        self.horizon_days = self._value.horizon_days

    def drivers(self, profile: Profile, now: int) -> tuple[Driver, ...]:
        """What makes the risk what it is as at `now` (ms), the most telling first; none if unknown."""
        if self._scorer is None:
            return ()
        contributions = self._scorer.contributions(self._seen(profile, now))
        return drivers_of(contributions, Asked(profile, now, self._value, self._currency))

    def average_log_odds(self) -> float | None:
        """The log odds of the average customer; None where they can't be told."""
        return None if self._scorer is None else self._scorer.average_log_odds

    def expected(self, profile: Profile, now: int) -> float:
        """What a customer who is not lost may be expected to spend within the horizon, as at `now` (ms)."""
        return self._value.expected(profile, now)

    def value_at_risk(self, profile: Profile, now: int, risk: float) -> float:
        """That × risk, to the cent."""
        return round(self.expected(profile, now) * risk, 2)


UNKNOWN = Outlook(None, lambda *_: {}, "")
"""Of a customer about whom no model says anything."""
