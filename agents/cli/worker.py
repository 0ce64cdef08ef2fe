"""`dangol worker`: process touchpoints until stopped."""

from __future__ import annotations

from pathlib import Path

import click

from agents.cli import options
from agents.connection import Connection


@click.command()
@options.silent_connection
@options.prefix
@options.group
@click.option(
    "--clock",
    type=click.Choice(["record", "event"]),
    default="record",
    show_default=True,
    help="What `now` is: the record's Kafka timestamp, or (backfills, tests) the touchpoint's own time.",
)
@click.option(
    "--delivery",
    type=click.Choice(["at-least-once", "exactly-once"]),
    envvar="DANGOL_DELIVERY",
    default="at-least-once",
    show_default=True,
    help="How often a trigger is delivered; exactly once for who reads committed records.",
)
@options.store
@click.option("--standby", is_flag=True, help="Keep the others' profiles too, to take over at once.")
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="DANGOL_STATE",
    default=Path(".dangol"),
    show_default=True,
    help="Folder for state on disk; one worker each.",
)
@click.option(
    "--playbook",
    type=options.PlaybookFile(),
    metavar="FILE|NAME",
    help="Decide by this file, or one that ships, whatever is applied; else by what `dangol playbook apply` "
    "put in force, or the hotel's.",
)
@click.option("--model", metavar="VERSION", help="Churn model to score with; else the one that ships.")
@options.metrics(9464, "DANGOL_METRICS_PORT")
@click.option(
    "--session-timeout",
    type=click.FloatRange(min=6.0, max=300.0),
    default=10.0,
    show_default=True,
    help="Seconds of silence after which the others take over.",
)
@click.option(
    "--batch", type=click.IntRange(1, 10_000), default=2_000, show_default=True, help="Records at once."
)
@click.option(
    "--patience",
    type=click.FloatRange(min=0.0),
    default=300.0,
    show_default=True,
    help="Seconds for which the broker may refuse a worker that ran before, until it ends.",
)
@click.option("--instance", help="Name for static membership, the same after a restart.")
@options.logs
def command(
    connection: Connection,
    prefix: str,
    group: str,
    clock: str,
    delivery: str,
    store: str,
    standby: bool,
    state: Path,
    playbook: Path | None,
    model: str | None,
    metrics_host: str,
    metrics_port: int,
    session_timeout: float,
    batch: int,
    patience: float,
    instance: str | None,
    log_format: str,
    verbose: bool,
) -> None:
    """Process touchpoints until stopped (SIGTERM or Ctrl-C).

    Start as many as there are partitions; they share the work and take over from each other.

    \b
    Example:
      dangol topics create
      dangol worker --store rocksdict --state /var/lib/dangol
    """
    # Imported here: `dangol worker --help` should not wait for River and Faust.
    from agents import event_loop, logs, worker
    from agents.settings import Settings
    from schemas.topics import Topics
    from stream.engine import load_engine

    logs.configure(json=None if log_format == "auto" else log_format == "json", verbose=verbose)
    settings = Settings(
        connection=connection,
        topics=Topics(prefix),
        group=group,
        clock="event" if clock == "event" else "record",
        delivery="exactly-once" if delivery == "exactly-once" else "at-least-once",
        store="rocksdict" if store == "rocksdict" else "memory",
        standby=standby,
        state=state,
        playbook=playbook,
        model=model,
        metrics_host=metrics_host,
        metrics_port=metrics_port,
        session_timeout=session_timeout,
        batch=batch,
        patience=patience,
        instance=instance,
    )
    engine = load_engine(playbook, model)
    with event_loop.runner() as runner:
        runner.run(worker.run(settings, engine))
