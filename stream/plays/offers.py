"""Offers: what a play may offer, the best one first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from schemas.playbook import Playbook


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
