"""Critical: what is a service that was asked for, and not something to be sold."""

from __future__ import annotations

from schemas.families.recovery_offer import RecoveryOffer
from stream.plays.context import Proposal

FAMILIES = frozenset(("room-key", "service-context", "suppression"))
"""Families that a guest before a door, or whoever talks to a customer, waits for."""


def is_critical(proposal: Proposal) -> bool:
    """Whether a proposal must not wait and competes with nothing: a key, a context, a person who calls."""
    content = proposal.content
    return proposal.play.family in FAMILIES or (
        isinstance(content, RecoveryOffer) and content.action == "escalate"
    )
