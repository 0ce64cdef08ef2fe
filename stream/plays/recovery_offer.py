"""Recovery offer: the apology that comes before the complaint turns into silence."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.playbook import Offer, Playbook, RecoveryOfferPlay, millis_of
from schemas.trigger import RecoveryOffer
from stream import experience
from stream.plays.context import LATE, Context

FAMILY = "recovery-offer"


def choose(offers: Sequence[Offer], severity: float, spent: float) -> Offer | None:
    """The first offer whose floors are met, or None.

    Args:
        offers: in the playbook's order.
        severity: how bad the moment was, 0 to 1.
        spent: money the customer has spent.
    """
    return next((o for o in offers if severity >= o.min_severity and spent >= o.min_spent), None)


class RecoveryOfferRule:
    """Decides on bad moments: an offer at the first, a person at the second within the window."""

    def __init__(self, play: RecoveryOfferPlay, playbook: Playbook) -> None:
        self.play = play.play
        self.types = tuple(
            type_
            for type_, entry in playbook.catalogue.items()
            if entry.rating is not None or entry.weight <= -play.min_severity
        )
        self._severity = play.min_severity
        self._window = millis_of(play.window)
        self._cooldown = millis_of(play.cooldown)
        self._valid_for = millis_of(play.valid_for)
        self._offers = play.offers
        self._currency = playbook.currency

    def decide(self, context: Context) -> None:
        """Fire or hold where the moment was bad enough."""
        severity = -context.weight
        if severity < self._severity:
            return
        if context.late:
            context.hold(self.play, FAMILY, LATE)
            return
        profile = context.profile
        bad = experience.bad_moments(profile, context.now - self._window, self._severity)
        # A person calls as well when an offer has just gone out: that one did not help.
        escalate = bad >= 2
        if not escalate and context.cooling(self.play, self._cooldown):
            context.hold(self.play, FAMILY, "cooldown")
            return
        offer = choose(self._offers, severity, profile.spent)
        if offer is None:
            context.hold(self.play, FAMILY, "no-offer")
            return
        content = RecoveryOffer(
            "escalate" if escalate else "offer",
            context.touchpoint.type,
            round(severity, 6),
            bad,
            offer.offer,
            offer.amount,
            self._currency,
        )
        context.fire(self.play, FAMILY, content, self._valid_for, context.opened)
