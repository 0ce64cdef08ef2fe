"""`dangol worker`: what its options become."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agents import logs, worker
from agents.cli import main
from agents.settings import Settings
from schemas.topics import Topics


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that workers were started with, instead of workers; the environment says nothing."""
    started: list[Settings] = []
    for name in [name for name in os.environ if name.startswith("DANGOL_")]:
        monkeypatch.delenv(name)

    async def note(settings: Settings, engine: Any) -> None:
        started.append(settings)

    monkeypatch.setattr(worker, "run", note)
    monkeypatch.setattr(logs, "configure", lambda **_: None)
    return started


def test_without_options_a_worker_is_as_settings_say(told: list[Settings]) -> None:
    """The command line and `Settings` agree on every default."""
    result = CliRunner().invoke(main, ["worker"])
    (settings,) = told
    expected = Settings()

    assert result.exit_code == 0
    assert settings.topics.prefix == expected.topics.prefix
    for name in Settings.__slots__:
        if name != "topics":
            assert (name, getattr(settings, name)) == (name, getattr(expected, name))


def test_every_option_arrives(told: list[Settings]) -> None:
    """Each option ends up in the setting that is named like it."""
    options = (
        "--bootstrap b:1 --prefix hotel.cx --group g --clock event --store rocksdict --state /s "
        "--metrics-host 0.0.0.0 --metrics-port 0 --session-timeout 30 --batch 7 --patience 9 --instance i"
    )
    CliRunner().invoke(main, ["worker", *options.split()])
    (settings,) = told

    assert settings.topics.touchpoints == Topics("hotel.cx").touchpoints
    assert (settings.connection.bootstrap, settings.group, settings.clock, settings.store) == (
        "b:1",
        "g",
        "event",
        "rocksdict",
    )
    assert (settings.state, settings.metrics_host, settings.metrics_port) == (Path("/s"), "0.0.0.0", 0)
    assert (settings.session_timeout, settings.batch, settings.instance) == (30.0, 7, "i")
    assert settings.patience == 9.0


def test_the_environment_is_heard(told: list[Settings]) -> None:
    """What a container is configured by."""
    environment = {
        "DANGOL_BOOTSTRAP": "b:1",
        "DANGOL_PREFIX": "e.cx",
        "DANGOL_GROUP": "g",
        "DANGOL_STORE": "rocksdict",
        "DANGOL_STATE": "/s",
        "DANGOL_METRICS_HOST": "::",
        "DANGOL_METRICS_PORT": "1",
    }
    CliRunner().invoke(main, ["worker"], env=environment)
    (settings,) = told

    assert (settings.connection.bootstrap, settings.topics.prefix, settings.group) == ("b:1", "e.cx", "g")
    assert (settings.store, settings.state) == ("rocksdict", Path("/s"))
    assert (settings.metrics_host, settings.metrics_port) == ("::", 1)


@pytest.mark.parametrize(
    "options",
    [
        ["--batch", "0"],
        ["--batch", "10001"],
        ["--session-timeout", "5"],
        ["--clock", "wall"],
        ["--store", "disk"],
        ["--metrics-port", "http"],
        ["--unheard-of"],
    ],
)
def test_what_can_not_be_is_refused(told: list[Settings], options: list[str]) -> None:
    """Exit code 2, the option's name in the message, and no worker."""
    result = CliRunner().invoke(main, ["worker", *options])

    assert result.exit_code == 2
    assert options[0] in result.output
    assert told == []


def test_help_has_an_example() -> None:
    """A newcomer can copy a line from it."""
    result = CliRunner().invoke(main, ["worker", "--help"])

    assert "dangol worker --store rocksdict --state /var/lib/dangol" in result.output
