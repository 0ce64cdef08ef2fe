"""Value: what a customer may be expected to spend within the horizon of the churn risk, from a few numbers.

Purchases are those of BG/NBD of a customer who is not lost (Fader, Hardie and Lee 2005): the rate has a Gamma
distribution, so that `r` purchases in `alpha` days are added to the customer's own. Money a purchase is
that of gamma–gamma (Fader and Hardie 2013): the customer's own mean, drawn towards that of everyone by as
much as `CREDIBILITY` purchases weigh. All that is needed of the customer stands in the profile.
"""

from __future__ import annotations

from math import expm1
from typing import Protocol, runtime_checkable

from schemas.profile import Profile
from schemas.timestamp import DAY
from stream.churn.bgnbd import BgNbd

CREDIBILITY = 0.44
"""Purchases that everyone's mean counts as: (q − 1) ÷ p of gamma–gamma, as published for CDNOW, p = 6.25 and
q = 3.74."""

SHIPPED = BgNbd(0.243, 30.9, 0.793, 2.426)
"""How often customers buy where the model is one that ships: as published for CDNOW, by days."""

SHIPPED_HORIZON_DAYS = 90.0
"""What the risks of models that ship are about."""

OFTENEST = 1.0
"""Purchases a day at most: they are counted by day."""


@runtime_checkable
class OwnCustomers(Protocol):
    """A scorer that has learned from a business's own customers, and knows how these buy.

    Attributes:
        horizon_days: within which a customer who doesn't come back counts as lost.
        bgnbd: how often customers buy.
    """

    horizon_days: float
    bgnbd: BgNbd

    def average(self, feature: str) -> float:
        """The mean of a feature, over all that was learned from."""
        ...


class Value:
    """What customers may be expected to spend.

    Where the scorer has learned from a business's own customers, these are everyone. One that ships has
    learned from another's: how often people buy there is better than nothing, what they spend is not, so
    that only the customer's own mean counts.

    Args:
        scorer: what the churn risk is predicted with; it is not asked again.

    >>> ann = Profile(1, "ann", spent=240.0, active_days=4, last_active=90 * DAY, gap_mean=30.0)
    >>> round(Value(None).purchases(ann, 90 * DAY), 2), round(Value(None).expected(ann, 90 * DAY), 2)
    (2.41, 144.85)
    """

    def __init__(self, scorer: object) -> None:
        own = scorer if isinstance(scorer, OwnCustomers) else None
        self.horizon_days = SHIPPED_HORIZON_DAYS if own is None else own.horizon_days
        self.bgnbd = SHIPPED if own is None else own.bgnbd
        # A mean of logs: someone who resells does not move it.
        self.typical = 0.0 if own is None else max(expm1(min(own.average("mean_amount"), 30.0)), 0.0)

    def purchases(self, profile: Profile, now: int) -> float:
        """Days with a purchase to be expected within the horizon, of a customer who is not lost; as at `now`.

        >>> Value(None).purchases(Profile(1, "eve"), 0)
        0.0
        """
        repeats, _, age = history_of(profile, now)
        if repeats < 0.0:
            return 0.0
        rate = (self.bgnbd.r + repeats) / (self.bgnbd.alpha + age)
        return self.horizon_days * min(rate, OFTENEST)

    def amount(self, profile: Profile) -> float:
        """Money of a purchase to be expected; nothing where as much was paid back as was spent."""
        if profile.active_days == 0 or profile.spent <= 0.0:
            return 0.0
        if not self.typical:
            return profile.spent / profile.active_days
        drawn = CREDIBILITY * self.typical
        return (profile.spent + drawn) / (profile.active_days + CREDIBILITY)

    def expected(self, profile: Profile, now: int) -> float:
        """Money to be expected within the horizon of a customer who is not lost, as at `now` (ms)."""
        return self.purchases(profile, now) * self.amount(profile)


def history_of(profile: Profile, now: int) -> tuple[float, float, float]:
    """Repeats, days from the first to the latest purchase, and days until now; −1 repeats for none at all.

    >>> history_of(Profile(1, "ann", active_days=3, last_active=20 * DAY, gap_mean=10.0), 25 * DAY)
    (2.0, 20.0, 25.0)
    """
    repeats = float(profile.active_days - 1)
    if repeats < 0.0:
        return repeats, 0.0, 0.0
    latest = profile.gap_mean * repeats
    return repeats, latest, latest + max(now - profile.last_active, 0) / DAY
