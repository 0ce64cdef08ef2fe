"""Consent: nothing goes out for a purpose that the customer has not agreed to."""

from __future__ import annotations

from stream import permissions
from stream.plays.context import Context, Proposal

REASON = "consent"


def check(context: Context, proposal: Proposal) -> str | None:
    """Hold what is for a purpose that is not agreed to; no word is no.

    What takes something back, or holds something back, needs nobody's consent.
    """
    purpose = proposal.play.purpose
    if purpose is None or proposal.protects or permissions.agreed(context.profile, purpose):
        return None
    return REASON
