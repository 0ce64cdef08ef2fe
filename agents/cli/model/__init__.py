"""`dangol model`: one command a file."""

from __future__ import annotations

import click

from agents.cli.model.choice import promote, rollback
from agents.cli.model.page import show
from agents.cli.model.training import train


@click.group(short_help="Train, compare and choose churn models.")
def command() -> None:
    """Make the churn model that decisions are scored with, and look at and choose among those learned since.

    \b
    Example:
      dangol model train --data cdnow
      dangol model show
      dangol model promote
    """
    import logging

    import structlog

    # aiokafka logs every failed attempt by itself; the one line of ours is what the user gets.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # What the producer has to remark would stand on standard output, amid what was asked for.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


command.add_command(train)
command.add_command(show)
command.add_command(promote)
command.add_command(rollback)
