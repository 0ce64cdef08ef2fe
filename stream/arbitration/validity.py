"""Validity: nothing goes out that would have run out before anyone could act on it."""

from __future__ import annotations

from stream.plays.context import STALE, Context, Proposal


def check(context: Context, proposal: Proposal) -> str | None:
    """Hold what would have run out by what time it really is."""
    return STALE if context.is_stale(proposal.valid_for) else None
