"""Evaluation: a checked condition, made ready to be answered over and over.

It becomes functions of whatever the names are read from, one inside the other: some 0.1 µs for each name.
CEL's own library for Python, in Rust, takes eight times that, as each value has to be carried across; the
tests hold the answers against it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from schemas.conditions.vocabulary import Kind

T = TypeVar("T")

Answer = Callable[[T], Any]
"""What answers a part of a condition, from what the names are read from."""


class ConditionError(Exception):
    """A condition can't be answered: something is missing, or not of the kind that was asked for.

    The message names fields, never what is in them.
    """


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that is known beforehand."""

    value: Any
    kind: Kind
    at: int


@dataclass(frozen=True, slots=True)
class Reference:
    """Something that the data tell: a field, or a function with what it is given.

    Attributes:
        name: such as `profile.spent` or `count`; `event` for the touchpoint's own data.
        arguments: what the function is given; the way into the data.
        kind: of what kind it is, or is asked for.
        at: where it stands, in characters.
    """

    name: str
    arguments: tuple[Any, ...]
    kind: Kind
    at: int

    def __str__(self) -> str:
        if self.name == "event":
            return f"event.{'.'.join(self.arguments)}"
        if "." in self.name or self.name == "now":
            return self.name
        return f"{self.name}({', '.join(repr(each) for each in self.arguments)})"


@dataclass(frozen=True, slots=True)
class Known:
    """Whether something is there: `has(…)`."""

    reference: Reference
    at: int
    kind: Literal["truth"] = "truth"


@dataclass(frozen=True, slots=True)
class Step:
    """An operator or a method, with the parts that it is applied to."""

    operator: str
    parts: tuple[Part, ...]
    kind: Kind
    at: int


Part = Constant | Reference | Known | Step

Read = Callable[[Reference], Answer[Any]]
"""Gives what reads a reference; what it gives raises `ConditionError` where there is nothing."""

CLASSES: dict[Kind, tuple[type, ...]] = {
    "number": (int, float),
    "text": (str,),
    "truth": (bool,),
    "time": (datetime,),
    "length": (timedelta,),
    "list": (list, tuple),
}
"""Of which class the values of a kind are; exactly, as to Python a truth is a number."""


def ready(part: Part, read: Read) -> Answer[Any]:  # noqa: PLR0911 - one for each kind of part
    """The function that answers a part.

    Args:
        part: the whole condition, or a part of it.
        read: gives what reads each of its references.
    """
    match part:
        case Constant(value=value):
            return lambda _: value
        case Reference():
            return read(part)
        case Known(reference=reference):
            return _known(read(reference))
        case Step(operator=sign, parts=(left, Constant(value=value))) if sign in _WITH and left.kind != "any":
            # Most conditions hold a field against a number or a word: that is one call less.
            return _WITH[sign](ready(left, read), value)
        case Step(operator=sign, parts=parts):
            answers = [ready(each, read) for each in parts]
            if sign in _LOGIC:
                return _LOGIC[sign](*answers)
            if any(each.kind == "any" for each in parts) and sign in _UNSURE:
                return _applied(_UNSURE[sign], *answers)
            return _applied(_SURE[sign], *answers)


def _known(answer: Answer[Any]) -> Answer[Any]:
    def known(source: Any) -> bool:
        try:
            answer(source)
        except ConditionError:
            return False
        return True

    return known


def _and(left: Answer[Any], right: Answer[Any]) -> Answer[Any]:
    def both(source: Any) -> bool:
        try:
            return bool(left(source) and right(source))
        except ConditionError:
            # As CEL has it: what is false whatever the other part would say is false.
            if _is(right, source, said=False):
                return False
            raise

    return both


def _or(left: Answer[Any], right: Answer[Any]) -> Answer[Any]:
    def either(source: Any) -> bool:
        try:
            return bool(left(source) or right(source))
        except ConditionError:
            if _is(right, source, said=True):
                return True
            raise

    return either


def _is(answer: Answer[Any], source: Any, *, said: bool) -> bool:
    try:
        return bool(answer(source)) is said
    except ConditionError:
        return False


def _not(part: Answer[Any]) -> Answer[Any]:
    return lambda source: not part(source)


def _choice(test: Answer[Any], yes: Answer[Any], no: Answer[Any]) -> Answer[Any]:
    return lambda source: yes(source) if test(source) else no(source)


_LOGIC: dict[str, Callable[..., Answer[Any]]] = {"&&": _and, "||": _or, "!": _not, "?": _choice}

_WITH: dict[str, Callable[[Answer[Any], Any], Answer[Any]]] = {
    "<": lambda answer, value: lambda source: answer(source) < value,
    "<=": lambda answer, value: lambda source: answer(source) <= value,
    ">": lambda answer, value: lambda source: answer(source) > value,
    ">=": lambda answer, value: lambda source: answer(source) >= value,
    "==": lambda answer, value: lambda source: answer(source) == value,
    "!=": lambda answer, value: lambda source: answer(source) != value,
    "in": lambda answer, value: lambda source: answer(source) in value,
}
"""How a value of a kind that is sure is held against one that is known beforehand."""


def _alike(one: Any, other: Any) -> bool:
    numbers = CLASSES["number"]
    return one.__class__ is other.__class__ or (one.__class__ in numbers and other.__class__ in numbers)


def _same(one: Any, other: Any) -> bool:
    return _alike(one, other) and bool(one == other)


def _within(one: Any, others: Any) -> bool:
    return any(_same(one, other) for other in others)


def _ordered(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], bool]:
    def compared(one: Any, other: Any) -> bool:
        if not _alike(one, other) or not isinstance(one, int | float | str) or isinstance(one, bool):
            raise ConditionError("two values of different kinds can't be compared")
        return bool(compare(one, other))

    return compared


def _size(value: Any) -> int:
    if value.__class__ not in (str, list, tuple):
        raise ConditionError("only a text and a list have a size")
    return len(value)


_UNSURE: dict[str, Callable[..., Any]] = {
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
    "==": _same,
    "!=": lambda one, other: not _same(one, other),
    "in": _within,
}
"""What is done with values of which only the data tell the kind."""

_SURE: dict[str, Callable[..., Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "in": _within,
    "+": operator.add,
    "*": operator.mul,
    "/": operator.truediv,
    "-": lambda one, *other: one - other[0] if other else -one,
    "contains": lambda text, part: part in text,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "size": _size,
}


def _applied(function: Callable[..., Any], *answers: Answer[Any]) -> Answer[Any]:
    def applied(source: Any) -> Any:
        values = [answer(source) for answer in answers]
        try:
            return function(*values)
        except ArithmeticError:
            raise ConditionError(
                "a division by zero, or a result beyond what a number or a time holds"
            ) from None

    return applied
