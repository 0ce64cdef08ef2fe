"""The options that every command which talks to a broker shares."""

from __future__ import annotations

import click

bootstrap = click.option(
    "--bootstrap",
    metavar="HOST:PORT",
    envvar="DANGOL_BOOTSTRAP",
    default="127.0.0.1:9092",
    show_default=True,
    show_envvar=True,
    help="Kafka broker to start from.",
)
"""Decorator: the command gets `bootstrap`, a `host:port` string."""

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
