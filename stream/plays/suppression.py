"""Suppression: no promotion for someone who is angry, has declined it or has had enough, on any channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from schemas.duration import millis_of
from schemas.families.suppression import Suppression, SuppressionPlay
from schemas.lifecycle import Issued
from schemas.playbook import Playbook
from schemas.profile import Profile
from schemas.suppression import MAX_SUPPRESSED, Suppressed
from schemas.timer import Timer
from stream import timers
from stream.arbitration.lifecycle import ACCEPTED, DECLINED, IGNORED
from stream.arbitration.suppression import FATIGUE, OPEN_ISSUE
from stream.plays.context import EXPIRED, Context

FAMILY = "suppression"


class SuppressionRule:
    """Decides on issues, and on what becomes of triggers.

    The first open issue starts it, the last closed one ends it. A category that was declined is held back
    until the time that the play gives it is over, or the customer accepts something of it; everything is,
    where too much was ignored or declined lately. A timer ends what ends by time.
    """

    def __init__(self, play: SuppressionPlay, playbook: Playbook) -> None:
        self.play = play
        # Not the play's name, as there is one play of this family: renamed, it still ends what it began.
        self.timer = FAMILY
        self.types = tuple(
            type_
            for type_, entry in playbook.catalogue.items()
            if entry.effect in ("issue.opened", "issue.closed")
        )
        self._valid_for = millis_of(play.valid_for)
        self._declined_for = millis_of(play.declined_for)
        fatigue = play.fatigue
        self._fatigue = None
        if fatigue is not None:
            self._fatigue = (fatigue.at_most, millis_of(fatigue.within), millis_of(fatigue.lasts))

    def decide(self, context: Context) -> None:
        """Fire or hold where an issue was opened or closed."""
        issue = context.opened or context.closed
        if issue is None:
            return
        open_issues = len(context.profile.issues)
        # The first order may have run out while its issue was open: then the next issue renews it.
        if context.opened and open_issues > 1 and self._holds(context.profile, context.now):
            context.hold(self.play, "already-suppressed")
            return
        if context.closed and open_issues > 0:
            context.hold(self.play, "other-issue-open")
            return
        # However late we hear of it: what is held back or let through is the state of now.
        if context.opened:
            _put(context.profile, Suppressed(context.now + self._valid_for, OPEN_ISSUE, "", context.now))
        else:
            _remove(context.profile, OPEN_ISSUE, "")
        content = Suppression("start" if context.opened else "end", OPEN_ISSUE, issue, open_issues)
        context.propose(
            self.play, content, self._valid_for, issue, protects=True, ends=context.closed is not None
        )

    def review(self, context: Context) -> None:
        """Start or end what follows from what became of the customer's triggers."""
        profile, now = context.profile, context.now
        for category, latest in _latest_words(profile.issued).items():
            known = _find(profile, DECLINED, category)
            until = latest.said + self._declined_for
            if latest.status == DECLINED and until > now and (known is None or known.until < until):
                self._start(context, Suppressed(until, DECLINED, category, latest.said))
            elif latest.status == ACCEPTED and known is not None and known.since < latest.said:
                self._end(context, known)
        if self._fatigue is not None:
            at_most, within, lasts = self._fatigue
            known = _find(profile, FATIGUE, "")
            tired = sum(_is_unwanted(each) and now - within < each.said for each in profile.issued)
            if tired >= at_most and (known is None or known.until <= now):
                self._start(context, Suppressed(now + lasts, FATIGUE, "", now))
        _time_end(profile, context.touchpoint.id)

    def expire(self, context: Context, key: str) -> None:
        """End what has lasted its time."""
        for known in context.profile.suppressed:
            if known.because != OPEN_ISSUE and known.until <= context.now:
                self._end(context, known)
        _time_end(context.profile, context.touchpoint.id)

    def _start(self, context: Context, reason: Suppressed) -> None:
        _put(context.profile, reason)
        self._propose(context, "start", reason, reason.until - context.now)

    def _end(self, context: Context, reason: Suppressed) -> None:
        _remove(context.profile, reason.because, reason.about)
        self._propose(context, "end", reason, self._valid_for)

    def _propose(
        self, context: Context, action: Literal["start", "end"], reason: Suppressed, valid_for: int
    ) -> None:
        because: Literal["declined", "fatigue"] = "declined" if reason.because == DECLINED else "fatigue"
        open_issues = len(context.profile.issues)
        content = Suppression(action, because, None, open_issues, reason.about or None)
        context.propose(self.play, content, valid_for, None, protects=True, ends=action == "end")

    def _holds(self, profile: Profile, now: int) -> bool:
        """Whether an order to hold back because of an issue has not run out yet."""
        known = _find(profile, OPEN_ISSUE, "")
        return known is not None and known.until > now


def merge(profile: Profile, other: Profile) -> None:
    """Hold back as well what another profile of the same customer holds back, as long as either would."""
    for reason in other.suppressed:
        known = _find(profile, reason.because, reason.about)
        if known is None or known < reason:
            _put(profile, reason)
    if any(reason.because == OPEN_ISSUE for reason in profile.suppressed) and not profile.issues:
        _remove(profile, OPEN_ISSUE, "")
    if profile.suppressed:
        _time_end(profile, profile.customer)


def _latest_words(issued: Sequence[Issued]) -> dict[str, Issued]:
    """Of each category the trigger that was accepted or declined last; of two at once a declined one."""
    latest: dict[str, Issued] = {}
    for each in issued:
        if each.category is not None and each.status in (ACCEPTED, DECLINED):
            known = latest.get(each.category, each)
            latest[each.category] = max(known, each, key=lambda one: (one.said, one.status == DECLINED))
    return latest


def _is_unwanted(issued: Issued) -> bool:
    """Whether a customer has got something and did not want it."""
    if issued.channel is None:
        return False
    return issued.status in (DECLINED, IGNORED) or (issued.status == EXPIRED and issued.delivered)


def _find(profile: Profile, because: str, about: str) -> Suppressed | None:
    return next((r for r in profile.suppressed if r.because == because and r.about == about), None)


def _put(profile: Profile, reason: Suppressed) -> None:
    others = [r for r in profile.suppressed if (r.because, r.about) != (reason.because, reason.about)]
    profile.suppressed = tuple(sorted((*others, reason))[-MAX_SUPPRESSED:])


def _remove(profile: Profile, because: str, about: str) -> None:
    if profile.suppressed:
        profile.suppressed = tuple(r for r in profile.suppressed if (r.because, r.about) != (because, about))


def _time_end(profile: Profile, touchpoint: str) -> None:
    """Set the timer to when the first of what ends by time does, or call it off."""
    ends = [reason.until for reason in profile.suppressed if reason.because != OPEN_ISSUE]
    if ends:
        timers.put(profile, Timer(min(ends), FAMILY, "", touchpoint))
    else:
        timers.cancel(profile, FAMILY, "")
