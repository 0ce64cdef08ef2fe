"""Slots: what there is room for once on a channel, one play has at a time."""

from __future__ import annotations

from schemas.lifecycle import Issued
from stream.arbitration.lifecycle import LIVE
from stream.plays.context import Context, Proposal

REASON = "outranked"


def check(context: Context, proposal: Proposal) -> str | None:
    """Hold what another trigger has taken the slot of and is not answered or run out yet.

    Of proposals for the same slot at the same moment the one decided on first wins: see `Arbiter`.
    """
    play = proposal.play
    if play.slot is None:
        return None
    taken = any(
        each.slot == play.slot and each.channel == play.channel and _ends(each) > context.now
        for each in context.profile.issued
    )
    return REASON if taken else None


def _ends(issued: Issued) -> int:
    """Until when it has its slot, in ms."""
    return issued.expires if issued.status in LIVE else min(issued.said, issued.expires)
