"""Objects: what a River model is made of, as plain numbers, and back; nothing that is read can run.

River's trees have no snapshot but Python's own serialisation, which runs what it reads. Here each object is
written down by the name of its class and its state, and only classes of River and a few containers are made
again: no function is called but those that make such an object and those that give it its state.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable, Mapping
from functools import partial
from importlib import import_module
from math import isfinite
from random import Random
from typing import Any

_CONTAINERS: Mapping[str, type] = {
    f"{kind.__module__}:{kind.__qualname__}": kind
    for kind in (Counter, OrderedDict, defaultdict, deque, partial, Random, float, int, dict, list, set)
}
"""Classes outside of River that its models are made of."""

_HOME = "river."
"""What the modules of all other classes begin with."""

_WORDS = {"none": None, "true": True, "false": False, "inf": float("inf"), "-inf": -float("inf")}
"""What JSON, or the rule that a snapshot's numbers are finite, has no place for. Texts begin with '='."""

_LEFT_OUT = {"river.proba.gaussian:Gaussian": ("_rng",)}
"""State that is not kept: a generator seeded by chance, 2,500 bytes of each, by which nobody ever draws."""

DEEPEST = 200
"""Objects within objects: a tree of ten levels takes some forty."""


def written(root: object) -> list[Any]:
    """An object and all that it is made of, as a list that JSON can hold; the root is the last.

    Raises:
        TypeError: it holds something that could not be read again.
    """
    return _Writer().written(root)


def read(objects: Iterable[Any]) -> Any:
    """The object that `written` wrote down.

    Raises:
        ValueError: this is no such list, or it names a class that River's models are not made of.
    """
    try:
        return _Reader(list(objects)).root()
    except ValueError:
        raise
    except (ArithmeticError, AttributeError, ImportError, LookupError, RecursionError, TypeError) as error:
        raise ValueError(f"the snapshot is not shaped as one: {error}") from None


class _Writer:
    def __init__(self) -> None:
        self._entries: list[Any] = []
        self._places: dict[int, int] = {}
        self._kept: list[object] = []

    def written(self, root: object) -> list[Any]:
        self._entries.append(["tuple", [self._value(root)]])
        return self._entries

    def _value(self, value: Any) -> Any:
        for word, meant in _WORDS.items():
            if value is meant or (isinstance(value, float) and value == meant and not isfinite(value)):
                return word
        if isinstance(value, int | float):
            if not isfinite(value):
                raise TypeError("a model that holds what is no number has no snapshot")
            # Numbers of numpy, too, as Python's own.
            return float(value) if isinstance(value, float) else int(value)
        if isinstance(value, str):
            return f"={value}"
        if isinstance(value, type):
            return f"@{_name(value)}"
        if id(value) not in self._places:
            # Its place first: it may hold itself. Kept, so that no other object gets its id meanwhile.
            self._kept.append(value)
            place = self._places[id(value)] = len(self._entries)
            self._entries.append(None)
            self._entries[place] = self._entry(value)
        return f"#{self._places[id(value)]}"

    def _entry(self, value: Any) -> list[Any]:
        kind = type(value)
        if kind is bytes:
            return ["bytes", f"={b64encode(value).decode('ascii')}"]
        if kind in (tuple, list, set):
            return [kind.__name__, [self._value(inner) for inner in value]]
        if kind is dict:
            return ["dict", [[self._value(name), self._value(inner)] for name, inner in value.items()]]
        _name(kind)
        made, arguments, *rest = value.__reduce_ex__(2)
        if made.__name__ == "__newobj__":
            arguments = arguments[1:]
        elif made is not kind:
            raise TypeError(f"{kind.__qualname__} is made by {made!r}, which can't be written down")
        state, items, pairs = (*rest, None, None, None)[:3]
        if left_out := _LEFT_OUT.get(_name(kind)):
            state = {name: inner for name, inner in state.items() if name not in left_out}
            self._kept.append(state)
        return [
            f"@{_name(kind)}",
            [self._value(argument) for argument in arguments],
            self._value(state),
            [self._value(item) for item in items or ()],
            [[self._value(name), self._value(inner)] for name, inner in pairs or ()],
        ]


class _Reader:
    def __init__(self, entries: list[Any]) -> None:
        self._entries = entries
        self._made: dict[int, Any] = {}
        self._depth = 0

    def root(self) -> Any:
        (root,) = self._object(len(self._entries) - 1)
        return root

    def _value(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value in _WORDS:
            return _WORDS[value]
        if value.startswith("="):
            return value[1:]
        if value.startswith("@"):
            return _class(value[1:])
        place = int(value.removeprefix("#"))
        return self._made[place] if place in self._made else self._object(place)

    def _object(self, place: int) -> Any:
        self._depth += 1
        if self._depth > DEEPEST or place < 0:
            raise ValueError("the snapshot holds objects within objects without end")
        kind, *parts = self._entries[place]
        if kind in ("list", "set", "dict"):
            made: Any = {"list": list, "set": set, "dict": dict}[kind]()
            self._made[place] = made
            self._fill(made, parts[0])
        elif kind == "tuple":
            made = self._made[place] = tuple([self._value(inner) for inner in parts[0]])
        elif kind == "bytes":
            made = self._made[place] = b64decode(self._value(parts[0]))
        else:
            made = self._instance(place, _class(kind.removeprefix("@")), *parts)
        self._depth -= 1
        return made

    def _instance(
        self, place: int, kind: Any, arguments: list[Any], state: Any, items: list[Any], pairs: list[Any]
    ) -> Any:
        given = [self._value(argument) for argument in arguments]
        contained = _CONTAINERS.get(_name(kind)) is kind
        made = self._made[place] = kind(*given) if contained else kind.__new__(kind, *given)
        told = self._value(state)
        if told is not None:
            if hasattr(made, "__setstate__"):
                _set_state(made, told)
            else:
                attributes, slots = told if isinstance(told, tuple) else (told, None)
                for name, value in {**(attributes or {}), **(slots or {})}.items():
                    object.__setattr__(made, name, value)
        for item in items:
            made.append(self._value(item))
        for name, inner in pairs:
            made[self._value(name)] = self._value(inner)
        return made

    def _fill(self, made: Any, inner: list[Any]) -> None:
        if isinstance(made, dict):
            for name, value in inner:
                made[self._value(name)] = self._value(value)
        elif isinstance(made, set):
            made.update(self._value(value) for value in inner)
        else:
            made.extend(self._value(value) for value in inner)


def _set_state(made: Any, state: Any) -> None:
    try:
        made.__setstate__(state)
    except BaseException as error:
        # River's Rust panics where it can't read what it is given, and a panic is no Exception.
        if type(error).__name__ == "PanicException":
            raise ValueError(f"the snapshot's {type(made).__name__} can't be read") from None
        raise


def _name(kind: type) -> str:
    """The name of a class that may be written down and made again."""
    name = f"{kind.__module__}:{kind.__qualname__}"
    if name not in _CONTAINERS and not kind.__module__.startswith(_HOME):
        raise TypeError(f"{name} is nothing that a model is made of")
    return name


def _class(name: str) -> type:
    if name in _CONTAINERS:
        return _CONTAINERS[name]
    module, _, path = name.partition(":")
    if not module.startswith(_HOME) or not path.isidentifier():
        raise ValueError(f"the snapshot names {name!r}, which no model is made of")
    kind = getattr(import_module(module), path)
    # What a module of River has imported from elsewhere is not River's.
    if not isinstance(kind, type) or not kind.__module__.startswith(_HOME):
        raise ValueError(f"the snapshot names {name!r}, which no model is made of")
    return kind
