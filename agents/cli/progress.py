"""The bar on stderr that shows how far through a file of touchpoints, or through topics, a command is."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.touchpoint_files import Line, TouchpointFile

EVERY = 1_000
"""Lines between two looks at the bar: often enough to seem alive, too seldom to cost anything."""


@contextmanager
def progress(file: TouchpointFile, what: str, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """A bar for as long as the file is read; hands out what to call with the number of lines so far.

    Args:
        file: what is read; its position is what the bar shows.
        what: what is being done, such as `publishing`.
        shown: False for no bar; there is none either where stderr is not a terminal.
    """
    if not (shown and sys.stderr.isatty()):
        yield lambda _count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            seconds = task.elapsed or 0.0
            lines = task.fields["lines"]
            return Text(f"{lines:,} lines, {lines / seconds if seconds else 0:,.0f}/s", style="cyan")

    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), Rate())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=file.size, lines=0)

        def look(count: int) -> None:
            if count % EVERY == 0:
                bar.update(task, completed=file.position, lines=count)

        yield look


def counted(lines: Iterable[Line], look: Callable[[int], None]) -> Iterator[Line]:
    """Lines as they come, with the bar told of each."""
    for count, line in enumerate(lines, start=1):
        yield line
        look(count)


@contextmanager
def reading() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each topic that is read, where stderr is a terminal.

    Hands out what to call with a topic, how many records are to be read of it, and how many more were.
    """
    if not sys.stderr.isatty():
        yield lambda _topic, _total, _more: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("reading {task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        tasks = {}

        def look(topic: str, total: int, more: int) -> None:
            if topic not in tasks:
                tasks[topic] = shown.add_task(topic, total=total)
            shown.advance(tasks[topic], more)

        yield look
