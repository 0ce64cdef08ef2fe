"""Checking: a condition held against the vocabulary and a playbook, from a tree to parts of known kinds."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, get_args

from schemas.conditions.evaluation import Constant, Known, Part, Reference, Step
from schemas.conditions.syntax import Call, ConditionMistake, Listing, Literal, Name, Node, Operation
from schemas.conditions.vocabulary import (
    FUNCTIONS,
    KINDS,
    METHODS,
    NOW,
    STAGES,
    STATUSES,
    VARIABLES,
    Kind,
    Parameter,
    Variable,
    Words,
)
from schemas.duration import Duration, millis_of
from schemas.nearest import nearest

MAX_FIELDS = 4
"""Deepest field of a touchpoint's data that can be named, such as `event.cart.shipping.city.zone`."""

_DURATION = re.compile(get_args(Duration)[1].pattern)

_ORDERED: tuple[Kind, ...] = ("number", "text", "time", "length", "any")


@dataclass(frozen=True, slots=True)
class Scope:
    """What a condition can name of a playbook.

    Attributes:
        types: the catalogue's touchpoint types.
        entering: of which of them `event` can be.
        segments: names of segments.
        plays: names of plays.
        properties: ids of hotels.
        is_segment: whether it is a segment's condition: that is about the customer, not about an event.
    """

    types: Collection[str]
    entering: Collection[str]
    segments: Collection[str]
    plays: Collection[str]
    properties: Collection[str]
    is_segment: bool = False

    def words(self, words: Words) -> Collection[str]:
        """All that a text can be."""
        return {
            "type": self.entering,
            "stage": STAGES,
            "status": STATUSES,
            "property": self.properties,
        }[words]


def check(node: Node, scope: Scope) -> Part:
    """The condition with all kinds known.

    Raises:
        ConditionMistake: it names what there is not, or holds against each other what can't be.
    """
    part = _Checker(scope).part(node)
    return _as(part, "truth", "a condition")


def variable_of(reference: Reference) -> Variable | None:
    """What the vocabulary says of a field; None for functions and the touchpoint's own data."""
    if reference.name == "now":
        return NOW
    root, _, field = reference.name.partition(".")
    return VARIABLES.get(root, {}).get(field)


