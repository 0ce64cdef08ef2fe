"""Wow: a good moment that nobody expected; who gets it is drawn by lot, the same for all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec

from schemas.duration import Duration
from schemas.families.entry import EntryPlay
from schemas.families.play import Mistake
from schemas.families.recovery_offer import missing_offers
from schemas.quantities import Name

if TYPE_CHECKING:
    from schemas.playbook import Playbook

Odds = Annotated[float, msgspec.Meta(gt=0, le=1)]
Seed = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]


class WowPlay(EntryPlay, frozen=True, kw_only=True, tag="wow"):
    """Surprise a few of those who enter, within a budget; each has the same chance.

    A guest gets nothing twice, and nothing within `rest` of the surprise before, whichever play it came of.

    Attributes:
        odds: share of entries that win, above 0, to 1.
        offers: names of offers; one that the guest has not had yet, and whose floors are met, is drawn.
        rest: how long after a surprise the same guest gets no other.
        seed: which lot is drawn; with another one, others win.
    """

    odds: Odds
    offers: tuple[Name, ...]
    rest: Duration
    seed: Seed = 0

    def mistakes(self, playbook: Playbook) -> Iterator[Mistake]:
        """What could never fire, and offers that there are not."""
        yield from super().mistakes(playbook)
        yield from missing_offers(self.offers, playbook)
        for place, name in enumerate(self.offers):
            offer = playbook.offers.get(name)
            if offer is not None and offer.min_severity > 0:
                yield ["offers", place], f"`{name}` is for a bad moment (`min_severity`), and this is none"


class Wow(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="family", tag="wow"):
    """Give something, just so.

    Attributes:
        occasion: type of the touchpoint at which it was drawn.
        odds: the chance that it had, above 0, to 1.
        offer: what to give.
        amount: what it is worth.
        currency: ISO 4217 code of the amount.
    """

    occasion: str
    odds: float
    offer: str
    amount: float
    currency: str
