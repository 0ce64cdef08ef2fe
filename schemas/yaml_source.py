"""YAML source: what a YAML file says, and at which line and column it says it."""

from __future__ import annotations

from typing import Any

import yaml

from schemas.errors import InputError

MAX_ENTRIES = 100_000
"""Most entries of one mapping: far more than a playbook of a megabyte has, unless it merges one mapping into
another again and again (`<<`), which a few lines can do until there is no memory left."""


class _Loader(yaml.SafeLoader):
    """A loader that refuses what PyYAML passes over: of two equal keys only the last would count."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        known: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in known:
                problem = f"`{key.value}` stands here twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            known.add(str(key.value))
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > MAX_ENTRIES:
            problem = f"merging makes over {MAX_ENTRIES:,} entries of it"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


class SourceError(InputError):
    """Something is wrong in a YAML file.

    Attributes:
        source: where the text came from.
        line: in which line, from 1; None where that can't be told.
        column: in which column, from 1.
        mistake: what is wrong.
    """

    def __init__(self, source: str, line: int | None, column: int | None, mistake: str) -> None:
        place = source if line is None else f"{source}:{line}:{column}"
        super().__init__(f"{place}: {mistake}")
        self.source = source
        self.line = line
        self.column = column
        self.mistake = mistake


class YamlSource:
    r"""A YAML text that was read.

    Args:
        text: the YAML.
        name: where it came from, for errors.

    Attributes:
        content: what it says.

    Raises:
        InputError: it is not YAML, or a mapping in it has a key twice.

    >>> YamlSource("plays:\n  - play: welcome", "my.yaml").error("too long", "plays", 0, "play")
    SourceError('my.yaml:2:5: too long')
    """

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._lines = text.splitlines()
        try:
            loader = _Loader(text)
            self._root = loader.get_single_node()
            self.content: Any = None if self._root is None else loader.construct_document(self._root)
        except yaml.MarkedYAMLError as error:
            raise _error(name, error.problem_mark, f"not YAML: {error.problem}") from None
        except (yaml.YAMLError, RecursionError, LookupError, ValueError, AttributeError) as error:
            # What PyYAML raises for a value that is not of the type that its tag or form says.
            raise _error(name, None, f"not YAML: {error}") from None

    def error_within(self, message: str, at: int, *path: str | int) -> SourceError:
        """The error that says what is wrong at a character of a text that stands there.

        Args:
            message: what is wrong.
            at: which character of the text, from 0.
            path: where the text stands, from the top.
        """
        node: Any = self._root
        for step in path:
            node = next((value for known, _, value in _inside(node) if known == step), None)
        if not isinstance(node, yaml.ScalarNode):
            return self.error(message, *path)
        mark = node.start_mark
        line, column = mark.line, mark.column
        if node.style == "|":
            before = node.value[:at]
            line += 1 + before.count("\n")
            indent = len(self._lines[line]) - len(self._lines[line].lstrip(" "))
            column = indent + at - (before.rfind("\n") + 1)
        elif self._lines[line][column + (node.style is not None) :].startswith(node.value):
            column += at + (node.style is not None)
        # Else it is folded or has escapes: where it begins has to do.
        return _error(self._name, yaml.Mark(self._name, 0, line, column, None, 0), message)

    def error(self, message: str, *path: str | int) -> SourceError:
        """The error that says what is wrong and, by file, line and column, where.

        Args:
            message: what is wrong.
            path: keys and places in lists, from the top; what isn't there is where it would be.
        """
        mark, node = None, self._root
        for step in path:
            found = next((pair for pair in _inside(node) if pair[0] == step), None)
            if found is None:
                break
            _, mark, node = found
        return _error(self._name, mark, message)


def _inside(node: Any) -> list[tuple[str | int, yaml.Mark, yaml.Node]]:
    """Each key or place that a node holds, with where it stands and what stands there."""
    if isinstance(node, yaml.MappingNode):
        return [(key.value, key.start_mark, value) for key, value in node.value]
    if isinstance(node, yaml.SequenceNode):
        return [(place, item.start_mark, item) for place, item in enumerate(node.value)]
    return []


def _error(name: str, mark: yaml.Mark | None, message: str) -> SourceError:
    line, column = (None, None) if mark is None else (mark.line + 1, mark.column + 1)
    # On one line, whatever names the file has.
    return SourceError(name, line, column, " ".join(message.split()))
