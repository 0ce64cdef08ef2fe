"""Guards: of many plays on one type of touchpoint, those whose condition may hold, without asking each.

Most conditions of many plays hold the same few fields against a value: a category, a hotel, a segment, a
price. Such a field is read once, and what it is held against is looked up, so that a thousand plays on one
type cost little more than those that it is about. So is whether a field is there that plays ask for by `has`.
What this leaves out has a part that is false.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from schemas.conditions.evaluation import ConditionError, Constant, Known, Part, Reference, Step, ready
from stream.plays.context import Context

if TYPE_CHECKING:
    from stream.plays.index import Rule

FEWEST = 4
"""Plays that hold the same field against a value, from which on it is worth looking up."""

Placed = tuple[int, "Rule"]
"""A rule with its place in the playbook."""

Asked = Reference | Known
"""A field, or whether it is there."""

Guard = tuple[Asked, str, Any]
"""What is asked, how, and against which value."""

_EQUAL = ("==", "in")
_OTHER_WAY = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}


class Guards:
    """The plays on one type of touchpoint.

    Args:
        rules: each with all parts of its condition, in the playbook's order; without any, it is always asked.
        read: gives what reads a reference.
    """

    def __init__(
        self,
        rules: Sequence[tuple[Rule, tuple[Part, ...]]],
        read: Callable[[Reference], Callable[[Context], Any]],
    ) -> None:
        guards = [list(_guards_in(parts)) for _, parts in rules]
        common = Counter(asked for each in guards for asked in {guard[0] for guard in each})

        def rank(guard: Guard) -> tuple[bool, bool, int]:
            """What a field is held against tells plays apart; that it is there, they have in common."""
            asked = guard[0]
            return common[asked] >= FEWEST, isinstance(asked, Reference), common[asked]

        self._always: list[Placed] = []
        groups: dict[Asked, _Group] = {}
        for place, ((rule, _), known) in enumerate(zip(rules, guards, strict=True)):
            best = max(known, key=rank, default=None)
            if best is None or common[best[0]] < FEWEST:
                self._always.append((place, rule))
                continue
            asked, sign, value = best
            if asked not in groups:
                groups[asked] = _Group(ready(asked, read))
            there = next((each for each, *_ in known if _is_of(each, asked)), None)
            groups[asked].add((place, rule), sign, value, None if there is None else ready(there, read))
        self._groups = tuple(groups.values())
        self._all = tuple(rule for _, rule in self._always)

    def asked(self, context: Context) -> Sequence[Rule]:
        """The rules whose condition may hold, in the playbook's order."""
        if not self._groups:
            return self._all
        found = [*self._always]
        for group in self._groups:
            group.find(context, found)
        # Places are all different, so that rules are never compared.
        found.sort()
        return [rule for _, rule in found]


class _Group:
    """The rules that hold the same field against a value."""

    def __init__(self, answer: Callable[[Context], Any]) -> None:
        self._answer = answer
        self._unsure: list[Placed] = []
        self._wary: list[Placed] = []
        self._is_there: Callable[[Context], Any] | None = None
        self._equal: dict[Any, list[Placed]] = {}
        self._ordered: dict[str, tuple[list[Any], list[Placed]]] = {}

    def add(
        self, placed: Placed, sign: str, value: Any, is_there: Callable[[Context], Any] | None = None
    ) -> None:
        """Add a rule that holds the field against a value, and may ask before whether it is there."""
        if is_there is None:
            self._unsure.append(placed)
        else:
            self._wary.append(placed)
            self._is_there = is_there
        if sign in _EQUAL:
            for each in dict.fromkeys(value) if sign == "in" else (value,):
                self._equal.setdefault(each, []).append(placed)
        else:
            values, rules = self._ordered.setdefault(sign, ([], []))
            at = bisect_right(values, value)
            values.insert(at, value)
            rules.insert(at, placed)

    def find(self, context: Context, found: list[Placed]) -> None:
        """Add the rules of which this part holds; all where that can't be said, for them to say so."""
        try:
            value = self._answer(context)
        except ConditionError:
            found += self._unsure
            if self._is_there is not None and self._is_there(context):
                # It is of another kind than was asked for.
                found += self._wary
            return
        if self._equal:
            found += self._equal.get(value, ())
        for sign, (values, rules) in self._ordered.items():
            if sign == ">":
                found += rules[: bisect_left(values, value)]
            elif sign == ">=":
                found += rules[: bisect_right(values, value)]
            elif sign == "<":
                found += rules[bisect_right(values, value) :]
            else:
                found += rules[bisect_left(values, value) :]


def _guards_in(parts: Sequence[Part]) -> Iterator[Guard]:
    """The parts that hold a field against a value: which field, how, and against which value."""
    for part in parts:
        match part:
            case Reference():
                yield _key(part), "==", True
            case Known(reference=reference):
                yield Known(_key(reference), 0), "==", True
            case Step(operator="!", parts=(Reference() as reference,)):
                yield _key(reference), "==", False
            case Step(operator=sign, parts=(Reference() as reference, Constant(value=value))) if (
                sign in _OTHER_WAY or sign == "in"
            ):
                yield _key(reference), sign, value
            case Step(operator=sign, parts=(Constant(value=value), Reference() as reference)) if (
                sign in _OTHER_WAY
            ):
                yield _key(reference), _OTHER_WAY[sign], value


def _is_of(known: Asked, asked: Asked) -> bool:
    """Whether the one says if the other is there."""
    if not isinstance(known, Known) or not isinstance(asked, Reference):
        return False
    reference = known.reference
    return (reference.name, reference.arguments) == (asked.name, asked.arguments)


def _key(reference: Reference) -> Reference:
    """The reference wherever it stands."""
    return Reference(reference.name, reference.arguments, reference.kind, 0)
