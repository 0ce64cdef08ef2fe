"""Arbiter: takes what plays propose through every step that may hold it back, and fires the rest."""

from __future__ import annotations

from collections.abc import Callable

from schemas.playbook import Playbook
from stream.arbitration import consent, validity
from stream.plays.context import Context, Proposal

Step = Callable[[Context, Proposal], str | None]
"""Says why a proposal is held back, by its reason code; None lets it through."""


class Arbiter:
    """Decides between the plays of a playbook.

    The steps, in order: consent (the customer agreed to the purpose), validity (it would not have run
    out already).

    Args:
        playbook: whose plays.
    """

    def __init__(self, playbook: Playbook) -> None:
        self._steps: tuple[Step, ...] = (consent.check, validity.check)

    def settle(self, context: Context) -> None:
        """Fire or hold each proposal, in the order in which they were made."""
        for proposal in context.proposals:
            for step in self._steps:
                if (reason := step(context, proposal)) is not None:
                    context.refuse(proposal, reason)
                    break
            else:
                context.fire(proposal)
        context.proposals = []
