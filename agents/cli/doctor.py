"""`dangol doctor`: is a deployment well?"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.cli import options

if TYPE_CHECKING:
    from rich.table import Table

    from agents.connection import Connection
    from agents.doctor.check import Check, Verdict

_LOOKS: dict[Verdict, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "problem": ("✗", "bold red"),
    "untold": ("?", "dim"),
}
_ORDER: list[Verdict] = ["problem", "warning", "untold", "ok"]


@click.command
@options.silent_connection
@options.prefix
@options.group
@options.store
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    envvar="DANGOL_STATE",
    default=Path(".dangol"),
    show_default=True,
    help="Folder of a worker's state on this machine.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")
def command(connection: Connection, prefix: str, group: str, store: str, state: Path, as_json: bool) -> None:
    """Examine a deployment and say what to mend: broker, rights, topics, settings that lose data, disk.

    Give it the settings of a worker, and run it where one runs. It changes nothing. The exit code is 0 unless
    there is a problem; then it is the one that a worker would end with.

    \b
    Example:
      dangol doctor --json
    """
    import dataclasses
    import logging

    import orjson

    from agents.doctor.check import Patient
    from agents.doctor.examination import examine
    from schemas.topics import Topics

    # aiokafka logs every failed attempt by itself; here what came of it is told.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    patient = Patient(
        connection, Topics(prefix), group, "rocksdict" if store == "rocksdict" else "memory", state
    )
    checks = asyncio.run(examine(patient))
    checks.sort(key=lambda check: _ORDER.index(check.verdict))
    if as_json:
        report = {"bootstrap": connection.bootstrap, "prefix": prefix, "group": group}
        click.echo(orjson.dumps(report | {"checks": [dataclasses.asdict(check) for check in checks]}))
    else:
        _print(checks)
    problems = [check for check in checks if check.verdict == "problem"]
    if problems:
        raise click.exceptions.Exit(problems[0].exit_code)


def _print(checks: list[Check]) -> None:
    from collections import Counter

    from rich.console import Console

    console = Console(highlight=False)
    console.print(_table(checks))
    counts = Counter(check.verdict for check in checks)
    told = {"problem": "to mend now", "warning": "to mend", "untold": "not found out", "ok": "well"}
    console.print(", ".join(f"{counts[verdict]} {told[verdict]}" for verdict in _ORDER if counts[verdict]))


def _table(checks: list[Check]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        sign, look = _LOOKS[check.verdict]
        what, _, todo = check.message.partition("; ")
        message = Text(what)
        if todo:
            message.append(f"; {todo}", style="dim" if check.verdict == "ok" else "")
        table.add_row(Text(sign, style=look), check.check, message)
    return table
