"""`dangol model promote` and `dangol model rollback`: which of the learned models decides."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

import click

from agents.cli import options

if TYPE_CHECKING:
    from agents.connection import Connection
    from agents.model_shelf import Chosen


@click.command(short_help="Put the challenger in force.")
@options.connection
@options.prefix
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")
def promote(connection: Connection, prefix: str, as_json: bool) -> None:
    """Put the challenger in force, on all workers; what was in force goes on in its shadow.

    Whether it is better is yours to judge: `dangol model show` tells what the rule says. A trainer takes note
    of it the next time that it publishes; to promote once more brings the other one back.

    \b
    Example:
      dangol model promote
    """
    from agents import model_shelf
    from schemas.topics import Topics

    _tell(asyncio.run(model_shelf.promote(connection, Topics(prefix))), as_json)


@click.command(short_help="Put an earlier one in force.")
@click.argument("version")
@options.connection
@options.prefix
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")
def rollback(version: str, connection: Connection, prefix: str, as_json: bool) -> None:
    """Put an earlier VERSION in force, on all workers, whatever it is of; the latest 20 are on the topic.

    A trainer goes on from it the next time that it publishes: what was learned since is dropped, and examples
    are read on from where it is.

    \b
    Example:
      dangol model rollback learned-12@3f9c2a1b
    """
    from agents import model_shelf
    from schemas.topics import Topics

    _tell(asyncio.run(model_shelf.rollback(connection, Topics(prefix), version)), as_json)


def _tell(chosen: Chosen, as_json: bool) -> None:
    import orjson

    if as_json:
        click.echo(orjson.dumps(dataclasses.asdict(chosen)))
        return
    version = click.style(chosen.version, fg="green")
    click.echo(f"{version} ({chosen.kind}) is in force, before it was {chosen.before}")
