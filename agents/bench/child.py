"""Child: a contestant's process, which can be halted and goes on where it was."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from agents.bench.assignment import Assignment
from agents.bench.contestants import Contestant
from schemas.errors import DangolError

STOP_SECONDS = 30.0
"""How long it may take to end: what it has not sent yet, it may send."""

# Its standard input ends when the bench is gone, however it went; then the process group goes too, even
# a halted one.
_WATCH = 'cat >/dev/null; kill -KILL "-$1" 2>/dev/null; sleep 0.2; rm -rf -- "$2"'


class Child:
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
        self.contestant = contestant
        self._folder = Path(tempfile.mkdtemp(prefix="dangol-bench-"))
        self.assignment = Assignment(
            bootstrap, prefix, f"{prefix}.group", partitions, total, str(self._folder / "state")
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        # What the user set for workers of their own must not change these.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DANGOL_")}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self.contestant.command(self.assignment),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._watch = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, "watch", str(self._process.pid), str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, watch = self._process, self._watch
        assert process is not None
        assert watch is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        watch.kill()
        watch.communicate()
        shutil.rmtree(self._folder, ignore_errors=True)

    def halt(self) -> None:
        """Let it do nothing until `go_on`; its connections stay."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it work again."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Let it end in good order; by force, if that takes too long."""
        assert self._process is not None
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)

    def check(self) -> None:
        """Make sure that it runs.

        Raises:
            DangolError: it ended by itself.
        """
        assert self._process is not None
        if (code := self._process.poll()) is not None:
            raise DangolError(
                f"{self.contestant.name} ended by itself (exit code {code}); {self.last_words()}"
            )

    def said(self) -> list[str]:
        """The lines that it has printed."""
        return [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]

    def last_words(self) -> str:
        """The last line that it printed, which most often names the reason."""
        said = self.said()
        return f"it said last: {said[-1].strip()[:300]}" if said else "it said nothing"

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        # If it has ended, `check` says so better.
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
