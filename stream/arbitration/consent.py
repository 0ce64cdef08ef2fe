"""Consent: nothing goes out for a purpose that the customer has not agreed to."""

from __future__ import annotations

from stream import permissions
from stream.plays.context import Context, Proposal

REASON = "consent"

VIOLATION = "consent-violation"
"""Reason code of what every step let through though it is not agreed to: a fault of ours, held back at
the last moment and counted."""


def check(context: Context, proposal: Proposal) -> str | None:
    """Hold what is for a purpose that is not agreed to on the play's channel; no word is no.

    A play without a channel may reach the customer by any: the purpose has to be agreed to for all of them.
    What takes something back, or holds something back, needs nobody's consent.
    """
    play = proposal.play
    if play.purpose is None or proposal.protects:
        return None
    return None if permissions.agreed(context.profile, play.purpose, play.channel) else REASON
