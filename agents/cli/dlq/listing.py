"""`dangol dlq list`: how many there are of which reason, and where each stands."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from agents.cli import options
from agents.cli.dlq.reading import bar
from agents.cli.dlq.selection import json_option, reason_option, since_option
from agents.cli.dlq.wording import text_of, when
from agents.display import printable

if TYPE_CHECKING:
    from agents.connection import Connection
    from agents.dead_letters import Address, Letter
    from schemas.topics import Topics


@click.command("list", short_help="Count them by reason, and show where each stands.")
@options.connection
@options.prefix
@reason_option
@since_option
@click.option(
    "--max",
    "limit",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Only the newest so many.",
)
@click.option("--keys", is_flag=True, help="Show the keys too: they are customers' ids.")
@json_option
def list_(
    connection: Connection,
    prefix: str,
    reason: str | None,
    since: int | None,
    limit: int,
    keys: bool,
    as_json: bool,
) -> None:
    """Count dead letters by reason, and show where each stands and where it came from.

    Reads the topic from its beginning to its end as of now. Neither payloads nor customers are shown. What
    is on the topic without the headers of a dead letter is listed as unknown.

    \b
    Example:
      dangol dlq list --reason engine-error --max 20
    """
    import orjson

    from schemas.topics import Topics

    topics = Topics(prefix)
    reasons, letters = asyncio.run(_read(connection, topics, reason, since, limit, keys))
    counts = dict(sorted(reasons.items(), key=lambda each: (-each[1], each[0])))
    if as_json:
        found = {
            "bootstrap": connection.bootstrap,
            "topic": topics.dead_letters,
            "reasons": counts,
            "letters": letters,
        }
        click.echo(orjson.dumps(found))
        return
    click.echo(f"{reasons.total():,} dead letters on {topics.dead_letters}")
    for code, count in counts.items():
        click.echo(f"{count:>9,}  {click.style(code, fg='red')}")
    if letters:
        click.echo()
        click.echo("\n".join(_table(letters)))
        if len(letters) < reasons.total():
            click.echo(f"These are the newest {len(letters):,}; --max shows more.")


async def _read(
    connection: Connection, topics: Topics, reason: str | None, since: int | None, limit: int, keys: bool
) -> tuple[Counter[str], list[dict[str, Any]]]:
    """How many there are by reason, and summaries of the newest in order of time."""
    from agents.dead_letters import DeadLetters

    reasons: Counter[str] = Counter()
    newest: list[tuple[int, Address, dict[str, Any]]] = []
    async with DeadLetters(connection, topics) as dead:
        span = await dead.span(since)
        with bar("reading", span.length) as look:
            async for letter in dead.letters(span):
                look()
                if reason not in (None, letter.code):
                    continue
                reasons[letter.code] += 1
                heapq.heappush(newest, (letter.timestamp, letter.address, _summary(letter, keys)))
                if len(newest) > limit:
                    heapq.heappop(newest)
    return reasons, [summary for _, _, summary in sorted(newest)]


def _summary(letter: Letter, keys: bool) -> dict[str, Any]:
    """What the list tells of a letter: neither its payload nor, unless asked for, its customer."""
    reason = letter.reason
    told = {
        **letter.address._asdict(),
        "timestamp": letter.timestamp,
        "reason": letter.code,
        "message": None if reason is None else reason.message,
        "original_topic": None if reason is None else reason.origin.topic,
        "original_partition": None if reason is None else reason.origin.partition,
        "original_offset": None if reason is None else reason.origin.offset,
        "bytes": letter.size,
        "attempts": letter.attempts,
    }
    return told | {"key": text_of(letter.key)} if keys else told


def _table(letters: list[dict[str, Any]]) -> Iterator[str]:
    """Summaries as lines, under a line that names the columns."""
    rows = [
        (
            f"{one['partition']}:{one['offset']}",
            when(one["timestamp"]),
            one["reason"],
            "?" if one["message"] is None else f"{one['original_partition']}:{one['original_offset']}",
            f"{one['bytes']:,}",
            str(one["attempts"]),
            *((printable(one["key"] or "none"),) if "key" in one else ()),
            printable(one["message"] or ""),
        )
        for one in letters
    ]
    key = ("KEY",) if "key" in letters[0] else ()
    head = ("LETTER", "PUT ASIDE", "REASON", "FROM", "BYTES", "REPLAYS", *key, "MESSAGE")
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        cells = [
            cell.rjust(width) if name == "BYTES" else cell.ljust(width)
            for name, cell, width in zip(head, row, widths, strict=True)
        ]
        if row is head:
            yield click.style("  ".join(cells).rstrip(), dim=True)
        else:
            cells[2] = click.style(cells[2], fg="red")
            yield "  ".join(cells).rstrip()
