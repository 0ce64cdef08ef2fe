"""`dangol risks`: whom you may lose, and what that would cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.cli import options

if TYPE_CHECKING:
    from agents.connection import Connection


@click.command
@options.silent_connection
@options.prefix
@click.option(
    "--above",
    type=click.FloatRange(0.0, 1.0),
    metavar="RISK",
    help="From this risk on.  [default: `enter` of the retention play, or 0.5]",
)
@click.option(
    "--top", type=click.IntRange(1, 10_000), default=20, show_default=True, help="So many customers."
)
@click.option("--on", "file", metavar="FILE", help="Of a file of touchpoints, at its end, without a broker.")
@options.playbook
@click.option("--model", metavar="VERSION", help="Churn model that ships; else the one in force.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")
def command(
    connection: Connection,
    prefix: str,
    above: float | None,
    top: int,
    file: str | None,
    playbook: Path | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Show whom you may lose, and what that would cost.

    The churn risk of everyone who ever bought, as the model in force says it now: also of those of whom
    nothing was heard for long. Those at risk come by value at risk: the risk × what each may be expected to
    spend within the horizon. Nothing is written; workers decide by what they say themselves.

    \b
    Example:
      dangol risks
      dangol risks --above 0.8 --top 100 --json
      dangol risks --on touchpoints.jsonl
    """
    import msgspec

    from agents import risks
    from agents.cli import lookback
    from schemas.topics import Topics
    from stream.engine import load_engine

    engine = load_engine(playbook, model)
    if file is not None:
        report = lookback.at_file(file, lambda lines: risks.from_file(lines, engine, above, top))
    else:
        lookback.prepare(connection)
        topics = Topics(prefix)
        engine = lookback.in_force(connection, topics, engine, playbook=playbook, model=model)
        report = lookback.at_topics(
            lambda look: risks.from_topics(connection, topics, engine, above, top, look)
        )
    if as_json:
        click.echo(msgspec.json.encode(report))
        return
    from agents.cli.risks_page import show

    show(report)
