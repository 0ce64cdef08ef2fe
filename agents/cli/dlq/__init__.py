"""`dangol dlq`: what could not be processed, why, and once more."""

from __future__ import annotations

import click

from agents.cli.dlq.again import replay
from agents.cli.dlq.listing import list_
from agents.cli.dlq.page import show


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


command.add_command(list_)
command.add_command(show)
command.add_command(replay)
