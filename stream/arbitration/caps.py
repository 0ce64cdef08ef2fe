"""Caps: no customer gets more than so many triggers within some time."""

from __future__ import annotations

from schemas.duration import millis_of
from schemas.families.play import PlayBase
from schemas.lifecycle import Issued
from schemas.playbook import Playbook
from schemas.timestamp import DAY
from stream.plays.context import Context, Proposal

REASON = "cap"

MEMORY = 30 * DAY
"""How long a trigger is remembered though no cap counts it, in ms, so that its answer finds it: longer than
most triggers are valid."""


class Caps:
    """The caps of a playbook.

    Windows roll, and reach as far ahead of a decision as behind it: so the cap holds as well where time goes
    back, as it does on the event clock when something is told late.

    Args:
        playbook: whose.

    Attributes:
        memory: how long what went out has to be remembered, in ms.
    """

    def __init__(self, playbook: Playbook) -> None:
        self._caps = [
            (cap.channel, cap.category, cap.at_most, millis_of(cap.within)) for cap in playbook.caps
        ]
        self._of = {play.play: self._caps_of(play) for play in playbook.plays}
        self.memory = max((MEMORY, *(within for *_, within in self._caps)))

    def check(self, context: Context, proposal: Proposal) -> str | None:
        """Hold what would be one too many. What is not remembered any more counts as too many."""
        profile, now = context.profile, context.now
        for channel, category, at_most, within in self._of[proposal.play.play]:
            counted = sum(_counts(each, channel, category, now, within) for each in profile.issued)
            if counted >= at_most or now - within < profile.forgotten < now + within:
                return REASON
        return None

    def _caps_of(self, play: PlayBase) -> list[tuple[str | None, str | None, int, int]]:
        """The caps that are about a play: what goes to no customer has none."""
        if play.channel is None:
            return []
        return [
            cap for cap in self._caps if cap[0] in (None, play.channel) and cap[1] in (None, play.category)
        ]


def _counts(issued: Issued, channel: str | None, category: str | None, now: int, within: int) -> bool:
    return (
        issued.channel is not None
        and abs(now - issued.time) < within
        and channel in (None, issued.channel)
        and category in (None, issued.category)
    )
