"""`dangol playbook apply`: put a playbook in force."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from agents.cli import options

if TYPE_CHECKING:
    from agents.connection import Connection
    from schemas.playbook import Playbook


@click.command(short_help="Put one in force, on all workers.")
@click.argument("file")
@options.connection
@options.prefix
@click.option("--force", is_flag=True, help="Also if a service is lost by it, such as room keys.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")
def apply(file: str, connection: Connection, prefix: str, force: bool, as_json: bool) -> None:
    """Check a playbook, publish it and put it in force: workers switch between two runs.

    One without any play of a service that the one in force has (room-key, service-context, suppression,
    recovery-offer) is refused with exit code 2, and nothing is written: nobody would revoke the keys that
    are out. With --force it is applied all the same, and what is lost is told as a warning.

    What is told as applied the broker has acknowledged. The latest 20 playbooks stay on the topic;
    `dangol playbook show VERSION` prints them, so that one can be applied again.

    \b
    Example:
      dangol playbook apply mine.yaml
      dangol playbook apply without-keys.yaml --force
    """
    import dataclasses

    import orjson

    from agents import shelf
    from agents.cli.playbook.file import read
    from schemas.errors import InputError
    from schemas.topics import Topics
    from stream import services

    text, playbook = read(file)
    gone: dict[str, tuple[str, ...]] = {}

    def allows(before: Playbook) -> None:
        gone.update(services.lost(before, playbook))
        if gone and not force:
            what = f"{before.version} decides now, and there would be {services.told(gone)}"
            raise InputError(f"{file} is not applied: {what}; if that is meant, add --force")

    done = asyncio.run(shelf.apply(connection, Topics(prefix), text, playbook.version, allows=allows))
    if gone:
        click.echo(f"dangol: warning: {services.told(gone)}", err=True)
    if as_json:
        click.echo(orjson.dumps({**dataclasses.asdict(done), "services_lost": gone}))
        return
    before = "no other was applied before" if done.before is None else f"before it was {done.before}"
    if done.before == done.version:
        before = "as it was before"
    click.echo(f"{click.style(done.version, fg='green')} is in force, {before}")
