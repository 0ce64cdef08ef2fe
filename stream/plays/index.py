"""Index: which plays look at which type of touchpoint, found by one look-up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from schemas.conditions.evaluation import Part
from schemas.families import Play
from schemas.families.continuation import ContinuePlay
from schemas.families.entry import EntryPlay
from schemas.families.participation import ParticipationPlay
from schemas.families.play import PlayBase
from schemas.families.recommendation import RecommendationPlay
from schemas.families.recovery_offer import RecoveryOfferPlay
from schemas.families.retention_offer import RetentionOfferPlay
from schemas.families.room_key import RoomKeyPlay
from schemas.families.service_context import ServiceContextPlay
from schemas.families.suppression import SuppressionPlay
from schemas.families.wow import WowPlay
from schemas.playbook import Playbook
from schemas.profile import Profile
from schemas.stay import Booking, Key
from schemas.touchpoint import Touchpoint
from stream.arbitration.budget import Budgets
from stream.arbitration.holding import Fired, Holding
from stream.arbitration.lifecycle import Lifecycle
from stream.plays.conditions import Conditions
from stream.plays.context import Context
from stream.plays.continuation import ContinueRule
from stream.plays.entry import Entry, Gate
from stream.plays.guards import Guards
from stream.plays.participation import ParticipationRule
from stream.plays.recommendation import RecommendationRule
from stream.plays.recovery_offer import RecoveryOfferRule
from stream.plays.retention_offer import RetentionOfferRule
from stream.plays.room_key import RoomKeyRule
from stream.plays.service_context import ServiceContextRule
from stream.plays.suppression import SuppressionRule
from stream.plays.wow import WowRule


class Rule(Protocol):
    """A play made ready to decide."""

    @property
    def play(self) -> PlayBase:
        """The play."""
        ...

    @property
    def types(self) -> tuple[str, ...] | None:
        """The touchpoint types it looks at; None for all."""
        ...

    def decide(self, context: Context) -> None:
        """Fire or hold what the touchpoint is a candidate for; nothing where no condition holds."""
        ...


@runtime_checkable
class RecordingRule(Rule, Protocol):
    """A play that remembers something on the profile, whether or not it is entered.

    Attributes:
        noted: the touchpoint types that it takes note of.
    """

    noted: tuple[str, ...]

    def note(self, profile: Profile, touchpoint: Touchpoint) -> None:
        """Remember what a touchpoint says."""
        ...


@runtime_checkable
class Timed(Protocol):
    """What sets timers: a play, or arbitration.

    Attributes:
        timer: the name of its timers, which nothing else's have.
    """

    timer: str

    def expire(self, context: Context, key: str) -> None:
        """Fire or hold what a timer was set for; nothing where there is no reason for it any more.

        Args:
            context: stands at the time that the timer is due.
            key: what the timer is about.
        """
        ...


@runtime_checkable
class NotingRule(Protocol):
    """A play that notes something of what fires after it was held."""

    def fired(self, profile: Profile, content: Any, trigger: str) -> None:
        """Note what `on_fired` would have noted, had it fired at once.

        Args:
            profile: what is changed.
            content: what is done.
            trigger: the trigger's id.
        """
        ...


@runtime_checkable
class JoiningRule(Protocol):
    """A play that has something to put right when two ids become one customer."""

    def join(self, context: Context, surplus: list[tuple[Booking, Key]]) -> None:
        """Put it right.

        Args:
            context: the profile is the one of both.
            surplus: live keys that have no place in it; who takes them away takes them out.
        """
        ...


_RULES: dict[type, Callable[[Any, Playbook], Rule]] = {
    RoomKeyPlay: RoomKeyRule,
    RecoveryOfferPlay: RecoveryOfferRule,
    SuppressionPlay: SuppressionRule,
    RetentionOfferPlay: RetentionOfferRule,
    ServiceContextPlay: ServiceContextRule,
    WowPlay: WowRule,
    ParticipationPlay: ParticipationRule,
    ContinuePlay: ContinueRule,
    RecommendationPlay: RecommendationRule,
}


def _parts(rule: Rule, type_: str) -> tuple[Part, ...]:
    return rule.parts_for(type_) if isinstance(rule, Entry) else ()


class PlayIndex:
    """The rules of a playbook by touchpoint type, in the playbook's order.

    Attributes:
        gates: what plays that find their own cause ask besides, by the play's name; only those that ask.
        conditions: the conditions of the plays and the segments.
        lifecycle: what happens to the triggers that are out.
        holding: what lets go the proposals that wait.
        budgets: what plays may spend.
        joining: the rules that have something to put right when ids are joined.
        recording: the rules that take note of a type of touchpoint, by type.
    """

    def __init__(self, playbook: Playbook) -> None:
        self.conditions = Conditions(playbook)
        self.gates: dict[str, Gate] = {}
        self._by_timer: dict[str, Timed] = {}
        self._reviews: list[Callable[[Context], None]] = []
        self._notes: dict[str, Fired] = {}
        self.joining: tuple[JoiningRule, ...] = ()
        self.recording: dict[str, tuple[RecordingRule, ...]] = {}
        everywhere: list[Rule] = []
        by_type: dict[str, list[Rule]] = {}
        for play in playbook.plays:
            rule = self._rule(play, playbook)
            for type_ in by_type if rule.types is None else dict.fromkeys(rule.types):
                by_type.setdefault(type_, [*everywhere]).append(rule)
            if rule.types is None:
                everywhere.append(rule)
        self._everywhere = tuple(everywhere)
        self._by_type = {type_: tuple(rules) for type_, rules in by_type.items()}
        self._guards = {
            type_: Guards([(rule, _parts(rule, type_)) for rule in rules], self.conditions.read)
            for type_, rules in by_type.items()
        }
        self.lifecycle = Lifecycle(playbook, self._reviews)
        self.holding = Holding({play.play: play for play in playbook.plays}, self._notes)
        self.budgets = Budgets(playbook)
        self._by_timer[self.budgets.timer] = self.budgets
        self._by_timer |= {self.lifecycle.timer: self.lifecycle, self.holding.timer: self.holding}

    def rules_for(self, type_: str) -> tuple[Rule, ...]:
        """The rules that look at this type of touchpoint."""
        return self._by_type.get(type_, self._everywhere)

    def asked(self, context: Context) -> Sequence[Rule]:
        """The rules that look at the context's touchpoint and whose condition may hold."""
        guards = self._guards.get(context.touchpoint.type)
        return self._everywhere if guards is None else guards.asked(context)

    def rule_of(self, timer: str) -> Timed | None:
        """What timers of this name belong to; None where the playbook has it no more."""
        return self._by_timer.get(timer)

    def _rule(self, play: Play, playbook: Playbook) -> Rule:
        rule = _RULES[type(play)](play, playbook)
        if isinstance(rule, Timed):
            self._by_timer[rule.timer] = rule
        if isinstance(rule, NotingRule):
            self._notes[play.play] = rule.fired
        if isinstance(rule, SuppressionRule | RecoveryOfferRule):
            self._reviews.append(rule.review)
        if isinstance(rule, JoiningRule):
            self.joining += (rule,)
        if isinstance(rule, RecordingRule):
            for type_ in dict.fromkeys(rule.noted):
                self.recording[type_] = (*self.recording.get(type_, ()), rule)
        condition = self.conditions.of(play)
        if isinstance(play, EntryPlay):
            entry = Entry(play, rule, condition, self.conditions.zones)
            if entry.waits:
                self._by_timer[entry.timer] = entry
            return entry
        if condition is not None or play.reentry != "always":
            self.gates[play.play] = Gate(play, condition)
        return rule
