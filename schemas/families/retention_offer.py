"""Retention offer: a reason to stay, before the customer is gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec

from schemas.duration import Duration
from schemas.families.play import Mistake, PlayBase
from schemas.families.recovery_offer import missing_offers
from schemas.families.sizing import Sizing
from schemas.quantities import Name, Share

if TYPE_CHECKING:
    from schemas.playbook import Playbook

MAX_DRIVERS = 4
"""Drivers that a trigger names: nobody who is to act reads more."""


class RetentionOfferPlay(PlayBase, frozen=True, kw_only=True, tag="retention-offer"):
    """Act before the customer is gone: churn risk crosses the threshold.

    Attributes:
        enter: risk at which a customer becomes one at risk.
        leave: risk at which that ends; below `enter`, so that it doesn't flicker.
        min_active_days: customers who bought on fewer days are not kept but won.
        cooldown: how long after an offer no further one is made.
        offers: names of offers; the first whose floors are met is made.
        valid_for: how long the trigger may be acted on.
        sizing: how much the offer may be worth by what is at stake; None where the floors alone decide.
    """

    enter: Share
    leave: Share
    min_active_days: Annotated[int, msgspec.Meta(ge=1)]
    cooldown: Duration
    offers: tuple[Name, ...]
    valid_for: Duration
    sizing: Sizing | None = None

    def mistakes(self, playbook: Playbook) -> Iterator[Mistake]:
        """What could never fire, or would flicker."""
        yield from missing_offers(self.offers, playbook)
        if not self.leave < self.enter:
            yield ["leave"], "`leave` must be below `enter`, or it flickers"


class Driver(msgspec.Struct, frozen=True, gc=False):
    """Something that makes a customer's churn risk another one than that of the average customer.

    Attributes:
        feature: what it is about, such as `recency`, or a type of touchpoint.
        value: its figure: days, days with a purchase, money, a count.
        contribution: what it adds to the log odds of being lost; below 0, what it takes off them.
        words: the same for people.
    """

    feature: str
    value: float
    contribution: float
    words: str


class RetentionOffer(
    msgspec.Struct, frozen=True, omit_defaults=True, tag_field="family", tag="retention-offer"
):
    """Give a customer who is about to leave a reason to stay.

    Attributes:
        threshold: the risk that was crossed.
        days_since_active: days since the latest purchase.
        offer: what to offer.
        amount: what it is worth.
        currency: ISO 4217 code of the amount.
        stake: value × churn risk, where that sized the offer.
        value_at_risk: what the customer may be expected to spend within the horizon of the churn risk × that
            risk.
        drivers: what makes the risk what it is, the most telling first; at most `MAX_DRIVERS`.
    """

    threshold: float
    days_since_active: float
    offer: str
    amount: float
    currency: str
    stake: float | None = None
    value_at_risk: float | None = None
    drivers: tuple[Driver, ...] = ()
