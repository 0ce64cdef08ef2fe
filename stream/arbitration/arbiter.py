"""Arbiter: takes what plays propose through every step that may hold it back, and fires the rest."""

from __future__ import annotations

from collections.abc import Callable

from schemas.playbook import Playbook
from stream.arbitration import consent, holding, lifecycle, slots, suppression, validity
from stream.arbitration.budget import Budgets
from stream.arbitration.caps import Caps
from stream.arbitration.critical import is_critical
from stream.arbitration.holdout import Holdout
from stream.arbitration.quiet_hours import QuietHours
from stream.plays.context import Context, Deferral, Proposal, Refusal

Step = Callable[[Context, Proposal], str | Refusal | Deferral | Proposal | None]
"""Says why a proposal is held back, by its reason code, or what it has to wait for; None lets it through, and
a proposal goes on in its place."""


class Arbiter:
    """Decides between the plays of a playbook.

    The steps, in order: consent (the customer agreed to the purpose), suppression (nothing speaks against
    promotions), holdout (the customer is not among those who get nothing), validity (it would not have run
    out already), caps (it would not be one too many), quiet hours (the customer is awake), budget (there is
    money for it), slots (nothing else has its place). A service that was asked for passes only consent,
    validity and budget.

    Args:
        playbook: whose plays.
        budgets: what they may spend.
    """

    def __init__(self, playbook: Playbook, budgets: Budgets) -> None:
        self._budgets = budgets
        caps = Caps(playbook)
        self._memory = caps.memory
        self._steps: tuple[Step, ...] = (
            consent.check,
            suppression.check,
            Holdout(playbook).check,
            validity.check,
            caps.check,
            QuietHours(playbook).check,
            budgets.check,
            slots.check,
        )
        self._critical_steps: tuple[Step, ...] = (consent.check, validity.check, budgets.check)

    def settle(self, context: Context) -> None:
        """Fire or hold each proposal: the one with the greatest priority first, else the first one made.

        What fires takes its room before the next is decided on.
        """
        proposals = context.proposals
        if len(proposals) > 1:
            proposals = sorted(proposals, key=_rank)
        for proposal in proposals:
            critical = is_critical(proposal)
            for step in self._critical_steps if critical else self._steps:
                verdict = step(context, proposal)
                if verdict is None:
                    continue
                if isinstance(verdict, Proposal):
                    proposal = verdict  # noqa: PLW2901 - it takes its place
                    continue
                if isinstance(verdict, Deferral):
                    holding.hold(context, proposal, verdict)
                elif isinstance(verdict, Refusal):
                    context.refuse(proposal, verdict.reason, verdict.failed)
                else:
                    context.refuse(proposal, verdict)
                break
            else:
                self._fire(context, proposal, critical=critical)
        context.proposals = []

    def _fire(self, context: Context, proposal: Proposal, *, critical: bool) -> None:
        # Whatever the steps are: nothing leaves for a purpose that is not agreed to.
        if consent.check(context, proposal) is not None:
            context.refuse(proposal, consent.VIOLATION)
            return
        trigger = context.fire(proposal)
        self._budgets.fired(context, proposal, trigger.id)
        lifecycle.enter(context.profile, trigger, proposal, is_critical=critical, memory=self._memory)


def _rank(proposal: Proposal) -> tuple[int, int]:
    return (-proposal.play.priority, proposal.place)
