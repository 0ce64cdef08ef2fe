"""`dangol topics create` and `dangol topics check`."""

from __future__ import annotations

import asyncio
import dataclasses

import click

from agents.cli import options
from agents.connection import Connection

PARTITIONS_HELP = "Partitions of each topic; the most workers that can share the load."
JSON_HELP = "Print JSON for a machine to read."


@click.group
def command() -> None:
    """Create or check the topics.

    \b
    Example:
      dangol topics create --partitions 8
      dangol topics check
    """


@command.command
@options.connection
@options.prefix
@click.option("--partitions", type=click.IntRange(min=1), default=8, show_default=True, help=PARTITIONS_HELP)
@click.option(
    "--replication",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Brokers that keep each record; 3 where there are three.",
)
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def create(connection: Connection, prefix: str, partitions: int, replication: int, as_json: bool) -> None:
    """Create the topics that are missing; those that exist stay as they are.

    \b
    Example:
      dangol topics create --partitions 8 --replication 3
    """
    import orjson

    from agents import topics
    from schemas.topics import Topics

    done = asyncio.run(topics.create(connection, Topics(prefix), partitions, replication))
    if as_json:
        click.echo(
            orjson.dumps({"bootstrap": connection.bootstrap, "prefix": prefix, **dataclasses.asdict(done)})
        )
        return
    for name in done.created:
        click.echo(f"created  {name}")
    for name in done.existed:
        click.echo(f"existed  {name}")
    if done.existed:
        click.echo(
            f"{len(done.existed)} existed and were not changed; look at them with: dangol topics check"
        )


@command.command
@options.connection
@options.prefix
@click.option(
    "--partitions",
    type=click.IntRange(min=1),
    help="How many each topic must have; without it, all must have the same number.",
)
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def check(connection: Connection, prefix: str, partitions: int | None, as_json: bool) -> None:
    """Say what is wrong with the topics; exit code 4 if a worker could not start on them.

    \b
    Example:
      dangol topics check --prefix cx --json
    """
    import orjson

    from agents import topics
    from schemas.topics import Topics

    expected = Topics(prefix)
    findings = asyncio.run(topics.inspect(connection, expected, partitions))
    if as_json:
        found = [dataclasses.asdict(finding) for finding in findings]
        click.echo(orjson.dumps({"bootstrap": connection.bootstrap, "prefix": prefix, "findings": found}))
    else:
        for finding in findings:
            click.echo(f"{finding.severity:<8} {finding.message}")
        if not findings:
            click.echo(f"all {len(expected.specs)} topics of {prefix} at {connection} are as they should be")
    topics.refuse(connection, findings)
