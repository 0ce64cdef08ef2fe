"""`dangol causes`: which touchpoints cost customers, and which win them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.cli import options
from agents.cli.times import Length

if TYPE_CHECKING:
    from agents.connection import Connection


@click.command
@options.silent_connection
@options.prefix
@click.option(
    "--within",
    type=Length(),
    metavar="DURATION",
    default="30d",
    show_default=True,
    help="How soon a customer has to buy again to have come back.",
)
@click.option(
    "--since",
    type=Length(),
    metavar="DURATION",
    default="7d",
    show_default=True,
    help="How far back touchpoints and decisions are read.",
)
@click.option("--on", "file", metavar="FILE", help="Look at a file of touchpoints, without a broker.")
@options.playbook
@click.option("--model", metavar="VERSION", help="With --on: churn model; else the one that ships.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")
def command(
    connection: Connection,
    prefix: str,
    within: int,
    since: int,
    file: str | None,
    playbook: Path | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Show which touchpoints cost customers and which win them, and what came of what was done.

    Good and bad moments by type and channel; whether customers bought again after each, held against all
    moments; time saved and time spent; triggers accepted, declined and ignored by what had caused them; and
    customers by 5A stage. Profiles are those of now, everything else is of the time that --since says.

    \b
    Example:
      dangol causes --since 2d
      dangol causes --on touchpoints.jsonl --json
    """
    import msgspec

    from agents import findings
    from agents.cli import lookback
    from schemas.topics import Topics
    from stream.engine import load_engine

    engine = load_engine(playbook, model)
    if file is not None:
        report = lookback.at_file(file, lambda lines: findings.from_file(lines, engine, within))
    else:
        lookback.prepare(connection)
        report = lookback.at_topics(
            lambda look: findings.from_topics(connection, Topics(prefix), engine, within, since, look)
        )
    if as_json:
        click.echo(msgspec.json.encode(report))
        return
    from agents.cli.causes_page import show

    show(report)
