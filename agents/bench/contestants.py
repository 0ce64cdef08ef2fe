"""Contestants: who takes part, how each is started, and where each keeps its state."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from agents.bench.assignment import SESSION_SECONDS, Assignment
from agents.settings import Clock


@dataclass(frozen=True, slots=True)
class Contestant:
    """One that takes part.

    Attributes:
        name: what it is called on the command line and in JSON.
        settings: what it is and what of its settings matters, in one line.
        command: the command that starts it.
        changelog: the topic that its state goes to.
        needs: the module without which it can't take part; None for none.
    """

    name: str
    settings: str
    command: Callable[[Assignment], list[str]]
    changelog: Callable[[Assignment], str]
    needs: str | None = None

    @property
    def available(self) -> bool:
        """Whether what it needs is installed."""
        return self.needs is None or find_spec(self.needs) is not None


def _dangol(assignment: Assignment, clock: Clock = "event") -> list[str]:
    options = {
        "clock": clock,
        "bootstrap": assignment.bootstrap,
        "prefix": assignment.prefix,
        "group": assignment.group,
        "state": assignment.state,
        "metrics-port": "0",
        "session-timeout": str(SESSION_SECONDS),
        "log": "json",
    }
    pairs = (part for name, value in options.items() for part in (f"--{name}", value))
    return [sys.executable, "-m", "agents", "worker", *pairs]


def _module(name: str) -> Callable[[Assignment], list[str]]:
    return lambda assignment: [sys.executable, "-m", f"agents.bench.{name}", assignment.to_argument()]


def _profiles(assignment: Assignment) -> str:
    return assignment.topics.profiles


CONTESTANTS = {
    contestant.name: contestant
    for contestant in (
        Contestant("dangol", "`dangol worker`, as it ships", _dangol, _profiles),
        Contestant(
            "tutorial",
            "Faust as its tutorial has it: async for, Table, await topic.send; its default settings",
            _module("tutorial"),
            lambda assignment: f"{assignment.group}-profiles-changelog",
        ),
        Contestant(
            "quix",
            "Quix Streams: stateful apply, RocksDB with changelog; its default settings, one commit a run",
            _module("quix"),
            lambda assignment: f"changelog__{assignment.group}--{assignment.topics.touchpoints}--default",
            needs="quixstreams",
        ),
        Contestant(
            "bare",
            "aiokafka loop: polls of 2,000, state in memory, send a record, linger 5 ms, idempotent",
            _module("bare"),
            _profiles,
        ),
    )
}
"""All contestants by name, this project's first."""

WORKER = Contestant(
    "dangol", "`dangol worker`, as it ships", lambda assignment: _dangol(assignment, "record"), _profiles
)
"""This project's worker by the clock of a day of work, not of the past."""
