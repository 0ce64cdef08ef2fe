"""The `dangol` command: a group whose commands are imported when they run, not before."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from agents.version import VERSION
from schemas.errors import DangolError

# The matrices of a churn model are small: threads that wait for each other cost more than they do.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# In the order in which a newcomer meets them. Each name is a module of this package with a
# click command called `command`; the summary stands here so that --help imports none of them.
COMMANDS = {
    "demo": "See it work: broker, worker and a busy hotel in one terminal.",
    "worker": "Process touchpoints until stopped.",
    "trainer": "Learn from what came of customers until stopped.",
    "broker": "Run the embedded Kafka-compatible broker.",
    "topics": "Create or check the topics.",
    "playbook": "Check, compare and apply playbooks.",
    "doctor": "Examine a deployment and say what to mend.",
    "publish": "Send touchpoints from a file.",
    "tail": "Follow triggers and decisions as they happen.",
    "explain": "Tell why something was done for a customer, and why not.",
    "risks": "Show whom you may lose, and what that would cost.",
    "causes": "Show which touchpoints cost customers and which win them.",
    "dlq": "List, show and replay dead letters.",
    "replay": "Run a file through the engine, without a broker.",
    "data": "Make or read sample touchpoints.",
    "bench": "Measure throughput and recovery.",
    "evaluate": "Judge churn risks on data of the past, as given then.",
    "model": "Train, evaluate and inspect the churn model.",
    "contracts": "Write or check the JSON Schemas of what travels on the topics.",
}

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells count it."""


class Commands(click.Group):
    """The group behind `dangol`: finds commands by name and ends every failure in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, imported now; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"agents.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands for --help without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; whatever goes wrong, the user gets one line and an exit code."""
        try:
            result = super().invoke(ctx)
            # Here click still handles a closed pipe quietly; at interpreter exit it would be a traceback.
            sys.stdout.flush()
        except DangolError as error:
            click.echo(f"dangol: {one_line(error)}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if os.environ.get("DANGOL_DEBUG") == "1":
                raise
            what = f"{type(error).__name__}: {one_line(error)}".removesuffix(": ")
            hint = "set DANGOL_DEBUG=1 for the traceback"
            click.echo(f"dangol: unexpected error: {what}; {hint}", err=True)
            ctx.exit(1)
        return result


def one_line(error: Exception) -> str:
    r"""The error's message with line breaks and runs of blanks as single blanks.

    >>> one_line(ValueError("first\n  second"))
    'first second'
    """
    return " ".join(str(error).split())


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="dangol", message="%(prog)s %(version)s")
def main() -> None:
    """Turn a stream of customer touchpoints into the moments that make regulars.

    \b
    Start here:     dangol demo
    About one:      dangol worker --help
    """
