"""Settings of a worker: what holds when nothing is said."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from agents.settings import Settings


def test_defaults_are_those_of_production() -> None:
    """The record's clock, memory, loopback and the shipped playbook and model."""
    settings = Settings()

    assert settings.topics.touchpoints == "cx.touchpoints.v1"
    assert (settings.group, settings.clock, settings.store) == ("dangol", "record", "memory")
    assert (settings.state, settings.playbook, settings.model) == (Path(".dangol"), None, None)
    assert (settings.metrics_host, settings.metrics_port) == ("127.0.0.1", 9464)
    assert (settings.session_timeout, settings.batch, settings.instance) == (10.0, 2_000, None)


def test_settings_stay_as_they_are() -> None:
    """Nothing changes them while a worker runs."""
    with pytest.raises(FrozenInstanceError):
        Settings().batch = 1  # type: ignore[misc]
