"""`dangol dlq`: what could not be processed, why, and once more."""

from __future__ import annotations

import asyncio
import heapq
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from agents.cli import options
from agents.display import FORMAT, header_value, printable
from schemas.errors import InputError

if TYPE_CHECKING:
    from agents.connection import Connection
    from agents.dead_letters import Address, Letter
    from agents.publisher import Publisher
    from schemas.topics import Topics

SHOWN = 4096
"""Characters or bytes of a value that `show` prints: some screens; `--raw` writes all of it."""

HEADER_SHOWN = 300
"""Characters of a header that `show` prints: as long as the longest reason."""

ROW = 16
"""Bytes in a line of hex, as hexdump has them."""

_ADDRESS = re.compile(r"([0-9]{1,9}):([0-9]{1,18})")


class AddressParam(click.ParamType):
    """Where a letter stands on the dead-letter topic, written as `PARTITION:OFFSET`."""

    name = "partition:offset"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """The address."""
        from agents.dead_letters import Address

        match = _ADDRESS.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is no place of a letter; write PARTITION:OFFSET, as 3:17", param, ctx)
        return Address(int(match[1]), int(match[2]))


class Moment(click.ParamType):
    """A time with its UTC offset, in RFC 3339; becomes ms since 1970."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Milliseconds since 1970."""
        from schemas.timestamp import to_millis

        wanted = "write it with its UTC offset, as 2026-03-14T00:00:00Z"
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time; {wanted}", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} could be anywhere; {wanted}", param, ctx)
        return to_millis(moment)


