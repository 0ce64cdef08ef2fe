"""Suppression: no promotions for someone who is angry, has declined them, or has had enough."""

from __future__ import annotations

from typing import Final

from stream.plays.context import Context, Proposal, Refusal

REASON = "suppressed"

OPEN_ISSUE: Final = "open-issue"
DECLINED: Final = "declined"
FATIGUE: Final = "fatigue"

APOLOGY = "recovery-offer"
"""The family that answers an issue: it can't be held back by the very issue that it is about."""


def check(context: Context, proposal: Proposal) -> Refusal | None:
    """Hold promotions while an issue is open, their category is declined, or all of them are too much."""
    profile, play = context.profile, proposal.play
    is_apology = play.family == APOLOGY
    if profile.issues and not is_apology:
        return Refusal(REASON, (OPEN_ISSUE,))
    for reason in profile.suppressed:
        if reason.until <= context.now:
            continue
        if reason.because == DECLINED and reason.about == play.category:
            return Refusal(REASON, (DECLINED,))
        if reason.because == FATIGUE and not is_apology:
            return Refusal(REASON, (FATIGUE,))
    return None
