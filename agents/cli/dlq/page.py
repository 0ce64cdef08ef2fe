"""`dangol dlq show`: one letter whole."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from agents.cli import options
from agents.cli.dlq.reading import letters_at
from agents.cli.dlq.selection import AddressParam, json_option
from agents.cli.dlq.wording import short, text_of, when
from agents.display import printable

if TYPE_CHECKING:
    from agents.connection import Connection
    from agents.dead_letters import Address, Letter


SHOWN = 4096
"""Characters or bytes of a value that `show` prints: some screens; `--raw` writes all of it."""

HEADER_SHOWN = 300
"""Characters of a header that `show` prints: as long as the longest reason."""

ROW = 16
"""Bytes in a line of hex, as hexdump has them."""


@click.command(short_help="Show one whole.")
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
    (letter,) = asyncio.run(letters_at(connection, Topics(prefix), (address,)))
    if raw:
        click.get_binary_stream("stdout").write(letter.value or b"")
    elif as_json:
        click.echo(orjson.dumps(_whole(letter)))
    else:
        click.echo("\n".join(_page(letter)))


def _whole(letter: Letter) -> dict[str, Any]:
    """A letter as JSON, in the form of the contract `dead-letter` and with its place."""
    return {
        **letter.address._asdict(),
        "key": text_of(letter.key),
        "value": text_of(letter.value),
        "timestamp": letter.timestamp,
        "headers": {name: text_of(value, name) for name, value in letter.headers},
    }


def _page(letter: Letter) -> Iterator[str]:
    """A letter as a page for a person."""
    yield f"letter     {letter.address}, put aside {when(letter.timestamp)}"
    if letter.reason is None:
        yield f"reason     {click.style('unknown', fg='red')}: it does not carry the headers of a dead letter"
    else:
        origin, code, message, stage = letter.reason
        yield f"reason     {click.style(code, fg='red')} at {printable(stage)}: {printable(message)}"
        read = f"{printable(origin.topic)} {origin.partition}:{origin.offset}, {when(origin.timestamp)}"
        yield f"came from  {read}, given up by {printable(origin.group)}"
    if letter.attempts:
        yield f"replayed   {letter.attempts} times before it died this time"
    yield f"key        {'none' if letter.key is None else short(str(text_of(letter.key)), HEADER_SHOWN)}"
    yield "headers" if letter.headers else "headers    none"
    for name, value in letter.headers:
        yield f"  {short(name, HEADER_SHOWN)}: {short(str(text_of(value, name)), HEADER_SHOWN)}"
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
