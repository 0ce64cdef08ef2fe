"""`dangol broker`: the embedded broker in the foreground."""

from __future__ import annotations

import click


@click.command
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=9092,
    show_default=True,
    help="Port on 127.0.0.1.",
)
def command(port: int) -> None:
    """Run the embedded Kafka-compatible broker until Ctrl-C.

    It keeps everything in memory and forgets it when it stops: for trying things out, not for production.

    \b
    Example:
      dangol broker --port 9092
    """
    from deploy.broker import serve
    from deploy.embedded import EmbeddedBroker

    serve(EmbeddedBroker(port), click.echo)
