"""Syntax: the part of CEL that conditions are written in, from text to a tree.

What is left out of CEL has no use here, or no bound: macros that make lists, maps, bytes, regular
expressions, unsigned numbers and `null` (ask `has(…)`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

MAX_LENGTH = 2_000
"""Longest condition, in characters: some forty lines; more is a program, and belongs into segments."""

MAX_NESTING = 32
"""Deepest nesting of a condition: more than anyone reads, and far below what exhausts the stack."""


class ConditionMistake(Exception):  # noqa: N818 - a mistake is what it is called to whoever made it
    """A condition can't be used.

    Attributes:
        at: where in the condition's text, in characters from its beginning.
    """

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that is written out."""

    value: str | float | bool
    at: int


@dataclass(frozen=True, slots=True)
class Name:
    """A name with its fields, such as `profile.spent`."""

    path: tuple[str, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function that is called, of a value where it is written behind one, such as `x.contains("y")`."""

    function: str
    arguments: tuple[Node, ...]
    at: int
    target: Node | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that is written out."""

    items: tuple[Node, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator with its operands: one, two, or with `?` three."""

    operator: str
    operands: tuple[Node, ...]
    at: int


Node = Literal | Name | Call | Listing | Operation

_PIECE = re.compile(
    r"""
    (?P<space>(?:\s|//[^\n]*)+)
  | (?P<number>(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+))(?![\w.])
  | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
  | (?P<word>[A-Za-z_]\w*)
  | (?P<sign>&&|\|\||[<>=!]=|[-<>!+*/%?:.,()\[\]])
    """,
    re.VERBOSE,
)

_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", "\\": "\\", '"': '"', "'": "'"}

_LEVELS = (("||",), ("&&",), ("<", "<=", ">", ">=", "==", "!=", "in"), ("+", "-"), ("*", "/", "%"))
"""Operators with two operands, by how loosely they bind."""

_INSTEAD = {
    "and": "&&",
    "or": "||",
    "not": "!",
    "AND": "&&",
    "OR": "||",
    "NOT": "!",
    "=": "==",
    "&": "&&",
    "|": "||",
}
"""What is meant by what other languages write."""

_NOT_OURS = {
    "null": "ask `has(…)` whether something is known",
    "none": "ask `has(…)` whether something is known",
}

_MAX_WHOLE = 2**63 - 1


def parse(text: str) -> Node:
    """Read a condition.

    Raises:
        ConditionMistake: it is empty, too long, nested too deeply, or no CEL.

    >>> parse("now > 9")
    Operation(operator='>', operands=(Name(path=('now',), at=0), Literal(value=9, at=6)), at=4)
    """
    if not text.strip():
        raise ConditionMistake("the condition is empty, so it would hold for everyone", 0)
    if len(text) > MAX_LENGTH:
        raise ConditionMistake(
            f"the condition has {len(text)} characters, the limit is {MAX_LENGTH}: split it into segments",
            0,
        )
    return _Parser(text).whole()


class _Parser:
    """Reads one piece after another; each method reads what it is named after."""

    def __init__(self, text: str) -> None:
        self._end = len(text)
        self._pieces = list(_pieces(text))
        self._next = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._choice()
        if self._next < len(self._pieces):
            self._unexpected()
        return node

    def _choice(self) -> Node:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise ConditionMistake(f"the condition is nested more than {MAX_NESTING} deep", self._at())
        test = self._chain(0)
        if self._take("?"):
            at = self._at()
            yes = self._choice()
            self._expect(":")
            test = Operation("?", (test, yes, self._choice()), at)
        self._depth -= 1
        return test

    def _chain(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        left = self._chain(level + 1)
        length = 0
        while (piece := self._peek()) in _LEVELS[level] and piece is not None:
            at = self._at()
            self._next += 1
            length += 1
            if length > MAX_NESTING:
                # A long chain is as deep as it is long, to whoever walks the tree.
                raise ConditionMistake(f"more than {MAX_NESTING} operators `{piece}` one after another", at)
            left = Operation(piece, (left, self._chain(level + 1)), at)
        return left

    def _unary(self) -> Node:
        at = self._at()
        operators = []
        while (piece := self._peek()) in ("!", "-") and piece is not None:
            operators.append(piece)
            self._next += 1
        node = self._member()
        if len(operators) > 1:
            raise ConditionMistake(f"`{''.join(operators)}` is more than one sign", at)
        if operators == ["-"] and isinstance(node, Literal) and not isinstance(node.value, str | bool):
            return Literal(-node.value, at)
        return Operation(operators[0], (node,), at) if operators else node

    def _member(self) -> Node:
        node = self._primary()
        while True:
            if self._take("."):
                at = self._at()
                word = self._word()
                if self._take("("):
                    node = Call(word, self._items(")"), at, node)
                elif isinstance(node, Name):
                    node = Name((*node.path, word), node.at)
                else:
                    raise ConditionMistake(f"`.{word}` is a field of nothing that has a name", at)
            elif self._peek() == "[" and isinstance(node, Name):
                self._next += 1
                key = self._choice()
                if not isinstance(key, Literal) or not isinstance(key.value, str):
                    raise ConditionMistake(
                        'only a field may stand in [ ], as in `event["room-type"]`', key.at
                    )
                self._expect("]")
                node = Name((*node.path, key.value), node.at)
            else:
                return node

    def _primary(self) -> Node:  # noqa: PLR0911 - one for each thing that can stand there
        at, piece = self._at(), self._peek()
        if piece is None:
            self._unexpected()
        if piece == "(":
            self._next += 1
            node = self._choice()
            self._expect(")")
            return node
        if piece == "[":
            self._next += 1
            return Listing(self._items("]"), at)
        first = piece[0]
        if first in "\"'":
            self._next += 1
            return Literal(_ESCAPE.sub(lambda found: _unescaped(found[1], at), piece[1:-1]), at)
        if first.isdigit():
            self._next += 1
            return Literal(_number(piece, at), at)
        if piece in ("true", "false"):
            self._next += 1
            return Literal(piece == "true", at)
        if piece in _NOT_OURS:
            raise ConditionMistake(f"`{piece}` is no value here: {_NOT_OURS[piece]}", at)
        word = self._word()
        if self._take("("):
            return Call(word, self._items(")"), at)
        return Name((word,), at)

    def _items(self, end: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self._take(end):
            if items:
                self._expect(",")
            items.append(self._choice())
        return tuple(items)

    def _word(self) -> str:
        piece = self._peek()
        if piece is None or not (piece[0].isalpha() or piece[0] == "_") or piece == "in":
            self._unexpected()
        self._next += 1
        return piece

    def _peek(self) -> str | None:
        return self._pieces[self._next][0] if self._next < len(self._pieces) else None

    def _at(self) -> int:
        return self._pieces[self._next][1] if self._next < len(self._pieces) else self._end

    def _take(self, piece: str) -> bool:
        if self._peek() != piece:
            return False
        self._next += 1
        return True

    def _expect(self, piece: str) -> None:
        if not self._take(piece):
            self._unexpected(f", where `{piece}` is missing")

    def _unexpected(self, instead: str = "") -> NoReturn:
        piece = self._peek()
        if piece is None:
            raise ConditionMistake(f"the condition ends in the middle{instead}", self._end)
        if piece in _INSTEAD:
            instead = f" (did you mean `{_INSTEAD[piece]}`?)"
        raise ConditionMistake(f"`{piece}` does not belong here{instead}", self._at())


def _pieces(text: str) -> list[tuple[str, int]]:
    pieces = []
    at = 0
    while at < len(text):
        found = _PIECE.match(text, at)
        if found is None:
            sign = text[at]
            if sign in "\"'":
                raise ConditionMistake("the text that begins here does not end", at)
            meant = f" (did you mean `{_INSTEAD[sign]}`?)" if sign in _INSTEAD else ""
            raise ConditionMistake(f"`{sign}` is no part of a condition{meant}", at)
        if found.lastgroup != "space":
            pieces.append((found[0], at))
        at = found.end()
    return pieces


def _unescaped(letter: str, at: int) -> str:
    if letter not in _ESCAPED:
        raise ConditionMistake(f"`\\{letter}` in a text means nothing", at)
    return _ESCAPED[letter]


def _number(piece: str, at: int) -> float:
    if piece.isdigit():
        whole = int(piece)
        if whole > _MAX_WHOLE:
            raise ConditionMistake(f"`{piece}` is beyond what 64 bits hold", at)
        return whole
    value = float(piece)
    if value == float("inf"):
        raise ConditionMistake(f"`{piece}` is beyond what a number holds", at)
    return value
