"""Index: which plays look at which type of touchpoint, found by one look-up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from schemas.playbook import Playbook, RecoveryOfferPlay, RetentionOfferPlay, RoomKeyPlay, SuppressionPlay
from stream.plays.context import Context
from stream.plays.recovery_offer import RecoveryOfferRule
from stream.plays.retention_offer import RetentionOfferRule
from stream.plays.room_key import RoomKeyRule
from stream.plays.suppression import SuppressionRule


class Rule(Protocol):
    """A play made ready to decide.

    Attributes:
        play: the play's name.
    """

    play: str

    @property
    def types(self) -> tuple[str, ...] | None:
        """The touchpoint types it looks at; None for all."""
        ...

    def decide(self, context: Context) -> None:
        """Fire or hold what the touchpoint is a candidate for; nothing where no condition holds."""
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

    def rules_for(self, type_: str) -> tuple[Rule, ...]:
        """The rules that look at this type of touchpoint."""
        return self._by_type.get(type_, self._anywhere)
