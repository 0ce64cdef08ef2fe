"""Index: which plays look at which type of touchpoint, found by one look-up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from schemas.families.play import PlayBase
from schemas.families.recovery_offer import RecoveryOfferPlay
from schemas.families.retention_offer import RetentionOfferPlay
from schemas.families.room_key import RoomKeyPlay
from schemas.families.suppression import SuppressionPlay
from schemas.playbook import Playbook
from stream.plays.context import Context
from stream.plays.recovery_offer import RecoveryOfferRule
from stream.plays.retention_offer import RetentionOfferRule
from stream.plays.room_key import RoomKeyRule
from stream.plays.suppression import SuppressionRule


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
class TimedRule(Rule, Protocol):
    """A play that sets timers.

    Attributes:
        timer: the name of its timers, which no other play's have.
    """

    timer: str

    def expire(self, context: Context, key: str) -> None:
        """Fire or hold what a timer was set for; nothing where there is no reason for it any more.

        Args:
            context: stands at the time that the timer is due.
            key: what the timer is about.
        """
        ...


_RULES: dict[type, Callable[[Any, Playbook], Rule]] = {
    RoomKeyPlay: RoomKeyRule,
    RecoveryOfferPlay: RecoveryOfferRule,
    SuppressionPlay: SuppressionRule,
    RetentionOfferPlay: RetentionOfferRule,
}


class PlayIndex:
    """The rules of a playbook by touchpoint type, in the playbook's order."""

    def __init__(self, playbook: Playbook) -> None:
        rules = [_RULES[type(play)](play, playbook) for play in playbook.plays]
        self._anywhere = tuple(rule for rule in rules if rule.types is None)
        types = {type_ for rule in rules for type_ in rule.types or ()}
        self._by_type = {
            type_: tuple(rule for rule in rules if rule.types is None or type_ in rule.types)
            for type_ in types
        }
        self._by_timer = {rule.timer: rule for rule in rules if isinstance(rule, TimedRule)}

    def rules_for(self, type_: str) -> tuple[Rule, ...]:
        """The rules that look at this type of touchpoint."""
        return self._by_type.get(type_, self._anywhere)

    def rule_of(self, timer: str) -> TimedRule | None:
        """The rule that timers of this name belong to; None where the playbook has it no more."""
        return self._by_timer.get(timer)
