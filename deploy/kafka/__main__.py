"""`python -m deploy.kafka [--port 9092] [--data DIR]`: Apache Kafka in the foreground."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from deploy.broker import serve
from deploy.kafka.server import KafkaServer
from schemas.errors import DangolError


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--port", default=9092, show_default=True, help="Port on 127.0.0.1.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep its data in this folder; without it they go when the broker stops.",
)
def main(port: int, data: Path | None) -> None:
    """Run Apache Kafka on this machine until Ctrl-C (needs Java 17 and Maven)."""
    try:
        serve(KafkaServer(port, data), click.echo)
    except DangolError as error:
        click.echo(error, err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(prog_name="python -m deploy.kafka")
