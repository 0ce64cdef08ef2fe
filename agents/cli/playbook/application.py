"""`dangol playbook apply`: put a playbook in force."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from agents.cli import options

if TYPE_CHECKING:
    from agents.connection import Connection


@click.command(short_help="Put one in force, on all workers.")
@click.argument("file")
@options.connection
@options.prefix
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")
def apply(file: str, connection: Connection, prefix: str, as_json: bool) -> None:
    """Check a playbook, publish it and put it in force: workers switch between two runs.

    What is told as applied the broker has acknowledged. The latest 20 playbooks stay on the topic;
    `dangol playbook show VERSION` prints them, so that one can be applied again.

    \b
    Example:
      dangol playbook apply mine.yaml
    """
    import dataclasses

    import orjson

    from agents import shelf
    from agents.cli.playbook.file import read
    from schemas.topics import Topics

    text, playbook = read(file)
    done = asyncio.run(shelf.apply(connection, Topics(prefix), text, playbook.version))
    if as_json:
        click.echo(orjson.dumps(dataclasses.asdict(done)))
        return
    before = "no other was applied before" if done.before is None else f"before it was {done.before}"
    if done.before == done.version:
        before = "as it was before"
    click.echo(f"{click.style(done.version, fg='green')} is in force, {before}")
