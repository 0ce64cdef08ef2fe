"""`dangol demo`: a simulated day, live in one terminal."""

from __future__ import annotations

from pathlib import Path

import click


@click.command
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same day.")
@click.option(
    "--customers",
    type=click.IntRange(1, 100_000),
    default=2_000,
    show_default=True,
    help="How many customers there are.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 86_400),
    default=20.0,
    show_default=True,
    help="How long the day takes.",
)
# Not from the environment: whoever set DANGOL_BOOTSTRAP meant workers, not simulated customers.
@click.option("--bootstrap", metavar="HOST:PORT", help="Use this Kafka broker instead of the embedded one.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON for a machine to read.")
@click.option("--record", type=click.Path(dir_okay=False, writable=True, path_type=Path), hidden=True)
def command(
    seed: int, customers: int, seconds: float, bootstrap: str | None, as_json: bool, record: Path | None
) -> None:
    """See it work: a broker, a worker, a subscriber and a busy day at a hotel, all real but the guests.

    Ends by itself. Exit code 0 means that every touchpoint is accounted for: applied, rejected for a
    reason, or recognised as a duplicate.

    \b
    Example:
      dangol demo
      dangol demo --customers 500 --seconds 10 --json
      dangol demo --bootstrap 127.0.0.1:9092
    """
    import contextlib
    import signal

    import msgspec
    from rich.console import Console

    from agents import event_loop
    from agents.demo import run
    from agents.demo.view import View, save
    from agents.simulation.simulation import Simulation
    from deploy.broker import free_port
    from deploy.embedded import EmbeddedBroker
    from schemas.errors import DangolError

    # Told to end, it ends as by Ctrl-C: worker and broker first, the cursor back.
    signal.signal(signal.SIGTERM, lambda _number, _frame: signal.raise_signal(signal.SIGINT))
    # With --json standard output is the machine's; people read along on the other one.
    console = Console(stderr=as_json, highlight=False)
    simulation = Simulation(seed, customers)
    view = View(console, simulation)
    with contextlib.ExitStack() as stack:
        address = bootstrap or stack.enter_context(EmbeddedBroker()).bootstrap
        runner = stack.enter_context(event_loop.runner())
        summary = runner.run(
            run.run(address, free_port(), simulation, seconds, view, embedded=bootstrap is None)
        )
    if as_json:
        click.echo(msgspec.json.encode(summary))
    else:
        console.print(view.final(summary))
    if record is not None:
        save(view.final(summary), record)
    if not summary.zero_loss:
        raise DangolError(
            f"the worker's counts are not what they should be; expected were {simulation.expected}"
        )
