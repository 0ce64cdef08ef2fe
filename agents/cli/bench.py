"""`dangol bench`: this worker beside three others around the same engine."""

from __future__ import annotations

import click

NAMES = ("dangol", "tutorial", "quix", "bare")


@click.command
@click.option(
    "--events",
    type=click.IntRange(1_000, 1_000_000),
    default=100_000,
    show_default=True,
    help="Touchpoints a run.",
)
@click.option(
    "--customers",
    type=click.IntRange(1, 1_000_000),
    default=10_000,
    show_default=True,
    help="Customers, at most.",
)
@click.option(
    "--runs",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="Turns of each; the median counts.",
)
@click.option(
    "--partitions", type=click.IntRange(1, 64), default=4, show_default=True, help="Partitions of each topic."
)
@click.option(
    "--broker",
    type=click.Choice(["kafka", "embedded"]),
    default="kafka",
    show_default=True,
    help="Broker to start: Apache Kafka (Java 17, Maven) or the embedded one.",
)
# Not from the environment: whoever set DANGOL_BOOTSTRAP meant workers, not a load.
@click.option(
    "--bootstrap", metavar="HOST:PORT", help="Use this broker instead; topics `bench-…` come and go."
)
@click.option("--only", type=click.Choice(NAMES), multiple=True, help="Take only this one; may be repeated.")
@click.option(
    "--recovery",
    type=click.IntRange(0, 10_000_000),
    default=0,
    help="Also recover this many profiles of 800 B.",
)
@click.option(
    "--latency",
    type=click.IntRange(0, 100_000),
    default=0,
    help="Instead: arrivals to keys, at so many touchpoints a second.",
)
@click.option(
    "--seconds",
    type=click.IntRange(5, 600),
    default=30,
    show_default=True,
    help="How long --latency measures.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON for a machine to read.")
def command(
    events: int,
    customers: int,
    runs: int,
    partitions: int,
    broker: str,
    bootstrap: str | None,
    only: tuple[str, ...],
    recovery: int,
    latency: int,
    seconds: int,
    as_json: bool,
) -> None:
    """Measure throughput: this worker, Faust's tutorial, Quix Streams and a bare aiokafka loop, side by side.

    Each is one process around the same engine and reads the same touchpoints from the same broker, in
    turn. Who publishes other triggers or keeps other profiles than the engine says is wrong, not ranked.

    \b
    Example:
      dangol bench
      dangol bench --recovery 200000 --json
      dangol bench --latency 5000
      dangol bench --events 20000 --runs 1 --only dangol --only bare
    """
    import contextlib
    import logging

    import msgspec
    from rich.console import Console

    from agents import event_loop
    from agents.bench.contestants import CONTESTANTS
    from agents.bench.latency import line_of, measure
    from agents.bench.report import OURS, lines_of, table_of
    from agents.bench.run import Plan, run
    from deploy.broker import LocalBroker
    from deploy.embedded import EmbeddedBroker
    from deploy.kafka import KafkaServer
    from schemas.errors import DangolError

    def say(text: str) -> None:
        click.echo(text, err=True)

    # Topics that are a moment old have no leader yet; aiokafka tries again and tells about it.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    names = []
    for name in CONTESTANTS:
        if only and name not in only:
            continue
        if CONTESTANTS[name].available:
            names.append(name)
        else:
            missing = CONTESTANTS[name].needs
            say(f"{name} is left out: {missing} is not installed (pip install 'dangol[bench]')")
    if not names:
        raise DangolError("nobody is left to take part; install what is missing or name others by --only")
    with contextlib.ExitStack() as stack:
        title = f"the broker at {bootstrap}"
        if bootstrap is None:
            local: LocalBroker = KafkaServer() if broker == "kafka" else EmbeddedBroker()
            title = local.title
            say(f"starting {title}")
            bootstrap = stack.enter_context(local).bootstrap
        runner = stack.enter_context(event_loop.runner())
        if latency:
            took = runner.run(measure(bootstrap, latency, seconds, partitions, say))
            click.echo(msgspec.json.encode(took) if as_json else line_of(took))
            return
        plan = Plan(events, customers, partitions, runs, recovery)
        report = runner.run(run(bootstrap, title, names, plan, say))
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        console = Console(highlight=False)
        console.print(table_of(report))
        for line in lines_of(report):
            console.print(line, style="dim", soft_wrap=True)
    ours = report.figures.get(OURS)
    if ours is not None and ours.fault is not None:
        raise DangolError(f"the worker did not do its work: {ours.fault}")
