"""The options that every command which talks to a broker shares."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def connection(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the command gets `connection`, how to reach the broker.

    What is unsafe about it is told on standard error first.
    """

    @functools.wraps(command)
    def warned(*args: Any, connection: Any, **rest: Any) -> Any:
        if connection.warning is not None:
            click.echo(f"dangol: warning: {connection.warning}", err=True)
        return command(*args, connection=connection, **rest)

    return silent_connection(warned)


def silent_connection(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: as `connection`, for a command that tells in its own way what is unsafe."""

    @click.option(
        "--bootstrap",
        metavar="HOST:PORT",
        envvar="DANGOL_BOOTSTRAP",
        show_envvar=True,
        help="Kafka broker to start from.  [default: 127.0.0.1:9092]",
    )
    @click.option(
        "--connection",
        "connection_file",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="DANGOL_CONNECTION",
        show_envvar=True,
        help="TOML file that says how to reach the broker: TLS, login.",
    )
    @functools.wraps(command)
    def connected(*args: Any, bootstrap: str | None, connection_file: Path | None, **rest: Any) -> Any:
        from agents.connection import load

        return command(*args, connection=load(bootstrap, connection_file, os.environ), **rest)

    return connected


prefix = click.option(
    "--prefix",
    metavar="NAME",
    envvar="DANGOL_PREFIX",
    default="cx",
    show_default=True,
    show_envvar=True,
    help="First part of every topic's name.",
)
"""Decorator: the command gets `prefix`, the first part of every topic's name."""

group = click.option(
    "--group", envvar="DANGOL_GROUP", default="dangol", show_default=True, help="Consumer group."
)
"""Decorator: the command gets `group`, the consumer group that the workers share."""

store = click.option(
    "--store",
    type=click.Choice(["memory", "rocksdict"]),
    envvar="DANGOL_STORE",
    default="memory",
    show_default=True,
    help="Where workers keep profiles.",
)
"""Decorator: the command gets `store`, the kind of store that profiles are kept in."""


class PlaybookFile(click.ParamType):
    """A playbook's file, or the name of one that ships; becomes its path."""

    name = "playbook"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path."""
        from schemas.errors import InputError
        from schemas.nearest import nearest
        from stream.engine import SHIPPED

        if isinstance(value, Path) or value not in SHIPPED:
            path = Path(value)
            if path.is_file():
                return path
            known = f"those that ship: {', '.join(SHIPPED)}{nearest(str(value), SHIPPED)}"
            raise InputError(f"there is no playbook {value}: no such file, and no such name; {known}")
        return SHIPPED[value]


playbook = click.option(
    "--playbook",
    type=PlaybookFile(),
    metavar="FILE|NAME",
    help="Playbook, a file or one that ships: hotel, retail, subscription, b2b.  [default: hotel]",
)
"""Decorator: the command gets `playbook`, a playbook's path; None for the default."""


def metrics(port: int, envvar: str | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the command gets `metrics_host` and `metrics_port`, where metrics and health are shown.

    Args:
        port: by default.
        envvar: what stands in for it.
    """
    host = click.option(
        "--metrics-host",
        envvar="DANGOL_METRICS_HOST",
        default="127.0.0.1",
        show_default=True,
        help="Bind to.",
    )
    number = click.option(
        "--metrics-port",
        envvar=envvar,
        type=click.IntRange(0, 65_535),
        default=port,
        show_default=True,
        help="0: any.",
    )
    return lambda command: host(number(command))


def logs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the command gets `log_format` and `verbose`, how it speaks of what it does."""
    form = click.option(
        "--log", "log_format", type=click.Choice(["auto", "json", "text"]), default="auto", show_default=True
    )
    verbose = click.option("--verbose", is_flag=True, help="Let the Kafka libraries speak.")
    return form(verbose(command))
