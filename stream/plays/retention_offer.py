"""Retention offer: a reason to stay, before the customer is gone."""

from __future__ import annotations

from schemas.duration import millis_of
from schemas.families.retention_offer import RetentionOffer, RetentionOfferPlay
from schemas.playbook import Playbook
from schemas.timestamp import DAY
from stream.plays.context import LATE, Context
from stream.plays.offers import offers_of
from stream.plays.stake import sized


class RetentionOfferRule:
    """Decides whenever a customer's risk is past the threshold and no offer has answered it yet.

    Hysteresis: having fired, it waits until the risk was below `leave` once.
    """

    types = None
    """Any touchpoint can be the one at which the risk crosses."""

    def __init__(self, play: RetentionOfferPlay, playbook: Playbook) -> None:
        self.play = play
        self._enter = play.enter
        self._leave = play.leave
        self._min_active_days = play.min_active_days
        self._cooldown = millis_of(play.cooldown)
        self._valid_for = millis_of(play.valid_for)
        self._offers = offers_of(play.offers, playbook)
        self._sizing = play.sizing
        self._currency = playbook.currency

    def decide(self, context: Context) -> None:
        """Fire or hold where the risk is past the threshold."""
        profile = context.profile
        risk = profile.risk
        if profile.at_risk:
            if risk < self._leave:
                profile.at_risk = False
            return
        if risk < self._enter or profile.active_days < self._min_active_days:
            return
        if context.late or profile.issues:
            # Stays a candidate: once the issue is closed, the next touchpoint decides anew.
            context.hold(self.play, LATE if context.late else "suppressed")
            return
        if not context.admits(self.play):
            return
        profile.at_risk = True
        if context.cooling(self.play.play, self._cooldown):
            context.hold(self.play, "cooldown")
            return
        now, outlook = context.now, context.outlook
        expected = outlook.expected(profile, now)
        offer, stake = sized(self._offers, 1.0, profile, self._sizing, expected)
        if offer is None:
            context.hold(self.play, "no-offer")
            return
        content = RetentionOffer(
            self._enter,
            round((now - profile.last_active) / DAY, 3),
            offer.name,
            offer.amount,
            self._currency,
            stake,
            outlook.value_at_risk(profile, now, risk),
            outlook.drivers(profile, now),
        )
        context.propose(self.play, content, self._valid_for, None)
