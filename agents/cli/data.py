"""`dangol data cdnow`: real purchases as touchpoints."""

from __future__ import annotations

import click


@click.group
def command() -> None:
    """Print sample touchpoints as JSON lines.

    \b
    Example:
      dangol data cdnow > cdnow.jsonl
    """


@command.command
def cdnow() -> None:
    """Print CDNOW: 69,659 real purchases of 23,570 customers of a music shop, 1997 to 1998.

    One `order.placed` for each line of the data, in its order. Fetched once by pip from the package
    Lifetimes and kept in ~/.cache/dangol; nothing is installed.

    \b
    Example:
      dangol data cdnow | dangol replay -
    """
    from agents import cdnow

    out = click.get_binary_stream("stdout")
    for line in cdnow.lines():
        out.write(line + b"\n")
