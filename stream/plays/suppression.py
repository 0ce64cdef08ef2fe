"""Suppression: no promotion for someone who is angry, on any channel, until it is settled."""

from __future__ import annotations

from schemas.duration import millis_of
from schemas.families.suppression import Suppression, SuppressionPlay
from schemas.playbook import Playbook
from stream.plays.context import Context


class SuppressionRule:
    """Decides on issues: the first open one starts it, the last closed one ends it."""

    def __init__(self, play: SuppressionPlay, playbook: Playbook) -> None:
        self.play = play
        self.types = tuple(
            type_
            for type_, entry in playbook.catalogue.items()
            if entry.effect in ("issue.opened", "issue.closed")
        )
        self._valid_for = millis_of(play.valid_for)

    def decide(self, context: Context) -> None:
        """Fire or hold where an issue was opened or closed."""
        issue = context.opened or context.closed
        if issue is None:
            return
        open_issues = len(context.profile.issues)
        # The first order may have run out while its issue was open: then the next issue renews it.
        if context.opened and open_issues > 1 and context.cooling(self.play.play, self._valid_for):
            context.hold(self.play, "already-suppressed")
            return
        if context.closed and open_issues > 0:
            context.hold(self.play, "other-issue-open")
            return
        # However late we hear of it: what is held back or let through is the state of now.
        content = Suppression("start" if context.opened else "end", "open-issue", issue, open_issues)
        context.propose(
            self.play, content, self._valid_for, issue, protects=True, ends=context.closed is not None
        )
