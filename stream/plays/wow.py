"""Wow: drawn by lot, each with the same chance, and never twice the same."""

from __future__ import annotations

from schemas.cloudevents import deterministic_id
from schemas.duration import millis_of
from schemas.families.wow import Wow, WowPlay
from schemas.playbook import Playbook
from schemas.profile import MAX_SURPRISES, Profile
from stream.plays.context import LATE, Context
from stream.plays.offers import offers_of

FAMILY = "wow"

_LOTS = 2**64
"""How many lots there are; a draw is one of them."""


def lot(play: str, seed: int, *about: str) -> float:
    """What is drawn, from 0 to below 1: always the same for the same play, seed, customer and touchpoint.

    >>> round(lot("treat", 0, "ann", "/app", "e-1"), 6) == round(lot("treat", 0, "ann", "/app", "e-1"), 6)
    True
    """
    digest = deterministic_id("lot", play, str(seed), *about)
    return int(digest[:16], 16) / _LOTS


class WowRule:
    """Decides by lot; a decision that nothing was drawn says what the odds were."""

    def __init__(self, play: WowPlay, playbook: Playbook) -> None:
        self.play = play
        self.types = play.touchpoints
        self._odds = play.odds
        self._seed = play.seed
        self._rest = millis_of(play.rest)
        self._valid_for = millis_of(play.valid_for)
        self._offers = offers_of(play.offers, playbook)
        self._currency = playbook.currency

    def decide(self, context: Context) -> None:
        """Draw, unless it is too late, too soon, or the guest has had all there is."""
        if context.late:
            context.hold(self.play, LATE)
            return
        profile, touchpoint = context.profile, context.touchpoint
        latest = max(profile.surprises.values(), default=None)
        if (latest is not None and context.now - latest < self._rest) or _is_coming(context):
            context.hold(self.play, "cooldown")
            return
        offers = [
            offer
            for offer in self._offers
            if offer.name not in profile.surprises and profile.spent >= offer.min_spent
        ]
        if not offers:
            context.hold(self.play, "no-offer")
            return
        about = (profile.customer, touchpoint.source, touchpoint.id)
        drawn = lot(self.play.play, self._seed, *about)
        if drawn >= self._odds:
            context.hold(self.play, "not-drawn", odds=self._odds)
            return
        # What is left of the draw says which: below the odds it is as evenly spread as before.
        offer = offers[min(int(drawn / self._odds * len(offers)), len(offers) - 1)]
        content = Wow(touchpoint.type, self._odds, offer.name, offer.amount, self._currency)
        context.propose(
            self.play,
            content,
            self._valid_for,
            None,
            on_fired=lambda profile, trigger: self.fired(profile, content, trigger),
        )

    def fired(self, profile: Profile, content: Wow, trigger: str) -> None:
        """Remember what was given, and when."""
        given = {**profile.surprises, content.offer: profile.fired[self.play.play]}
        profile.surprises = latest_of(given)


def _is_coming(context: Context) -> bool:
    """Whether another surprise is proposed at this very moment, or waits to go out."""
    return any(isinstance(proposal.content, Wow) for proposal in context.proposals) or any(
        held.family == FAMILY for held in context.profile.held
    )


def latest_of(given: dict[str, int]) -> dict[str, int]:
    """The surprises that are remembered, in order of time."""
    return dict(sorted(given.items(), key=lambda entry: (entry[1], entry[0]))[-MAX_SURPRISES:])


def merge(profile: Profile, other: Profile) -> None:
    """Take in what another profile of the same customer was given."""
    if other.surprises:
        both = dict(profile.surprises)
        for offer, at in other.surprises.items():
            both[offer] = max(at, both.get(offer, at))
        profile.surprises = latest_of(both)
