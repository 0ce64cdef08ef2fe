"""`dangol explain`: why something was done for a customer, and why something was not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.cli import options
from agents.cli.times import Length, Moment
from schemas.timestamp import DAY

if TYPE_CHECKING:
    from agents.connection import Connection


@click.command
@click.argument("customer")
@options.silent_connection
@options.prefix
@click.option(
    "--last", type=click.IntRange(1, 1_000), default=5, show_default=True, help="So many decisions."
)
@click.option("--at", type=Moment(), metavar="TIME", help="As of this time, as 2026-03-14T09:30:00Z.")
@click.option(
    "--since",
    type=Length(),
    metavar="DURATION",
    default="1d",
    show_default=True,
    help="How far to look back, as 12h or 7d.",
)
@click.option("--play", metavar="NAME", help="What became of this play, and why it did not fire.")
@click.option("--on", "file", metavar="FILE", help="Explain a file of touchpoints, without a broker.")
@options.playbook
@click.option("--model", metavar="VERSION", help="Churn model that ships; else the one in force.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")
def command(
    customer: str,
    connection: Connection,
    prefix: str,
    last: int,
    at: int | None,
    since: int,
    play: str | None,
    file: str | None,
    playbook: Path | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Tell why something was done for CUSTOMER, and why something was not.

    Shows where the customer stands, the churn risk with what drives it and what money it is about, and the
    latest decisions: what fired, what was held back, why, and what can be done about it. With --play it tells
    of that play alone, and if it was not even considered at the customer's latest touchpoint, which part of
    it did not hold.

    Only the partition that the customer's records stand on is read. With --on FILE touchpoints are run
    through the engine instead, and no broker is needed.

    \b
    Example:
      dangol explain ann
      dangol explain ann --at 2026-03-14T09:30:00Z --last 1
      dangol explain ann --play stay-with-us
      dangol explain ann --on touchpoints.jsonl
    """
    import msgspec

    from agents import case as cases
    from agents.cli import lookback
    from agents.explanation import explain
    from schemas.topics import Topics
    from stream.engine import load_engine

    engine = load_engine(playbook, model)
    wanted = cases.Wanted(customer, last, at, since, play)
    if file is not None:
        case = lookback.at_file(file, lambda lines: cases.from_file(lines, engine, wanted))
    else:
        lookback.prepare(connection)
        topics = Topics(prefix)
        engine = lookback.in_force(connection, topics, engine, playbook=playbook, model=model)
        case = lookback.at_topics(lambda look: cases.from_topics(connection, topics, engine, wanted, look))
    explained = explain(case, engine, play, at)
    if as_json:
        click.echo(msgspec.json.encode(explained))
        return
    from agents.cli.explain_page import show

    where = f"in the last {_length(since)}" if file is None else f"in {file}"
    show(explained, case.now, where if play is None else f"about `{play}` {where}")


def _length(millis: int) -> str:
    return f"{millis // DAY} days" if millis % DAY == 0 and millis > DAY else f"{millis // (DAY // 24)} hours"
