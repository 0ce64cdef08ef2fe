"""The `dangol` command: help at once, and one line with an exit code for every failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from agents.cli import COMMANDS, main
from agents.version import VERSION
from schemas.errors import BrokerError, DangolError, InputError, TopicError

ROOT = Path(__file__).parents[2]

Failing = Callable[[BaseException], Result]


def python(*args: str) -> subprocess.CompletedProcess[str]:
    """Run Python at the top of the repository, in a process of its own."""
    return subprocess.run(
        [sys.executable, *args], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Failing:
    """Runs `dangol data` with a command in its place that raises what the test hands over."""
    monkeypatch.delenv("DANGOL_DEBUG", raising=False)

    def run(error: BaseException) -> Result:
        @click.command
        def command() -> None:
            raise error

        monkeypatch.setattr(main, "get_command", lambda _ctx, _name: command)
        return CliRunner().invoke(main, ["data"])

    return run


def test_help_lists_every_command_with_its_summary() -> None:
    """`dangol --help` shows all commands and what each is for."""
    result = CliRunner().invoke(main, ["--help"])

    assert result.exit_code == 0
    for name, summary in COMMANDS.items():
        assert f"  {name} " in result.output
        assert summary in result.output


def test_help_lines_fit_a_terminal() -> None:
    """No line of `dangol --help` is wider than 80 columns, so no summary wraps."""
    result = CliRunner().invoke(main, ["--help"])

    assert [line for line in result.output.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_module_and_an_example(name: str) -> None:
    """Every listed command exists, and its help holds an example that starts with its own name."""
    result = CliRunner().invoke(main, [name, "--help"])

    assert result.exit_code == 0, result.stderr
    assert f"dangol {name}" in result.output.split("\n", 1)[1]


def test_help_imports_no_engine() -> None:
    """`dangol --help` is instant: neither a command nor a heavy library is imported for it."""
    script = (
        "import json, sys\n"
        "from agents.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )

    done = python("-c", script)
    modules = json.loads(done.stdout.splitlines()[-1])

    heavy = {"river", "faust", "aiokafka", "numpy", "rich", "asyncio"}
    commands = {f"agents.cli.{name}" for name in COMMANDS}
    assert (heavy | commands).intersection(modules) == set()


def test_version() -> None:
    """`dangol --version` and `python -m agents --version` name the program and its version."""
    done = python("-m", "agents", "--version")

    assert done.stdout == f"dangol {VERSION}\n"


def test_unknown_command_is_a_usage_error() -> None:
    """A command that isn't there exits with 2 and says which word was wrong."""
    done = python("-m", "agents", "dmeo")

    assert done.returncode == 2
    assert "No such command 'dmeo'" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [(DangolError("x"), 1), (InputError("x"), 2), (BrokerError("x"), 3), (TopicError("x"), 4)],
)
def test_own_error_has_its_exit_code(failing: Failing, error: DangolError, code: int) -> None:
    """Each kind of error that dangol raises on purpose ends with the exit code of that kind."""
    assert failing(error).exit_code == code


def test_own_error_is_one_line(failing: Failing) -> None:
    """The message of an error raised on purpose is all that is printed, on stderr, on one line."""
    result = failing(BrokerError("no broker at 127.0.0.1:9:\n  start one"))

    assert result.stderr == "dangol: no broker at 127.0.0.1:9: start one\n"
    assert result.stdout == ""


def test_unexpected_error_is_one_line(failing: Failing) -> None:
    """A mistake of ours is one line too, which says how to get at the traceback."""
    result = failing(ZeroDivisionError("division by zero"))

    assert result.exit_code == 1
    assert result.stderr == (
        "dangol: unexpected error: ZeroDivisionError: division by zero; "
        "set DANGOL_DEBUG=1 for the traceback\n"
    )


def test_debug_lets_the_traceback_through(failing: Failing, monkeypatch: pytest.MonkeyPatch) -> None:
    """With DANGOL_DEBUG=1 an unexpected error is raised as it is."""
    error = ZeroDivisionError("division by zero")
    monkeypatch.setenv("DANGOL_DEBUG", "1")

    assert failing(error).exception is error


def test_interrupt_is_quiet(failing: Failing) -> None:
    """Ctrl-C ends a command with 130 and no word."""
    result = failing(KeyboardInterrupt())

    assert (result.exit_code, result.output) == (130, "")


def test_closed_pipe_is_quiet(tmp_path: Path) -> None:
    """When the reader goes away (`dangol … | head`), the command ends without a word on stderr."""
    reader, writer = os.pipe()
    os.close(reader)
    script = (
        "import sys, click\n"
        "from agents.cli import main\n"
        "@click.command\n"
        "def command():\n"
        "    sys.stdout.write('a line that stays in the buffer')\n"
        "main.get_command = lambda ctx, name: command\n"
        "main(['data'])\n"
    )
    errors = tmp_path / "stderr"

    with errors.open("w") as stderr:
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, stdout=writer, stderr=stderr, check=False, timeout=60
        )
    os.close(writer)

    assert (done.returncode, errors.read_text()) == (1, "")
