"""Meaning: a condition from its text to parts that can be made ready, and what those parts are about."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.conditions.checking import Scope, check
from schemas.conditions.constancy import refuse_constant
from schemas.conditions.evaluation import Known, Part, Reference, Step
from schemas.conditions.syntax import parse


def meaning(text: str, scope: Scope) -> Part:
    """What a condition says.

    Raises:
        ConditionMistake: it is none, names what there is not, or always says the same.
    """
    part = check(parse(text), scope)
    refuse_constant(part, scope)
    return part


def references_in(part: Part) -> Iterator[Reference]:
    """Every field and function that a part names."""
    match part:
        case Reference():
            yield part
        case Known(reference=reference):
            yield reference
        case Step(parts=parts):
            for each in parts:
                yield from references_in(each)


def segments_in(part: Part) -> tuple[str, ...]:
    """The segments that a part names."""
    return tuple(each.arguments[0] for each in references_in(part) if each.name == "in_segment")


def names_event(part: Part) -> bool:
    """Whether a part names the touchpoint."""
    return any(each.name.partition(".")[0] == "event" for each in references_in(part))


def conjuncts(part: Part) -> tuple[Part, ...]:
    """The parts all of which have to hold, in order."""
    if isinstance(part, Step) and part.operator == "&&":
        return tuple(each for half in part.parts for each in conjuncts(half))
    return (part,)
