"""`dangol playbook diff`: which decisions of the past another playbook would have made otherwise."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from agents.cli import options
from schemas.errors import RejectedError

if TYPE_CHECKING:
    from agents.connection import Connection
    from agents.shelf import Shelf
    from agents.touchpoint_files import Line
    from schemas.playbook import Playbook
    from stream.comparison import Change, Comparison, Verdict

CURRENT = "current"
"""What stands for the playbook in force."""

REJECTS_SHOWN = 5
"""Lines of the file that can't be used and are told one by one; the others are only counted."""

REASONS = 6
"""Columns of reasons shown at most, the commonest first; the rest is one column."""


@click.command(short_help="Say which past decisions would have been others.")
@click.argument("old")
@click.argument("new")
@click.option("--on", "file", required=True, metavar="FILE", help="Touchpoints, JSON lines or CSV.")
@options.silent_connection
@options.prefix
@click.option(
    "--examples", type=click.IntRange(0, 1_000), default=10, show_default=True, help="Changes to be shown."
)
@click.option("--model", metavar="VERSION", help="Churn model to score with; else the one that ships.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")
def diff(
    old: str,
    new: str,
    file: str,
    connection: Connection,
    prefix: str,
    examples: int,
    model: str | None,
    as_json: bool,
) -> None:
    """Run touchpoints of the past through two playbooks, and say which decisions would have been others.

    OLD and NEW are files, versions on the topic such as hotel@3f9c2a1b, or `current`; the broker is asked
    only for the latter two. The time of each decision is the touchpoint's own, as in `dangol replay`. A
    decision is another one if the play fired and would not have, or the other way round; or if it would have
    done something else, or been held back for another reason. Plays that only one of them has are named
    before, and services that would be lost, which `apply` refuses without --force.

    \b
    Example:
      dangol playbook diff current mine.yaml --on yesterday.jsonl
      dangol playbook diff winter.yaml spring.yaml --on yesterday.jsonl --examples 50 --json
    """
    import orjson

    from agents.cli.progress import progress
    from agents.touchpoint_files import TouchpointFile
    from stream.churn import models
    from stream.comparison import Comparison
    from stream.engine import Engine

    playbooks = _playbooks(old, new, connection, prefix)
    scored = model or models.DEFAULT
    before, after = (Engine(playbook, models.load(scored), scored) for playbook in playbooks)
    comparison = Comparison(before, after, examples)
    rejects: Counter[str] = Counter()
    with TouchpointFile(file) as lines, progress(lines, "comparing", shown=True) as look:
        for count, line in enumerate(lines, start=1):
            _take(comparison, line, rejects)
            look(count)
    comparison.finish()
    names = [engine.playbook_version for engine in (before, after)]
    if as_json:
        click.echo(orjson.dumps(_report(comparison, names, rejects, examples)))
    else:
        _print(comparison, names, rejects, examples)


def _playbooks(old: str, new: str, connection: Connection, prefix: str) -> list[Playbook]:
    """The playbooks that are meant; the topic is read once, and only if one of them is there."""
    from agents.cli.playbook.file import is_file, read
    from agents.shelf import fetch, playbook_of
    from schemas.topics import Topics

    topics = Topics(prefix)
    shelf: Shelf | None = None
    found = []
    for each in (old, new):
        if is_file(each) or not (each == CURRENT or "@" in each):
            found.append(read(each)[1])
            continue
        if shelf is None:
            if connection.warning is not None:
                click.echo(f"dangol: warning: {connection.warning}", err=True)
            shelf = asyncio.run(fetch(connection, topics))
        if each == CURRENT and shelf.current is None:
            from stream.engine import DEFAULT_PLAYBOOK

            found.append(read(DEFAULT_PLAYBOOK)[1])
            continue
        found.append(playbook_of(shelf.named(each, topics.playbooks), topics.playbooks))
    return found


def _take(comparison: Comparison, line: Line, rejects: Counter[str]) -> None:
    import msgspec

    try:
        if line.reject is not None:
            raise line.reject
        assert line.touchpoint is not None
        comparison.take(line.touchpoint)
    except RejectedError as reject:
        code, reason = reject.code, str(reject)
    except msgspec.ValidationError as error:
        code, reason = "data-invalid", str(error)
    else:
        return
    rejects[code] += 1
    if rejects.total() <= REJECTS_SHOWN:
        click.echo(f"line {line.number}: {code}: {reason}", err=True)


def _report(comparison: Comparison, names: list[str], rejects: Counter[str], examples: int) -> dict[str, Any]:
    """The comparison as JSON."""
    return {
        "old": names[0],
        "new": names[1],
        "touchpoints": comparison.after.touchpoints,
        "customers": len(comparison.after.profiles),
        "rejected": dict(sorted(rejects.items())),
        "changed": comparison.changed,
        "plays_gone": comparison.gone,
        "plays_new": comparison.new,
        "services_lost": comparison.lost,
        "plays": {
            name: {
                "family": tally.family,
                "changed": tally.changed,
                "old": dict(sorted(tally.before.items())),
                "new": dict(sorted(tally.after.items())),
            }
            for name, tally in sorted(comparison.plays.items())
        },
        "examples": [_example(change) for change in comparison.examples(examples)],
    }


