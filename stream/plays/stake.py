"""Stake: what is lost if a customer does not come back, by which an offer is sized."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.families.sizing import Sizing
from schemas.profile import Profile
from stream.plays.offers import Choice, choose

YEAR = 365.0
"""Days over which a customer's value is reckoned, unless it is by the horizon (stream/churn/value.py)."""


def yearly_value(profile: Profile) -> float:
    """What a customer spends in a year, in the shop's currency.

    That is spent ÷ active days × purchases a year; one who bought on a single day has no pace yet, and is
    worth what was spent.

    >>> yearly_value(Profile(1, "ann", spent=240.0, active_days=4, gap_mean=73.0))
    300.0
    >>> yearly_value(Profile(1, "bob", spent=50.0, active_days=1)), yearly_value(Profile(1, "eve"))
    (50.0, 0.0)
    """
    if profile.active_days == 0 or profile.spent <= 0:
        return 0.0
    if profile.active_days == 1:
        return profile.spent
    return profile.spent / profile.active_days * YEAR / max(profile.gap_mean, 1.0)


def stake_of(severity: float, value: float, risk: float) -> float:
    """Severity × value × risk: what is at stake, in the shop's currency, to the cent."""
    return round(severity * value * risk, 2)


def sized(
    offers: Sequence[Choice], severity: float, profile: Profile, sizing: Sizing | None, expected: float
) -> tuple[Choice | None, float | None]:
    """The offer that is made, and what was at stake if that has sized it.

    Without sizing it is the first whose floors are met. With it, the first of these that is worth no more
    than the share of what is at stake; if all are worth more, the one that is worth least.

    Args:
        offers: in the play's order.
        severity: how bad the moment was, 0 to 1; 1 where there was none.
        profile: the customer's.
        sizing: the play's.
        expected: what the customer may be expected to spend within the horizon.
    """
    if sizing is None:
        return choose(offers, severity, profile.spent), None
    met = [o for o in offers if severity >= o.min_severity and profile.spent >= o.min_spent]
    value = expected if sizing.value == "horizon" else yearly_value(profile)
    stake = stake_of(severity, value, profile.risk)
    fitting = (offer for offer in met if offer.amount <= stake * sizing.share)
    return next(fitting, min(met, key=lambda offer: offer.amount, default=None)), stake
