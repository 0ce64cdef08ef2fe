"""Looking back, for the commands that do: at what stands on topics, or at a file of touchpoints instead."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from agents.case import Look
    from agents.connection import Connection
    from agents.touchpoint_files import Line
    from schemas.topics import Topics
    from stream.engine import Engine

Found = TypeVar("Found")


def prepare(connection: Connection) -> None:
    """Say what there is to be warned of about the connection, and have nobody else speak of it."""
    import logging

    if connection.warning is not None:
        click.echo(f"dangol: warning: {connection.warning}", err=True)
    # aiokafka logs every failed attempt by itself; the one line of ours is what the user gets.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def in_force(
    connection: Connection, topics: Topics, given: Engine, *, playbook: Path | None, model: str | None
) -> Engine:
    """An engine with the playbook and the model that workers decide by, but for what was given."""
    from agents.in_force import engine_in_force

    return asyncio.run(
        engine_in_force(
            connection,
            topics,
            given,
            is_playbook_given=playbook is not None,
            is_model_given=model is not None,
            warn=lambda said: click.echo(f"dangol: warning: {said}", err=True),
        )
    )


def at_topics(read: Callable[[Look], Coroutine[None, None, Found]]) -> Found:
    """What is found on topics, with a bar for each that is read."""
    from agents.cli.progress import reading

    with reading() as look:
        return asyncio.run(read(look))


def at_file(file: str, run: Callable[[Iterator[Line]], Found]) -> Found:
    """What is found in a file, with a bar."""
    from agents.cli.progress import counted, progress
    from agents.touchpoint_files import TouchpointFile

    with TouchpointFile(file) as lines, progress(lines, "replaying", shown=True) as look:
        return run(counted(lines, look))
