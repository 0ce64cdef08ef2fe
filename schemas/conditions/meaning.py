"""Meaning: a condition from its text to parts that can be made ready, and what those parts are about."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from schemas.conditions.checking import Scope, check
from schemas.conditions.constancy import refuse_constant
from schemas.conditions.evaluation import Constant, Known, Part, Reference, Step
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


def text_of(part: Part) -> str:
    """A part as it would be written, with no more brackets than it takes."""
    match part:
        case Constant(value=value):
            return _written(value)
        case Reference():
            return str(part)
        case Known(reference=reference):
            return f"has({reference})"
        case Step(operator=sign, parts=parts):
            return _applied(sign, [_within(each) for each in parts])


def _applied(sign: str, parts: list[str]) -> str:
    if sign == "?":
        test, yes, no = parts
        return f"{test} ? {yes} : {no}"
    if sign.isalpha() and sign != "in":
        return f"{parts[0]}.{sign}({', '.join(parts[1:])})"
    return f"{sign}{parts[0]}" if len(parts) == 1 else f" {sign} ".join(parts)


def _within(part: Part) -> str:
    text = text_of(part)
    return f"({text})" if isinstance(part, Step) and len(part.parts) > 1 else text


def _written(value: Any) -> str:
    if isinstance(value, datetime):
        return f'timestamp("{value.isoformat().replace("+00:00", "Z")}")'
    if isinstance(value, timedelta):
        return f'duration("{value.total_seconds():g}s")'
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_written, value))}]"
    return json.dumps(value, ensure_ascii=False)
