"""`dangol playbook`: one command a file."""

from __future__ import annotations

import click

from agents.cli.playbook.application import apply
from agents.cli.playbook.checking import check
from agents.cli.playbook.comparison import diff
from agents.cli.playbook.page import show
from agents.cli.playbook.popularity import popularity


@click.group(short_help="Check, compare and apply playbooks.")
def command() -> None:
    """Check playbooks, see what another one would change, and put one in force without a restart.

    \b
    Example:
      dangol playbook check mine.yaml
      dangol playbook diff current mine.yaml --on yesterday.jsonl
      dangol playbook apply mine.yaml
    """
    import logging

    import structlog

    # aiokafka logs every failed attempt by itself; the one line of ours is what the user gets.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # What the producer has to remark would stand on standard output, amid what was asked for.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


command.add_command(check)
command.add_command(diff)
command.add_command(apply)
command.add_command(show)
command.add_command(popularity)