class _Checker:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def part(self, node: Node) -> Part:  # noqa: PLR0911 - one for each kind of node
        match node:
            case Literal(value=value, at=at):
                return Constant(value, _kind_of(value), at)
            case Listing():
                return self._listing(node)
            case Name():
                return self._name(node)
            case Call(function="has", target=None):
                return self._has(node)
            case Call(target=None):
                return self._call(node)
            case Call():
                return self._method(node)
            case Operation():
                return self._operation(node)

    def _listing(self, node: Listing) -> Part:
        values = []
        for item in node.items:
            if not isinstance(item, Literal):
                raise ConditionMistake("only what is written out may stand in a list", item.at)
            values.append(item)
        if not values:
            raise ConditionMistake("the list is empty: nothing is in it", node.at)
        first = _kind_of(values[0].value)
        for item in values:
            if (kind := _kind_of(item.value)) != first:
                raise ConditionMistake(f"{KINDS[kind]} in a list of another kind", item.at)
        return Constant(tuple(item.value for item in values), "list", node.at)

    def _name(self, node: Name) -> Part:
        root, *fields = node.path
        if root == "now" and not fields:
            return Reference("now", (), "time", node.at)
        if root not in VARIABLES:
            raise ConditionMistake(f"`{root}` is not known{_meant(root)}", node.at)
        if root == "event" and self._scope.is_segment:
            raise ConditionMistake("a segment is about the customer: there is no `event` in it", node.at)
        if not fields:
            raise ConditionMistake(
                f"`{root}` alone is nothing: name a field of it, such as `{root}.{_first(root)}`", node.at
            )
        if root == "event" and fields[0] == "data":
            # The long way, for a field whose name is taken.
            return self._data(fields[1:], node.at)
        known = VARIABLES[root]
        if fields[0] in known:
            if len(fields) > 1:
                raise ConditionMistake(f"`{root}.{fields[0]}` has no fields", node.at)
            return Reference(f"{root}.{fields[0]}", (), known[fields[0]].kind, node.at)
        if root != "event":
            raise ConditionMistake(f"`{root}` has no field `{fields[0]}`{nearest(fields[0], known)}", node.at)
        return self._data(fields, node.at)

    def _data(self, fields: list[str], at: int) -> Part:
        if not fields:
            raise ConditionMistake("`event.data` alone is nothing: name a field of it", at)
        if len(fields) > MAX_FIELDS:
            raise ConditionMistake(f"`event` is named more than {MAX_FIELDS} fields deep", at)
        return Reference("event", tuple(fields), "any", at)

    def _has(self, node: Call) -> Part:
        if len(node.arguments) != 1 or not isinstance(node.arguments[0], Name):
            raise ConditionMistake("`has` asks for one field, as in `has(event.coupon)`", node.at)
        name = node.arguments[0]
        if name.path == ("booking",):
            name = Name(("booking", "id"), name.at)
        reference = self._name(name)
        assert isinstance(reference, Reference)
        variable = variable_of(reference)
        if variable is not None and not variable.optional:
            raise ConditionMistake(f"`{reference}` is always there: `has` says nothing", node.at)
        return Known(reference, node.at)

    def _call(self, node: Call) -> Part:
        name, at = node.function, node.at
        if name == "size":
            return self._method(
                Call(name, node.arguments[1:], at, node.arguments[0] if node.arguments else None)
            )
        if name not in FUNCTIONS:
            if name in VARIABLES or name == "now":
                raise ConditionMistake(f"`{name}` is no function: write it without ( )", at)
            raise ConditionMistake(
                f"there is no function `{name}`{nearest(name, [*FUNCTIONS, 'has', *METHODS])}", at
            )
        function = FUNCTIONS[name]
        if not function.required <= len(node.arguments) <= len(function.parameters):
            wanted = ", ".join(function.parameters) or "nothing"
            raise ConditionMistake(f"`{name}` is given {wanted}, not {len(node.arguments)} values", at)
        arguments = [
            self._argument(parameter, argument)
            for parameter, argument in zip(function.parameters, node.arguments, strict=False)
        ]
        if name in ("duration", "timestamp"):
            return Constant(arguments[0], function.kind, at)
        return Reference(name, tuple(arguments), function.kind, at)

    def _argument(self, parameter: Parameter, node: Node) -> Any:
        if not isinstance(node, Literal):
            raise ConditionMistake(f"the {parameter} has to be written out, as it is checked now", node.at)
        value, at = node.value, node.at
        if parameter == "severity":
            if isinstance(value, bool | str) or not 0 < value <= 1:
                raise ConditionMistake("the severity is a number above 0, to 1", at)
            return value
        if not isinstance(value, str) or not value:
            raise ConditionMistake(f"the {parameter} is a text", at)
        return self._word(parameter, value, at)

    def _word(self, parameter: Parameter, value: str, at: int) -> Any:
        known: dict[str, tuple[Collection[str], str]] = {
            "type": (self._scope.types, "is not in the catalogue"),
            "segment": (self._scope.segments, "is no segment"),
            "play": (self._scope.plays, "is no play"),
            "property": (self._scope.properties, "is none of the properties"),
        }
        if parameter in known:
            words, problem = known[parameter]
            if value not in words:
                raise ConditionMistake(f"`{value}` {problem}{nearest(value, words)}", at)
        elif parameter == "duration":
            if not _DURATION.search(value):
                raise ConditionMistake(
                    f"`{value}` is no length of time: write it as `30m`, `12h` or `7d`", at
                )
            return timedelta(milliseconds=millis_of(value))
        elif parameter == "time":
            return _moment(value, at)
        return value

    def _method(self, node: Call) -> Part:
        name, at = node.function, node.at
        if name not in METHODS:
            if name in FUNCTIONS:
                raise ConditionMistake(f"`{name}` stands by itself: write `{name}(…)`", at)
            raise ConditionMistake(f"there is no function `.{name}`{nearest(name, METHODS)}", at)
        wanted = 0 if name == "size" else 1
        if node.target is None or len(node.arguments) != wanted:
            raise ConditionMistake(f"`{name}` is given {wanted + (node.target is None)} values", at)
        target = self.part(node.target)
        if name == "size":
            if target.kind not in ("text", "list", "any"):
                raise ConditionMistake(f"`size` is of a text or a list, not of {KINDS[target.kind]}", at)
            return Step("size", (target,), "number", at)
        parts = (_as(target, "text", f"`{name}`"), _as(self.part(node.arguments[0]), "text", f"`{name}`"))
        return Step(name, parts, "truth", at)

    def _operation(self, node: Operation) -> Part:
        sign, at = node.operator, node.at
        parts = [self.part(each) for each in node.operands]
        if sign in ("&&", "||", "!"):
            return Step(sign, tuple(_as(each, "truth", f"`{sign}`") for each in parts), "truth", at)
        if sign == "?":
            test, (yes, no) = (
                _as(parts[0], "truth", "what stands before `?`"),
                _alike(parts[1], parts[2], sign, at),
            )
            return Step(sign, (test, yes, no), yes.kind, at)
        if sign == "in":
            return self._in(parts[0], parts[1], at)
        if sign in ("==", "!=", "<", "<=", ">", ">="):
            left, right = _alike(parts[0], parts[1], sign, at)
            if left.kind == "list" or (sign not in ("==", "!=") and left.kind not in _ORDERED):
                raise ConditionMistake(f"`{sign}` can't be asked of {KINDS[left.kind]}", at)
            self._possible(left, right)
            self._possible(right, left)
            return Step(sign, (left, right), "truth", at)
        return _arithmetic(sign, parts, at)

    def _in(self, item: Part, holder: Part, at: int) -> Part:
        holder = _as(holder, "list", "what stands behind `in`")
        if item.kind in ("list", "time", "length"):
            raise ConditionMistake(f"`in` can't be asked of {KINDS[item.kind]}", at)
        if isinstance(holder, Constant):
            item, _ = _alike(item, Constant(holder.value[0], _kind_of(holder.value[0]), holder.at), "in", at)
            for value in holder.value:
                self._possible(item, Constant(value, item.kind, holder.at))
        return Step("in", (item, holder), "truth", at)

    def _possible(self, part: Part, other: Part) -> None:
        """Refuse a word that a text can never be."""
        if not isinstance(part, Reference) or not isinstance(other, Constant):
            return
        variable = variable_of(part)
        if variable is None or variable.words is None:
            return
        words = self._scope.words(variable.words)
        if other.value not in words:
            raise ConditionMistake(
                f"`{part}` is never `{other.value}`{nearest(str(other.value), words)}", other.at
            )


