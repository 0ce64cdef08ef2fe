"""`dangol playbook show`: a playbook as it was written, and which others there are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from agents.cli import options

if TYPE_CHECKING:
    from agents.connection import Connection
    from agents.shelf import Shelf
    from schemas.edition import Edition


@click.command(short_help="Print the one in force, or another.")
@click.argument("version", required=False)
@options.connection
@options.prefix
@click.option("--list", "listed", is_flag=True, help="List all that are on the topic instead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")
def show(version: str | None, connection: Connection, prefix: str, listed: bool, as_json: bool) -> None:
    """Print the playbook that is in force as it was written, or an earlier VERSION of the latest 20.

    Where none was applied, that is the one that ships. The text goes to standard output, and what is known
    of it to standard error.

    \b
    Example:
      dangol playbook show > mine.yaml
      dangol playbook show --list
      dangol playbook show hotel@3f9c2a1b
    """
    import orjson

    from agents import shelf
    from schemas.topics import Topics

    if listed and version is not None:
        raise click.UsageError("--list lists all; it does not go with a version")
    topics = Topics(prefix)
    found = asyncio.run(shelf.fetch(connection, topics))
    if listed:
        rows = [_about(each, found) for each in reversed(found.editions.values())]
        if as_json:
            click.echo(orjson.dumps(rows))
            return
        for row in rows:
            click.echo(_line(row))
        if not rows:
            click.echo(f"none is on {topics.playbooks}: workers decide by the one that ships", err=True)
        return
    shown, about = _shown(found, version, topics.playbooks)
    if as_json:
        click.echo(orjson.dumps(about | {"text": shown.decode("utf-8", "replace")}))
        return
    click.echo(_line(about), err=True)
    out = click.get_binary_stream("stdout")
    out.write(shown if shown.endswith(b"\n") else shown + b"\n")


def _shown(found: Shelf, version: str | None, topic: str) -> tuple[bytes, dict[str, Any]]:
    """The text that was asked for, and what is known of it."""
    from stream.engine import DEFAULT_PLAYBOOK, load_engine

    if version is None and found.current is None:
        shipped = load_engine().playbook_version
        about = {"version": shipped, "in_force": True, "published": None, "program": None, "bytes": 0}
        text = DEFAULT_PLAYBOOK.read_bytes()
        return text, about | {"bytes": len(text)}
    edition = found.named(version or "current", topic)
    return edition.text, _about(edition, found)


def _about(edition: Edition, found: Shelf) -> dict[str, Any]:
    from schemas.timestamp import to_rfc3339

    return {
        "version": edition.version,
        "in_force": edition.version == found.current,
        "published": to_rfc3339(edition.published),
        "program": edition.program,
        "bytes": len(edition.text),
    }


def _line(about: dict[str, Any]) -> str:
    """What is known of a playbook, as a line."""
    from agents.display import printable

    by = "ships with dangol, as none was applied"
    if about["published"] is not None:
        by = f"published {about['published']} by {about['program'] or 'an unknown program'}"
    state = click.style("in force", fg="green") if about["in_force"] else "        "
    return f"{state}  {printable(about['version'])}  {about['bytes']:,} bytes, {printable(by)}"
