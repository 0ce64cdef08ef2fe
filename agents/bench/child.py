"""Child: a contestant's process, which can be halted and goes on where it was."""

from __future__ import annotations

import signal

from agents.bench.assignment import Assignment
from agents.bench.contestants import Contestant
from agents.child import ChildProcess

STOP_SECONDS = 30.0
"""How long it may take to end: what it has not sent yet, it may send."""


class Child(ChildProcess):
    """A contestant at work, as a context manager; its folder goes with it.

    Args:
        contestant: which one.
        bootstrap: the broker, `host:port`.
        prefix: first part of the names of its topics.
        partitions: how many partitions they have.
        total: how many touchpoints there will be.
    """

    def __init__(
        self, contestant: Contestant, bootstrap: str, prefix: str, partitions: int, total: int
    ) -> None:
        super().__init__(contestant.name, STOP_SECONDS)
        self.contestant = contestant
        self.assignment = Assignment(
            bootstrap, prefix, f"{prefix}.group", partitions, total, str(self._folder / "state")
        )

    def command(self) -> list[str]:
        """How the contestant is started."""
        return self.contestant.command(self.assignment)

    def halt(self) -> None:
        """Let it do nothing until `go_on`; its connections stay."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it work again."""
        self._process.send_signal(signal.SIGCONT)
