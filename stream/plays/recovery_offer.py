"""Recovery offer: the apology that comes before the complaint turns into silence."""

from __future__ import annotations

import msgspec

from schemas.decision import Candidate
from schemas.duration import millis_of
from schemas.families.recovery_offer import RecoveryOffer, RecoveryOfferPlay
from schemas.issue import Issue
from schemas.playbook import Playbook
from schemas.profile import Profile
from schemas.recovery import Recovery
from schemas.timer import Timer
from stream import experience, recoveries, timers
from stream.plays.context import LATE, STALE, Context
from stream.plays.offers import offers_of
from stream.plays.stake import sized

RETURNS = ("activity", "booking.confirmed")
"""Effects by which a customer comes back."""

ISSUES = ("issue.opened", "issue.closed")
"""Effects by which a timer is set and called off."""

FAMILY = "recovery-offer"


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
            or entry.effect in RETURNS
        )
        self._returns = frozenset(
            type_ for type_, entry in playbook.catalogue.items() if entry.effect in RETURNS
        )
        self._severity = play.min_severity
        self._window = millis_of(play.window)
        self._cooldown = millis_of(play.cooldown)
        self._valid_for = millis_of(play.valid_for)
        self._offers = offers_of(play.offers, playbook)
        self._sizing = play.sizing
        self._currency = playbook.currency

    def decide(self, context: Context) -> None:
        """Fire or hold where the moment was bad enough; time the answer to an issue."""
        if self._answer_within is not None:
            self._time_answer(context, self._answer_within)
        if context.profile.recoveries and context.touchpoint.type in self._returns:
            self._come_back(context)
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
        expected = context.outlook.expected(profile, context.now)
        offer, stake = sized(self._offers, severity, profile, self._sizing, expected)
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
            stake=stake,
        )
        self._propose(context, content, context.opened)

    def review(self, context: Context) -> None:
        """Note what has become of an offer of this play, and say which bad moment it was for."""
        for place, candidate in enumerate(context.candidates):
            if candidate.play == self.play.play and candidate.trigger is not None:
                known = recoveries.answer(context.profile, candidate.trigger, candidate.reason)
                if known is not None:
                    context.candidates[place] = msgspec.structs.replace(candidate, cause=known.cause)

    def _come_back(self, context: Context) -> None:
        play, family = self.play.play, self.play.family
        for known in recoveries.come_back(context.profile, play, context.touchpoint.time):
            context.candidates.append(
                Candidate(play, family, recoveries.CAME_BACK, trigger=known.trigger, cause=known.cause)
            )

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
        expected = context.outlook.expected(profile, context.now)
        offer, stake = sized(self._offers, severity, profile, self._sizing, expected)
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
            stake,
        )
        self._propose(context, content, issue.id)

    def _propose(self, context: Context, content: RecoveryOffer, issue: str | None) -> None:
        context.propose(
            self.play,
            content,
            self._valid_for,
            issue,
            on_fired=lambda profile, trigger: self.fired(profile, content, trigger),
        )

    def fired(self, profile: Profile, content: RecoveryOffer, trigger: str) -> None:
        """Remember the offer, and what it was to put right."""
        play = self.play.play
        recoveries.make(profile, Recovery(profile.fired[play], trigger, play, content.cause))

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