def _arithmetic(sign: str, parts: list[Part], at: int) -> Part:
    if len(parts) == 1:
        kind: Kind = "length" if parts[0].kind == "length" else "number"
        return Step(sign, (_as(parts[0], kind, "`-`"),), kind, at)
    left, right = parts
    if sign == "%":
        raise ConditionMistake("`%` is not there: numbers are not whole ones here", at)
    kinds = (left.kind, sign, right.kind)
    results: dict[tuple[Kind, str, Kind], Kind] = {
        ("text", "+", "text"): "text",
        ("time", "+", "length"): "time",
        ("length", "+", "time"): "time",
        ("length", "+", "length"): "length",
        ("time", "-", "length"): "time",
        ("time", "-", "time"): "length",
        ("length", "-", "length"): "length",
    }
    if kinds in results:
        return Step(sign, (left, right), results[kinds], at)
    if sign == "+" and "text" in (left.kind, right.kind):
        return Step(sign, (_as(left, "text", "`+`"), _as(right, "text", "`+`")), "text", at)
    return Step(sign, (_as(left, "number", f"`{sign}`"), _as(right, "number", f"`{sign}`")), "number", at)


def _as(part: Part, kind: Kind, where: str) -> Part:
    """The part as of a kind: what only the data tell is asked for as such."""
    if part.kind == kind:
        return part
    if part.kind == "any" and isinstance(part, Reference):
        return replace(part, kind=kind)
    raise ConditionMistake(f"{where} needs {KINDS[kind]}, and this is {KINDS[part.kind]}", part.at)


def _alike(left: Part, right: Part, sign: str, at: int) -> tuple[Part, Part]:
    """Both as of the same kind."""
    if left.kind == right.kind:
        return left, right
    if isinstance(left, Reference) and left.kind == "any":
        return replace(left, kind=right.kind), right
    if isinstance(right, Reference) and right.kind == "any":
        return left, replace(right, kind=left.kind)
    raise ConditionMistake(f"`{sign}` holds {KINDS[left.kind]} against {KINDS[right.kind]}", at)


def _kind_of(value: str | float | bool) -> Kind:  # noqa: FBT001 - a literal's value
    if isinstance(value, bool):
        return "truth"
    return "text" if isinstance(value, str) else "number"


def _moment(value: str, at: int) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConditionMistake(f"`{value}` is no moment: write it as `2026-12-24T00:00:00+09:00`", at)
    return moment


def _meant(word: str) -> str:
    """What was meant by a name that is not known: most often a field whose owner is left out."""
    owners = [f"{root}.{word}" for root, fields in VARIABLES.items() if word in fields]
    if word in FUNCTIONS:
        owners.append(f"{word}(…)")
    return f" (did you mean `{owners[0]}`?)" if owners else nearest(word, [*VARIABLES, "now"])


def _first(root: str) -> str:
    return next(iter(VARIABLES[root]))
