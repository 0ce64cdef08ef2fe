"""Constancy: whether a condition, or a part of it, says the same whatever the data.

It is a proof, not a sample. Every field and function that a part names, if only held against values that
are written out, is tried with one value of each stretch between those values, within what the vocabulary
says that it can be; fields of the data also with nothing. If the answers to all combinations are the same,
or none can be given, the part is constant, as the data can hold nothing else. What is reckoned with, and
what needs more than `MAX_CASES` combinations, is let pass: that is what can't be proved here. Fields are
taken as independent of one another, which may let a constant part pass but never refuses one that is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice, pairwise, product
from typing import Any

from schemas.conditions.checking import Scope, variable_of
from schemas.conditions.evaluation import (
    CLASSES,
    ConditionError,
    Constant,
    Known,
    Part,
    Reference,
    Step,
    ready,
)
from schemas.conditions.syntax import ConditionMistake
from schemas.conditions.vocabulary import FUNCTIONS, Function, Variable

MAX_CASES = 1024
"""Combinations that are tried for a part: about a millisecond, and enough for five fields held against a
value each."""

Key = tuple[str, tuple[Any, ...]]
"""A reference whatever it is asked for as."""

_MISSING = object()

_INSTANT = timedelta(milliseconds=1)

_HELD = frozenset(("<", "<=", ">", ">=", "==", "!=", "in"))
_LOGIC = frozenset(("&&", "||", "!", "?"))


def refuse_constant(part: Part, scope: Scope) -> None:
    """Refuse a condition of which a part always says the same.

    Raises:
        ConditionMistake: where it stands, and what it says.
    """
    # The smallest one first: that is where the mistake is.
    for each in _truths(part):
        if isinstance(each, Reference):
            continue
        if isinstance(each, Constant):
            raise ConditionMistake(
                f"`{str(each.value).lower()}` is always the same, so it decides nothing", each.at
            )
        if (answers := _answers(each, scope)) is not None and len(answers) < 2:
            always = "never answered" if not answers else "always true" if True in answers else "never true"
            raise ConditionMistake(f"this is {always}, whatever the data", _start(each))


def _truths(part: Part) -> Iterator[Part]:
    """The part and all parts in it that are true or false, the smallest first."""
    if isinstance(part, Step):
        for each in part.parts:
            # What something is held against is rightly the same.
            if part.operator in _LOGIC or not isinstance(each, Constant):
                yield from _truths(each)
    if part.kind == "truth":
        yield part


def _start(part: Part) -> int:
    """Where a part begins."""
    return min((part.at, *map(_start, part.parts))) if isinstance(part, Step) else part.at


def _answers(part: Part, scope: Scope) -> set[bool] | None:
    """All that a part can say; None where that is not known."""
    held: dict[Key, list[Any]] = {}
    kinds: dict[Key, Reference] = {}
    if not _collect(part, held, kinds):
        return None
    values = [_values(kinds[key], held[key], scope) for key in held]
    if math.prod(len(each) for each in values) > MAX_CASES:
        return None
    answer = ready(part, _read)
    answers = set()
    for case in product(*values):
        try:
            answers.add(bool(answer(dict(zip(held, case, strict=True)))))
        except ConditionError:
            continue
        if len(answers) == 2:
            break
    return answers


def _read(reference: Reference) -> Callable[[Mapping[Key, Any]], Any]:
    key = (reference.name, reference.arguments)

    def read(case: Mapping[Key, Any]) -> Any:
        value = case[key]
        if value is _MISSING or (reference.kind != "any" and value.__class__ not in CLASSES[reference.kind]):
            raise ConditionError("missing")
        return value

    return read


def _collect(  # noqa: PLR0911 - one for each kind of part
    part: Part, held: dict[Key, list[Any]], kinds: dict[Key, Reference]
) -> bool:
    """Note what each reference is held against; whether that is all that is done with any of them."""
    match part:
        case Constant():
            return True
        case Known(reference=reference):
            _note(reference, (), held, kinds)
            return True
        case Reference():
            _note(part, (True, False), held, kinds)
            return part.kind == "truth"
        case Step(operator=sign, parts=(Reference() as reference, Constant(value=value))) if sign in _HELD:
            _note(reference, value if sign == "in" else (value,), held, kinds)
            return reference.kind != "list"
        case Step(operator=sign, parts=(Constant(value=value), Reference() as reference)) if sign in _HELD:
            _note(reference, (value,), held, kinds)
            return reference.kind != "list"
        case Step(operator=sign, parts=parts) if sign in _LOGIC or all(
            isinstance(p, Constant) for p in parts
        ):
            return all(_collect(each, held, kinds) for each in parts)
    return False


def _note(
    reference: Reference, values: tuple[Any, ...], held: dict[Key, list[Any]], kinds: dict[Key, Reference]
) -> None:
    key = (reference.name, reference.arguments)
    held.setdefault(key, []).extend(values)
    if kinds.setdefault(key, reference).kind == "any":
        kinds[key] = reference


def _values(reference: Reference, held: list[Any], scope: Scope) -> list[Any]:
    """One value of each stretch that a reference's can be in."""
    known: Variable | Function | None = variable_of(reference) or FUNCTIONS.get(reference.name)
    values: list[Any] = []
    if isinstance(known, Variable) and known.words is not None:
        words = scope.words(known.words)
        values = [word for word in dict.fromkeys(held) if word in words]
        values += islice((word for word in words if word not in values), 1)
    else:
        # What only the data tell may be held against values of several kinds.
        if reference.kind == "truth" or any(isinstance(each, bool) for each in held):
            values += [True, False]
        numbers = {each for each in held if isinstance(each, int | float) and not isinstance(each, bool)}
        if numbers or reference.kind == "number":
            # One of which only `has` asks may still be any number.
            values += _numbers(numbers or {0.0}, known)
        if times := {each for each in held if isinstance(each, datetime)}:
            values += sorted({each + by for each in times for by in (-_INSTANT, timedelta(0), _INSTANT)})
        texts = sorted({each for each in held if isinstance(each, str)})
        # Texts are ordered too: before, at, and behind each.
        values += ["", *texts, *(f"{text}\x00" for text in texts), "\U0010ffff" * 8]
    if known is None or getattr(known, "optional", False):
        values.append(_MISSING)
    return values


def _numbers(held: Collection[float], known: Variable | Function | None) -> list[float]:
    low, high, whole = (
        (known.low, known.high, known.whole) if known is not None else (-math.inf, math.inf, False)
    )
    ends = [end for end in (low, high) if math.isfinite(end)]
    near: set[float]
    if whole:
        near = {math.floor(each) + step for each in (*held, *ends) for step in (-1, 0, 1, 2)}
    else:
        points = sorted({*held, *ends})
        near = {*points, *((one + two) / 2 for one, two in pairwise(points))}
        near |= {points[0] - 1.0, points[-1] + 1.0}
    return sorted(each for each in near if low <= each <= high)