def _example(change: Change) -> dict[str, Any]:
    from schemas.timestamp import to_rfc3339

    return {
        "customer": change.customer,
        "time": to_rfc3339(change.time),
        "touchpoint": change.touchpoint,
        "type": change.type,
        "play": change.play,
        "family": change.family,
        "old": _verdict(change.before),
        "new": _verdict(change.after),
    }


def _verdict(verdict: Verdict | None) -> dict[str, Any] | None:
    import msgspec

    if verdict is None:
        return None
    told: dict[str, Any] = {"reason": verdict.reason}
    if verdict.failed:
        told["failed"] = list(verdict.failed)
    if verdict.content is not None:
        told["content"] = msgspec.to_builtins(verdict.content)
        told["valid_for_seconds"] = verdict.valid_for / 1000
        told["correlation"] = verdict.correlation
    return told


def _print(comparison: Comparison, names: list[str], rejects: Counter[str], examples: int) -> None:
    """The comparison for a person: what changes by play and reason, then some of the changes."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from agents.display import COLOURS, FORMAT, printable
    from schemas.timestamp import to_datetime
    from stream import services
    from stream.plays.context import FIRED

    console = Console(highlight=False)
    touchpoints, customers = comparison.after.touchpoints, len(comparison.after.profiles)
    left_out = f", {rejects.total():,} lines left out" if rejects else ""
    console.print(Text.assemble((names[0], "bold"), " → ", (names[1], "bold")))
    console.print(f"{touchpoints:,} touchpoints of {customers:,} customers{left_out}")
    for what, plays, style in (("gone", comparison.gone, "red"), ("new", comparison.new, "green")):
        if plays:
            names_of = ", ".join(f"{name} ({family})" for name, family in plays.items())
            console.print(Text.assemble((f"{what}: ", style), printable(names_of)))
    if comparison.lost:
        console.print(Text(f"a service is lost: {services.told(comparison.lost)}", style="bold red"))
    if not comparison.changed:
        console.print(Text("no decision would have been another", style="green"))
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    table.add_column("play")
    table.add_column("changed", justify="right")
    table.add_column("fired", justify="right")
    table.add_column("held back or no candidate")
    for name, tally in sorted(comparison.plays.items(), key=lambda item: (-item[1].changed, item[0])):
        colour = COLOURS.get(tally.family, "white")
        reasons = sorted(
            {*tally.before, *tally.after} - {FIRED},
            key=lambda code: (-max(tally.before[code], tally.after[code]), code),
        )
        held = Text("  ").join(
            Text.assemble((f"{code} ", "dim"), _shift(tally.before[code], tally.after[code]))
            for code in reasons[:REASONS]
        )
        if reasons[REASONS:]:
            held.append(f"  and {len(reasons) - REASONS} more reasons", style="dim")
        changed = Text(f"{tally.changed:,}", style="bold" if tally.changed else "dim")
        fired = _shift(tally.before[FIRED], tally.after[FIRED])
        table.add_row(Text(printable(name), style=colour), changed, fired, held)
    if comparison.plays:
        console.print()
        console.print(table)
    shown = comparison.examples(examples)
    if shown:
        more = f", {len(shown)} of {comparison.changed:,}" if len(shown) < comparison.changed else ""
        console.print()
        console.print(Text(f"what would have been otherwise{more}", style="dim"))
    for change in shown:
        when = f"{to_datetime(change.time):{FORMAT}}"
        head = Text.assemble(
            (when, "dim"),
            f"  {printable(change.customer)}  {printable(change.type)}  ",
            (printable(change.play), COLOURS.get(change.family, "white")),
        )
        console.print(head)
        sides = Table.grid(padding=(0, 1, 0, 0))
        sides.add_row("   ", Text("−", style="red"), Text(printable(_words(change.before))))
        sides.add_row("   ", Text("+", style="green"), Text(printable(_words(change.after))))
        console.print(sides)


def _shift(before: int, after: int) -> Any:
    """Two numbers, with a colour where they differ."""
    from rich.text import Text

    if before == after:
        return Text(f"{before:,}", style="dim")
    return Text(f"{before:,} → {after:,}", style="green" if after > before else "red")


def _words(verdict: Verdict | None) -> str:
    """What became of a candidate, in words."""
    import msgspec

    from stream.comparison import NOT_A_CANDIDATE

    if verdict is None:
        return NOT_A_CANDIDATE
    if verdict.content is None:
        return f"held back: {', '.join(verdict.failed) or verdict.reason}"
    told = msgspec.to_builtins(verdict.content)
    told.pop("family", None)
    what = ", ".join(f"{name} {_number(value)}" for name, value in told.items() if value is not None)
    return f"fired: {what}; valid for {_span(verdict.valid_for)}"


def _number(value: Any) -> Any:
    """A number without the zeros behind its point; anything else as it is."""
    return f"{value:g}" if isinstance(value, float) else value


def _span(millis: int) -> str:
    """A length of time as a playbook writes it.

    >>> _span(7_200_000), _span(90_000)
    ('2h', '90s')
    """
    from schemas.timestamp import DAY, HOUR, MINUTE, SECOND

    units = ((DAY, "d"), (HOUR, "h"), (MINUTE, "m"))
    size, unit = next((each for each in units if millis % each[0] == 0), (SECOND, "s"))
    return f"{millis // size}{unit}"
