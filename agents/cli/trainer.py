"""`dangol trainer`: learn from what came of customers until stopped."""

from __future__ import annotations

from typing import Literal

import click

from agents.cli import options
from agents.connection import Connection

KINDS = ("stacked", "stacked-forgetting", "logistic", "naive-bayes", "adaptive-tree", "adaptive-forest")
"""As `stream.churn.kinds.KINDS`; here too, because --help must not import River."""


@click.command()
@options.silent_connection
@options.prefix
@click.option(
    "--every",
    type=click.IntRange(1, 1_000_000),
    default=1_000,
    show_default=True,
    help="Examples after which a model is published.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=1.0),
    default=300.0,
    show_default=True,
    help="Seconds after which one is, if anything was learned.",
)
@click.option(
    "--challenger",
    type=click.Choice(KINDS),
    metavar="NAME",
    help=f"Have another scorer learn in the shadow, and compare: {', '.join(KINDS)}.",
)
@click.option(
    "--promote",
    type=click.Choice(["hand", "auto"]),
    default="hand",
    show_default=True,
    help="Who puts a better challenger in force: `dangol model promote`, or the rule.",
)
@options.metrics(9465)
@options.logs
def command(
    connection: Connection,
    prefix: str,
    every: int,
    seconds: float,
    challenger: str | None,
    promote: Literal["hand", "auto"],
    metrics_host: str,
    metrics_port: int,
    log_format: str,
    verbose: bool,
) -> None:
    """Learn who will be lost from what came of customers, until stopped (SIGTERM or Ctrl-C).

    It learns where the playbook has a section `churn`. Start one for all workers; it goes on where the last
    one stopped.

    A challenger learns from the same examples and is judged on the same ones, but nothing is decided by it
    until it is promoted. It is better by the rule if over the latest 5,000 examples, with a certainty of
    99.9 %, its log loss is lower by more than 0.002, and its AUC is not lower.

    \b
    Examples:
      dangol trainer --every 1000 --seconds 300
      dangol trainer --challenger stacked-forgetting --promote auto
    """
    # Imported here: `dangol trainer --help` should not wait for River.
    import asyncio

    from agents import logs, training_process
    from agents.training_session import TrainerSettings
    from schemas.topics import Topics

    logs.configure(json=None if log_format == "auto" else log_format == "json", verbose=verbose)
    settings = TrainerSettings(
        connection=connection,
        topics=Topics(prefix),
        every=every,
        seconds=seconds,
        challenger=challenger,
        promote=promote,
        metrics_host=metrics_host,
        metrics_port=metrics_port,
    )
    asyncio.run(training_process.run(settings))
