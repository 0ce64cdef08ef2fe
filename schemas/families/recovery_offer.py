"""Recovery offer: a bad moment is put right before the customer is gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import msgspec

from schemas.duration import Duration
from schemas.families.play import Mistake, PlayBase
from schemas.families.sizing import Sizing
from schemas.nearest import nearest
from schemas.quantities import Name, Severity

if TYPE_CHECKING:
    from schemas.playbook import Playbook


class RecoveryOfferPlay(PlayBase, frozen=True, kw_only=True, tag="recovery-offer"):
    """Put a bad moment right at once; at the second within the window, call a person.

    A person calls as well when nobody has closed an issue within `answer_within`.

    Attributes:
        min_severity: bad moments that weigh less are left alone, above 0, to 1.
        window: within which a second bad moment escalates.
        cooldown: how long after an offer no further one is made (an escalation is).
        offers: names of offers; the first whose floors are met is made, so the last should have none.
        valid_for: how long the trigger may be acted on.
        answer_within: how long an issue may stay open before a person calls; None for ever.
        sizing: how much the offer may be worth by what is at stake; None where the floors alone decide.
    """

    min_severity: Severity
    window: Duration
    cooldown: Duration
    offers: tuple[Name, ...]
    valid_for: Duration
    answer_within: Duration | None = None
    sizing: Sizing | None = None

    def mistakes(self, playbook: Playbook) -> Iterator[Mistake]:
        """What could never fire, and offers that there are not."""
        yield from missing_offers(self.offers, playbook)
        if self.answer_within is not None:
            effects = {entry.effect for entry in playbook.catalogue.values()}
            for effect in ("issue.opened", "issue.closed"):
                if effect not in effects:
                    yield ["answer_within"], f"nothing in the catalogue has effect `{effect}`"


def missing_offers(offers: tuple[str, ...], playbook: Playbook) -> Iterator[Mistake]:
    """What is wrong with the offers that a play names."""
    if not offers:
        yield ["offers"], "`offers` is empty, so it could never fire"
    for place, offer in enumerate(offers):
        if offer not in playbook.offers:
            yield ["offers", place], f"there is no offer `{offer}`{nearest(offer, playbook.offers)}"


class RecoveryOffer(
    msgspec.Struct, frozen=True, omit_defaults=True, tag_field="family", tag="recovery-offer"
):
    """Apologise and put it right; on `escalate`, a person calls.

    Attributes:
        action: `offer`; `escalate` at the second bad moment within the window, or when nobody has closed
            an issue in time.
        cause: type of the touchpoint that was the bad moment.
        severity: how bad, 0 to 1.
        bad_moments: how many within the window, this one included.
        offer: what to offer.
        amount: what it is worth.
        currency: ISO 4217 code of the amount.
        unanswered: id of the issue that nobody has closed in time, where that is why a person is to call.
        stake: severity × value × churn risk, where that sized the offer.
        unfunded: whether the budget had not enough left: whoever calls has nothing to give.
    """

    action: Literal["offer", "escalate"]
    cause: str
    severity: float
    bad_moments: int
    offer: str
    amount: float
    currency: str
    unanswered: str | None = None
    stake: float | None = None
    unfunded: bool = False
