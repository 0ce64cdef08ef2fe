"""Participation: asked when the moment was good, and not again for a while."""

from __future__ import annotations

from schemas.duration import millis_of
from schemas.families.participation import Participation, ParticipationPlay
from schemas.playbook import Playbook
from schemas.profile import MAX_ASKED, Profile
from stream import experience, permissions
from stream.plays.context import LATE, Context


class ParticipationRule:
    """Decides at moments that are good enough: the touchpoint itself, and all of late in sum."""

    def __init__(self, play: ParticipationPlay, playbook: Playbook) -> None:
        self.play = play
        self.types = play.touchpoints
        self._min_weight = play.min_weight
        self._min_score = play.min_score
        self._again_after = millis_of(play.again_after)
        self._valid_for = millis_of(play.valid_for)
        self._thing = play.thing
        self._same = frozenset(
            other.play
            for other in playbook.plays
            if isinstance(other, ParticipationPlay) and other.thing == play.thing
        )

    def decide(self, context: Context) -> None:
        """Ask, unless the guest is in no mood for it, was asked, or has given it."""
        play, profile, now = self.play, context.profile, context.now
        if self._min_weight is not None and context.weight < self._min_weight:
            return
        asked = profile.asked.get(self._thing)
        if context.late:
            context.hold(play, LATE)
        elif experience.score(profile, now) < self._min_score:
            context.hold(play, "mood")
        elif play.consent is not None and permissions.agreed(profile, play.consent, play.over):
            context.hold(play, "already-given")
        elif (asked is not None and now - asked < self._again_after) or self._is_coming(context):
            context.hold(play, "already-asked")
        else:
            self._propose(context)

    def fired(self, profile: Profile, content: Participation, trigger: str) -> None:
        """Remember that it was asked, and when."""
        profile.asked = latest_of({**profile.asked, self._thing: profile.fired[self.play.play]})

    def _propose(self, context: Context) -> None:
        play = self.play
        content = Participation(
            play.ask, context.touchpoint.type, play.benefit, play.consent, play.over, play.data
        )
        context.propose(
            play,
            content,
            self._valid_for,
            None,
            on_fired=lambda profile, trigger: self.fired(profile, content, trigger),
        )

    def _is_coming(self, context: Context) -> bool:
        """Whether the same thing is about to be asked at this very moment, or waits to go out."""
        proposed = (proposal.play.play for proposal in context.proposals)
        held = (held.play for held in context.profile.held)
        return any(play in self._same for play in (*proposed, *held))


def latest_of(asked: dict[str, int]) -> dict[str, int]:
    """What is remembered of what was asked, in order of time."""
    return dict(sorted(asked.items(), key=lambda entry: (entry[1], entry[0]))[-MAX_ASKED:])


def merge(profile: Profile, other: Profile) -> None:
    """Take in what another profile of the same customer was asked."""
    if other.asked:
        both = dict(profile.asked)
        for thing, at in other.asked.items():
            both[thing] = max(at, both.get(thing, at))
        profile.asked = latest_of(both)
