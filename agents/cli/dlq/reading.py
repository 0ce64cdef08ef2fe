"""Reading letters: those at some places, and the bar that shows how far it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agents.connection import Connection
    from agents.dead_letters import Address, Letter
    from schemas.topics import Topics


async def letters_at(connection: Connection, topics: Topics, addresses: tuple[Address, ...]) -> list[Letter]:
    """The letters at some places, each once."""
    from agents.dead_letters import DeadLetters

    async with DeadLetters(connection, topics) as dead:
        return [await dead.at(address) for address in dict.fromkeys(addresses)]


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr, where that is a terminal; hands out what to call for each letter."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield lambda: shown.advance(task)
