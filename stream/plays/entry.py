"""Entry: when a play is entered whose family has no cause of its own, and with which condition.

Its rule is asked for content only once the touchpoint enters it, the condition holds and the re-entry policy
lets the customer in. At an absence there is no touchpoint: parts of the condition that name `event` are asked
when the wait begins, all others when it is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from functools import partial
from typing import TYPE_CHECKING

from schemas.conditions.evaluation import ConditionError, Part
from schemas.families.entry import EntryPlay
from schemas.families.play import PlayBase
from schemas.touchpoint import MAX_ID, Touchpoint
from stream.arbitration import holding, holdout, lifecycle
from stream.plays.absence import Wait, timer_of
from stream.plays.conditions import Condition
from stream.plays.context import FIRED, LATE, Context
from stream.plays.reentry import REASON as REENTRY
from stream.plays.reentry import Reentry
from stream.plays.sequence import Sequence

if TYPE_CHECKING:
    from stream.plays.index import Rule

CONDITION_ERROR = "condition-error"
CANCELLED = "cancelled"
NO_KEY = "no-key"

ENTERED = frozenset((FIRED, holdout.REASON))
"""What became of a proposal whose customer has entered: it went out, or was left out on purpose."""


class Gate:
    """What a play asks that finds its own cause: its condition, its segment, and its re-entry policy.

    Args:
        play: the play.
        condition: what has to hold; None for nothing.
    """

    def __init__(self, play: PlayBase, condition: Condition | None) -> None:
        self._play = play
        self._condition = condition
        self._reentry = Reentry(play)

    def admits(self, context: Context) -> bool:
        """Whether the customer is let in; if not, all is said."""
        if not holds(self._play, self._condition, context):
            return False
        if self._reentry.allows(context.profile, "", context.now):
            return True
        context.say(self._play, REENTRY)
        return False

    def enter(self, context: Context, place: int) -> None:
        """Note that the customer enters with the candidate at a place, once it is decided."""
        if not self._reentry.always:
            context.entered.append(partial(note, self._reentry, "", self._play.play, place))


def holds(play: PlayBase, condition: Condition | None, context: Context) -> bool:
    """Whether a play's condition holds; a play whose condition can't be answered is passed over."""
    if condition is None:
        return True
    try:
        return bool(condition.holds(context))
    except ConditionError:
        context.say(play, CONDITION_ERROR)
        return False


def note(reentry: Reentry, key: str, play: str, place: int, context: Context) -> None:
    """Remember that a customer has entered a play, if what came of it from a place on is that, or waits."""
    profile = context.profile
    if any(each.play == play and each.reason in ENTERED for each in context.candidates[place:]) or any(
        held.play == play for held in profile.held
    ):
        reentry.note(context.profile, key, context.now)


class Entry:
    """A play with its rule and all that has to hold before that is asked.

    Args:
        play: the play.
        rule: makes what is proposed.
        condition: what has to hold; None for nothing.
        zones: time zones of the hotels.
    """

    def __init__(
        self, play: EntryPlay, rule: Rule, condition: Condition | None, zones: Mapping[str, tzinfo]
    ) -> None:
        self.play = play
        self._rule = rule
        self._by = play.by
        self._condition = condition
        self._reentry = Reentry(play)
        self._touchpoints = frozenset(play.touchpoints)
        self._cancelled_by = frozenset(play.cancelled_by)
        self._wait = None if play.absence is None else Wait(play, play.absence, zones)
        self._sequence = None if play.sequence is None else Sequence(play.play, play.sequence)
        self._steps = frozenset(play.sequence.steps) if play.sequence is not None else frozenset[str]()
        self.waits = self._wait is not None
        self.timer = timer_of(play.play)
        absence = play.absence
        own = {*play.touchpoints, *play.cancelled_by, *self._steps}
        if absence is not None:
            own |= {*absence.after, *absence.unless}
        self._own = frozenset(own)
        self.types = tuple(sorted(own.union(rule.types or ())))

    def parts_for(self, type_: str) -> tuple[Part, ...]:
        """All of which have to hold for anything to come of a type of touchpoint."""
        return self._condition.parts if self._condition is not None and type_ in self._touchpoints else ()

    def decide(self, context: Context) -> None:
        """Take the touchpoint as what it is to this play, and ask the rule where the play is entered."""
        touchpoint = context.touchpoint
        type_ = touchpoint.type
        if type_ in self._touchpoints:
            self._enter(context, touchpoint)
            return
        if type_ not in self._own:
            # The family looks at it for reasons of its own.
            self._rule.decide(context)
            return
        key = self._key_of(touchpoint)
        if type_ in self._cancelled_by:
            self._cancel(context, key)
        if self._wait is not None:
            self._wait_for(context, self._wait, key)
        elif type_ in self._steps and self._sequence is not None:
            if key is None:
                context.say(self.play, NO_KEY)
            elif not context.late and self._sequence.advance(context.profile, touchpoint, key):
                self._enter(context, touchpoint)

    def expire(self, context: Context, key: str) -> None:
        """Enter the play, unless what it waited for has happened."""
        if self._wait is not None and self._wait.is_over(context.profile, key, context.touchpoint):
            self._admit(context, key, self._condition and self._condition.afterwards)

    def _enter(self, context: Context, touchpoint: Touchpoint) -> None:
        key = "" if self._by is None else self._key_of(touchpoint)
        if key is None and self._reentry.per_key:
            context.say(self.play, NO_KEY)
        else:
            self._admit(context, key or "", self._condition)

    def _admit(self, context: Context, key: str, condition: Condition | None) -> None:
        """Ask the rule, if the condition holds, the touchpoint is no late one, and the policy allows it."""
        if condition is not None and not holds(self.play, condition, context):
            return
        reentry = self._reentry
        if context.late:
            context.say(self.play, LATE)
        elif not (reentry.always or reentry.allows(context.profile, key, context.now)):
            context.say(self.play, REENTRY)
        else:
            place = len(context.candidates)
            context.about = key or None
            self._rule.decide(context)
            context.about = None
            if not reentry.always:
                context.entered.append(partial(note, reentry, key, self.play.play, place))

    def _wait_for(self, context: Context, wait: Wait, key: str | None) -> None:
        """Begin the wait, or end it."""
        type_, profile = context.touchpoint.type, context.profile
        if wait.ends_with(type_):
            if key is not None:
                # However late we hear of it: what happened in time happened.
                wait.end(profile, context.touchpoint, key)
        elif wait.begins_with(type_):
            if key is None:
                context.say(self.play, NO_KEY)
            elif (
                not context.late
                and self._reentry.allows(profile, key, context.now)
                and holds(self.play, self._condition and self._condition.beforehand, context)
            ):
                wait.begin(profile, context.touchpoint, key, context.now)

    def _cancel(self, context: Context, key: str | None) -> None:
        """Call off what is pending; with no key, or by a play that goes by none, all of it."""
        had = False
        happened = context.touchpoint.time
        if self._wait is not None:
            had = self._wait.call_off(context.profile, key, happened)
        if self._sequence is not None:
            had = self._sequence.forget(context.profile, key, happened)
        if holding.drop(context.profile, self.play.play, key or None):
            had = True
        lifecycle.revoke(context, self.play.play, key or None)
        if had:
            context.say(self.play, CANCELLED)

    def _key_of(self, touchpoint: Touchpoint) -> str | None:
        """What a touchpoint is about, by the play's field; None where it does not say so."""
        if self._by is None:
            return ""
        key = touchpoint.data.get(self._by)
        if key.__class__ is int:
            key = str(key)
        return key if isinstance(key, str) and 0 < len(key) <= MAX_ID else None
