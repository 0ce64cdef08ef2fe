"""Recovery offer: the apology that comes before the complaint turns into silence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from schemas.duration import millis_of
from schemas.families.recovery_offer import RecoveryOffer, RecoveryOfferPlay
from schemas.playbook import Playbook
from schemas.profile import Issue, Profile, Timer
from stream import experience, timers
from stream.plays.context import LATE, STALE, Context

ISSUES = ("issue.opened", "issue.closed")
"""Effects by which a timer is set and called off."""

FAMILY = "recovery-offer"


class Choice(NamedTuple):
    """An offer that a play may make.

    Attributes:
        name: the offer's name.
        amount: what it is worth.
        min_severity: from which weight of bad moment on, 0 to 1.
        min_spent: from which money spent on.
    """

    name: str
    amount: float
    min_severity: float
    min_spent: float


def offers_of(names: Sequence[str], playbook: Playbook) -> tuple[Choice, ...]:
    """The offers that a play names, in its order."""
    offers = ((name, playbook.offers[name]) for name in names)
    return tuple(Choice(name, o.amount, o.min_severity, o.min_spent) for name, o in offers)


def choose(offers: Sequence[Choice], severity: float, spent: float) -> Choice | None:
    """The first offer whose floors are met, or None.

    Args:
        offers: in the play's order.
        severity: how bad the moment was, 0 to 1.
        spent: money the customer has spent.
    """
    return next((o for o in offers if severity >= o.min_severity and spent >= o.min_spent), None)


class RecoveryOfferRule:
    """Decides on bad moments: an offer at the first, a person at the second within the window.

    Where nobody has closed an issue by the time that its timer is due, a person calls as well.
    """

    def __init__(self, play: RecoveryOfferPlay, playbook: Playbook) -> None:
        self.play = play
        # A playbook may have several plays of this family.
        self.timer = f"{FAMILY}:{play.play}"
        self._answer_within = millis_of(play.answer_within) if play.answer_within else None
        self.types = tuple(
            type_
            for type_, entry in playbook.catalogue.items()
            if entry.rating is not None
            or entry.weight <= -play.min_severity
            or (self._answer_within is not None and entry.effect in ISSUES)
        )
        self._severity = play.min_severity
        self._window = millis_of(play.window)
        self._cooldown = millis_of(play.cooldown)
        self._valid_for = millis_of(play.valid_for)
        self._offers = offers_of(play.offers, playbook)
        self._currency = playbook.currency

    def decide(self, context: Context) -> None:
        """Fire or hold where the moment was bad enough; time the answer to an issue."""
        if self._answer_within is not None:
            self._time_answer(context, self._answer_within)
        severity = -context.weight
        if severity < self._severity:
            return
        if context.late:
            context.hold(self.play, LATE)
            return
        profile = context.profile
        bad = experience.bad_moments(profile, context.now - self._window, self._severity)
        # A person calls as well when an offer has just gone out: that one did not help.
        escalate = bad >= 2
        if not escalate and context.cooling(self.play.play, self._cooldown):
            context.hold(self.play, "cooldown")
            return
        offer = choose(self._offers, severity, profile.spent)
        if offer is None:
            context.hold(self.play, "no-offer")
            return
        content = RecoveryOffer(
            "escalate" if escalate else "offer",
            context.touchpoint.type,
            round(severity, 6),
            bad,
            offer.name,
            offer.amount,
            self._currency,
        )
        context.propose(self.play, content, self._valid_for, context.opened)

    def expire(self, context: Context, key: str) -> None:
        """Call a person, unless the issue is closed; whether an offer went out before plays no part."""
        profile = context.profile
        issue = next((issue for issue in profile.issues if issue.id == key), None)
        if issue is None or self._answer_within is None:
            return
        if context.is_stale(self._valid_for):
            context.hold(self.play, STALE)
            return
        severity = _severity_of(issue, profile)
        offer = choose(self._offers, severity, profile.spent)
        if offer is None:
            context.hold(self.play, "no-offer")
            return
        content = RecoveryOffer(
            "escalate",
            issue.type,
            round(severity, 6),
            experience.bad_moments(profile, context.now - self._window, self._severity),
            offer.name,
            offer.amount,
            self._currency,
            issue.id,
        )
        context.propose(self.play, content, self._valid_for, issue.id)

    def _time_answer(self, context: Context, within: int) -> None:
        """Set the timer when an issue is opened, call it off when it is closed."""
        if context.closed is not None:
            timers.cancel(context.profile, self.timer, context.closed)
        elif context.opened is not None and not context.late:
            # By the customer's clock; but nothing is decided before that of which it comes.
            due = max(context.touchpoint.time + within, context.now)
            timers.put(context.profile, Timer(due, self.timer, context.opened, context.touchpoint.id))


def _severity_of(issue: Issue, profile: Profile) -> float:
    """How bad the moment was that opened an issue, 0 to 1; 0 where it is off the ledger."""
    weights = (m.weight for m in profile.moments if m.time == issue.opened and m.type == issue.type)
    return max(-next(weights, 0.0), 0.0)
