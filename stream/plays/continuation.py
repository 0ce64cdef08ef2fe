"""Continue: what was begun in one channel is offered in the next, once."""

from __future__ import annotations

from schemas.duration import millis_of
from schemas.families.continuation import Continue, ContinuePlay
from schemas.playbook import Playbook
from schemas.profile import Profile
from schemas.timestamp import to_datetime
from schemas.touchpoint import MAX_ID, Touchpoint
from stream import begun
from stream.plays.context import LATE, Context

FAMILY = "continue"


class ContinueRule:
    """Decides where a guest turns up in a channel, and something was left in another one."""

    def __init__(self, play: ContinuePlay, playbook: Playbook) -> None:
        self.play = play
        self.types = play.touchpoints
        self.noted = (*play.begun_by, *play.ended_by)
        self._begun_by = frozenset(play.begun_by)
        self._by = play.by
        self._thing = play.thing
        self._within = millis_of(play.within)
        self._valid_for = millis_of(play.valid_for)

    def note(self, profile: Profile, touchpoint: Touchpoint) -> None:
        """Remember what was begun, where it was left, and what was ended."""
        named = touchpoint.data.get(self._by)
        if named.__class__ is int:
            named = str(named)
        reference = named if isinstance(named, str) and len(named) <= MAX_ID else ""
        key = begun.key_of(self._thing, reference)
        if touchpoint.type not in self._begun_by:
            begun.end(profile, key, touchpoint.time)
        elif reference:
            begun.leave(profile, key, touchpoint.time, (touchpoint.channel or "")[:MAX_ID], touchpoint.type)

    def decide(self, context: Context) -> None:
        """Offer to go on with what was left last, unless that was offered before."""
        here = context.touchpoint.channel
        if not here or not context.profile.begun:
            # Where the guest is nobody knows, so nobody can say that it is elsewhere.
            return
        found = begun.latest_open(context.profile, self._thing, context.now - self._within, here)
        if found is None:
            return
        reference, left = found
        if context.late:
            context.hold(self.play, LATE)
            return
        if left.offered or self._is_coming(context, reference):
            context.hold(self.play, "already-asked")
            return
        content = Continue(self._thing, reference, left.channel, to_datetime(left.left), left.type, here)
        context.propose(
            self.play,
            content,
            self._valid_for,
            reference,
            on_fired=lambda profile, trigger: self.fired(profile, content, trigger),
        )

    def fired(self, profile: Profile, content: Continue, trigger: str) -> None:
        """Remember that it was offered."""
        begun.offer(profile, begun.key_of(self._thing, content.reference))

    def _is_coming(self, context: Context, reference: str) -> bool:
        """Whether the same was proposed by another play just now, or waits to go out."""
        return any(
            isinstance(proposal.content, Continue) and proposal.content.reference == reference
            for proposal in context.proposals
        ) or any(held.family == FAMILY and held.correlation == reference for held in context.profile.held)
