"""`dangol publish`: touchpoints from a file onto their topic."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from typing import TYPE_CHECKING

import click

from agents.cli import options
from schemas.errors import InputError

if TYPE_CHECKING:
    from agents.connection import Connection
    from agents.touchpoint_files import Line

_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:/s)?")


class Rate(click.ParamType):
    """A number of records per second, written as `500` or `500/s`."""

    name = "rate"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, which is above zero."""
        match = _RATE.fullmatch(str(value))
        if match is None or float(match[1]) <= 0:
            self.fail(f"{value!r} is no rate; write it as 500/s", param, ctx)
        return float(match[1])


@click.command
@click.argument("file")
@options.connection
@options.prefix
@click.option("--rate", type=Rate(), metavar="N/s", help="At most so many a second; else as fast as it goes.")
@click.option(
    "--raw", is_flag=True, help="Send also what can't be read as a touchpoint, to test dead letters."
)
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def command(
    file: str, connection: Connection, prefix: str, rate: float | None, raw: bool, as_json: bool
) -> None:
    """Send touchpoints from a file to their topic, and wait until the broker has them all.

    FILE holds JSON lines (CloudEvents or Segment calls), which are sent as they are, or CSV with the columns
    customer_id, time, type, perhaps amount, and any others, which become data; - reads standard input.
    Lines that can't be read as touchpoints are refused with their number and reason; then the exit code is 2.

    \b
    Example:
      dangol data cdnow > cdnow.jsonl && dangol publish cdnow.jsonl
    """
    import logging

    import orjson

    # aiokafka logs every failed attempt by itself; the one line of ours is what the user gets.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    started = time.monotonic()
    published, refused = asyncio.run(_publish(file, connection, prefix, rate, raw, not as_json))
    seconds = time.monotonic() - started
    if as_json:
        counts = {
            "published": published,
            "refused": dict(sorted(refused.items())),
            "seconds": round(seconds, 3),
        }
        click.echo(orjson.dumps(counts))
    else:
        per_second = published / seconds if seconds else 0.0
        click.echo(f"published {published:,} touchpoints in {seconds:.1f} s ({per_second:,.0f}/s)")
    if refused:
        reasons = ", ".join(f"{count:,} {code}" for code, count in sorted(refused.items()))
        raise InputError(
            f"{refused.total():,} lines of {file} were refused ({reasons}); the others are published"
        )


async def _publish(
    file: str, connection: Connection, prefix: str, rate: float | None, raw: bool, shown: bool
) -> tuple[int, Counter[str]]:
    from agents.cli.progress import progress
    from agents.publisher import Publisher
    from agents.read_ahead import ReadAhead
    from agents.touchpoint_files import TouchpointFile
    from schemas.topics import Topics

    refused: Counter[str] = Counter()
    with (
        TouchpointFile(file, lambda: time.time_ns() // 1_000_000) as lines,
        progress(lines, "publishing", shown=shown) as look,
    ):
        async with Publisher(connection, Topics(prefix)) as publisher:
            pace = _Pace(rate)
            count = 0
            async for chunk in ReadAhead(lines):
                for line in chunk:
                    count += 1
                    look(count)
                    if line.reject is not None and not (raw and line.whole):
                        refused[line.reject.code] += 1
                        click.echo(f"line {line.number}: {line.reject.code}: {line.reject}", err=True)
                        continue
                    if pace.ahead:
                        await asyncio.sleep(pace.ahead)
                    await publisher.send(_key_of(line), line.value)
                    pace.sent += 1
        return publisher.acknowledged, refused


class _Pace:
    """How many seconds we are ahead of a rate."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._started = time.monotonic()
        self.sent = 0

    @property
    def ahead(self) -> float:
        if self._rate is None:
            return 0.0
        return max(self.sent / self._rate - (time.monotonic() - self._started), 0.0)


def _key_of(line: Line) -> bytes | None:
    """The record's key: the customer's id; of a line that can't be read, its `subject`, if any."""
    if line.touchpoint is not None:
        return line.touchpoint.customer.encode()
    import orjson

    try:
        event = orjson.loads(line.value)
        named = event.get("subject") or event.get("userId") if isinstance(event, dict) else None
        return named.encode() if isinstance(named, str) and named else None
    except (ValueError, RecursionError):
        return None