reason_option = click.option("--reason", metavar="CODE", help="Only these, such as json-invalid.")
since_option = click.option(
    "--since", type=Moment(), metavar="TIME", help="Only those put aside since, as 2026-03-14T00:00:00Z."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")


@click.group
def command() -> None:
    """List, show and replay dead letters: touchpoints that could not be processed.

    \b
    Example:
      dangol dlq list --since 2026-03-14T00:00:00Z
      dangol dlq show 3:17
      dangol dlq replay --reason engine-error
    """
    import logging

    import structlog

    # aiokafka logs every failed attempt by itself; the one line of ours is what the user gets.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # What the producer has to remark would stand on standard output, amid what was asked for.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


@command.command("list", short_help="Count them by reason, and show where each stands.")
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


@command.command(short_help="Show one whole.")
@click.argument("address", type=AddressParam(), metavar="PARTITION:OFFSET")
@options.connection
@options.prefix
@click.option("--raw", is_flag=True, help="Write the bytes of the value, and nothing else.")
@json_option
def show(address: Address, connection: Connection, prefix: str, raw: bool, as_json: bool) -> None:
    """Show one dead letter whole: why, where it came from, headers, key and value.

    PARTITION:OFFSET is its place on the dead-letter topic, as `dangol dlq list` shows it. A value that is no
    text is shown in hex.

    \b
    Example:
      dangol dlq show 3:17
      dangol dlq show 3:17 --raw > letter.json
    """
    import orjson

    from schemas.topics import Topics

    if raw and as_json:
        raise click.UsageError("--raw writes bytes, --json writes JSON: choose one")
    (letter,) = asyncio.run(_at(connection, Topics(prefix), (address,)))
    if raw:
        click.get_binary_stream("stdout").write(letter.value or b"")
    elif as_json:
        click.echo(orjson.dumps(_whole(letter)))
    else:
        click.echo("\n".join(_page(letter)))


@command.command(short_help="Publish them to the touchpoint topic again.")
@click.argument("addresses", nargs=-1, type=AddressParam(), metavar="[PARTITION:OFFSET]...")
@options.connection
@options.prefix
@reason_option
@since_option
@click.option("--all", "everything", is_flag=True, help="All that are there.")
@click.option("--dry-run", is_flag=True, help="Say what would be replayed, and publish nothing.")
@click.option("--force", is_flag=True, help="Also those that were replayed five times and died each time.")
@json_option
def replay(
    addresses: tuple[Address, ...],
    connection: Connection,
    prefix: str,
    reason: str | None,
    since: int | None,
    everything: bool,
    dry_run: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Publish dead letters to the touchpoint topic again, once what was wrong is mended.

    Key, value and headers are the original ones; headers say which letter it was and count the attempts.
    They pass deduplication like any touchpoint: one whose source and id were applied within the last 7 days
    is counted as a duplicate and changes nothing. Beyond that it would count twice, so name what you mean, by
    place, --reason or --since. A touchpoint without a time of its own gets the time of the replay.

    Nothing is deleted from the dead-letter topic. Of a letter that was replayed and died again only the last
    one is taken, unless named by its place. What can't be replayed is told; then the exit code is 2.

    \b
    Example:
      dangol dlq replay --reason engine-error --since 2026-03-14T00:00:00Z --dry-run
      dangol dlq replay 3:17 3:18
    """
    from schemas.topics import Topics

    filtered = reason is not None or since is not None
    if not (addresses or filtered or everything):
        raise click.UsageError("say which: places as 3:17, --reason, --since, or --all")
    if addresses and (filtered or everything):
        raise click.UsageError("places go neither with --reason and --since nor with --all")
    if everything and filtered:
        raise click.UsageError("--all goes neither with --reason nor with --since")
    run = _Run(connection, Topics(prefix), dry_run, force, not as_json)
    started = time.monotonic()
    asyncio.run(run.named(addresses) if addresses else run.filtered(reason, since))
    _report(run, time.monotonic() - started, as_json)


class _Run:
    """One replay, and what became of its letters.

    Attributes:
        dry: whether nothing is published.
        replayed: letters that were published, or would be.
        superseded: letters left out because they were replayed before and died again.
        refused: letters that can't be replayed, by reason code.
    """

    def __init__(self, connection: Connection, topics: Topics, dry: bool, force: bool, told: bool) -> None:
        self.dry = dry
        self.replayed = 0
        self.superseded = 0
        self.refused: Counter[str] = Counter()
        self._connection = connection
        self._topics = topics
        self._force = force
        self._told = told

    async def named(self, addresses: tuple[Address, ...]) -> None:
        """Replay the letters at these addresses; all of them are looked up before the first is published."""
        letters = await _at(self._connection, self._topics, addresses)
        async with self._publisher() as publisher:
            for letter in letters:
                await self._take(letter, publisher)

    async def filtered(self, reason: str | None, since: int | None) -> None:
        """Replay what is there as of now, for a reason and since a time."""
        from agents.dead_letters import DeadLetters, died_again

        async with DeadLetters(self._connection, self._topics) as dead:
            span = await dead.span(since)
            superseded = set()
            with _progress("reading", span.length) as look:
                async for letter in dead.letters(span):
                    look()
                    if before := died_again(letter, self._topics):
                        superseded.add(before)
            with _progress("replaying", span.length) as look:
                async with self._publisher() as publisher:
                    async for letter in dead.letters(span):
                        look()
                        if reason not in (None, letter.code):
                            continue
                        if letter.address in superseded:
                            self.superseded += 1
                        else:
                            await self._take(letter, publisher)

    async def _take(self, letter: Letter, publisher: Publisher | None) -> None:
        from agents.dead_letters import publish_again, refusal

        if refused := refusal(letter, force=self._force):
            code, why = refused
            self.refused[code] += 1
            click.echo(f"{letter.address}: {code}: {why}", err=True)
        elif publisher is not None:
            await publish_again(letter, self._topics, publisher)
        else:
            self.replayed += 1
            if self._told:
                click.echo(f"{letter.address}  {_when(letter.timestamp)}  {printable(letter.code)}")

    @asynccontextmanager
    async def _publisher(self) -> AsyncIterator[Publisher | None]:
        """What a letter is handed to; None in a dry run."""
        from agents.publisher import Publisher

        if self.dry:
            yield None
            return
        async with Publisher(self._connection, self._topics) as publisher:
            yield publisher
        self.replayed = publisher.acknowledged


def _report(run: _Run, seconds: float, as_json: bool) -> None:
    """The counts, and an error if anything was refused."""
    import orjson

    if as_json:
        counts = {
            "dry_run": run.dry,
            "replayed": run.replayed,
            "superseded": run.superseded,
            "refused": dict(sorted(run.refused.items())),
            "seconds": round(seconds, 3),
        }
        click.echo(orjson.dumps(counts))
    else:
        did = "would replay" if run.dry else "replayed"
        left = f"; left out {run.superseded:,} that died again since" if run.superseded else ""
        click.echo(f"{did} {run.replayed:,} dead letters in {seconds:.1f} s{left}")
    if run.refused:
        reasons = ", ".join(f"{count:,} {code}" for code, count in sorted(run.refused.items()))
        others = "would be replayed" if run.dry else "were replayed"
        raise InputError(
            f"{run.refused.total():,} letters can't be replayed ({reasons}); the others {others}"
        )


async def _at(connection: Connection, topics: Topics, addresses: tuple[Address, ...]) -> list[Letter]:
    from agents.dead_letters import DeadLetters

    async with DeadLetters(connection, topics) as dead:
        return [await dead.at(address) for address in dict.fromkeys(addresses)]


async def _read(
    connection: Connection, topics: Topics, reason: str | None, since: int | None, limit: int, keys: bool
) -> tuple[Counter[str], list[dict[str, Any]]]:
    """How many there are by reason, and summaries of the newest in order of time."""
    from agents.dead_letters import DeadLetters

    reasons: Counter[str] = Counter()
    newest: list[tuple[int, Address, dict[str, Any]]] = []
    async with DeadLetters(connection, topics) as dead:
        span = await dead.span(since)
        with _progress("reading", span.length) as look:
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
    return told | {"key": _text(letter.key)} if keys else told


def _table(letters: list[dict[str, Any]]) -> Iterator[str]:
    """Summaries as lines, under a line that names the columns."""
    rows = [
        (
            f"{one['partition']}:{one['offset']}",
            _when(one["timestamp"]),
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


def _whole(letter: Letter) -> dict[str, Any]:
    """A letter as JSON, in the form of the contract `dead-letter` and with its place."""
    return {
        **letter.address._asdict(),
        "key": _text(letter.key),
        "value": _text(letter.value),
        "timestamp": letter.timestamp,
        "headers": {name: _text(value, name) for name, value in letter.headers},
    }


def _page(letter: Letter) -> Iterator[str]:
    """A letter as a page for a person."""
    yield f"letter     {letter.address}, put aside {_when(letter.timestamp)}"
    if letter.reason is None:
        yield f"reason     {click.style('unknown', fg='red')}: it does not carry the headers of a dead letter"
    else:
        origin, code, message, stage = letter.reason
        yield f"reason     {click.style(code, fg='red')} at {printable(stage)}: {printable(message)}"
        read = f"{printable(origin.topic)} {origin.partition}:{origin.offset}, {_when(origin.timestamp)}"
        yield f"came from  {read}, given up by {printable(origin.group)}"
    if letter.attempts:
        yield f"replayed   {letter.attempts} times before it died this time"
    yield f"key        {'none' if letter.key is None else _short(str(_text(letter.key)), HEADER_SHOWN)}"
    yield "headers" if letter.headers else "headers    none"
    for name, value in letter.headers:
        yield f"  {_short(name, HEADER_SHOWN)}: {_short(str(_text(value, name)), HEADER_SHOWN)}"
    if letter.value is None:
        yield "value      none"
        return
    yield f"value      {letter.size:,} bytes"
    yield from _shown(letter.value)


def _shown(value: bytes) -> Iterator[str]:
    """A value as text, or as hex where it is none; no more than `SHOWN` of it."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        for start in range(0, min(len(value), SHOWN), ROW):
            row = value[start : start + ROW]
            seen = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
            yield f"{start:08x}  {row.hex(' '):<{3 * ROW}} {seen}"
        left = len(value) - SHOWN
    else:
        for line in text[:SHOWN].splitlines():
            yield printable(line)
        left = len(text[SHOWN:].encode())
    if left > 0:
        yield click.style(f"... and {left:,} more bytes; --raw writes all", dim=True)


def _text(raw: bytes | None, header: str = "") -> str | int | None:
    return None if raw is None else header_value(header, raw)


def _when(millis: int) -> str:
    """A time for people; what lies outside the calendar stays a number."""
    from schemas.timestamp import to_datetime

    try:
        return f"{to_datetime(millis):{FORMAT}}"
    except OverflowError:
        return f"{millis} ms"


def _short(text: str, length: int) -> str:
    return printable(text if len(text) <= length else f"{text[:length]}...")


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr, where that is a terminal; hands out what to call for each letter."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)
