"""Child: a process with its log in a temporary folder, which does not outlive its parent."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from schemas.errors import DangolError

# Its standard input ends when the parent is gone, however it went; then the child's process group goes too,
# even a halted one. No `--` before the group: dash would take it for a process.
_WATCH = 'cat >/dev/null; kill -KILL "-$1" 2>/dev/null; sleep 0.2; rm -rf -- "$2"'


class ChildProcess(ABC):
    """A process in a session of its own, as a context manager; its folder goes with it.

    Args:
        name: what it is called when it fails.
        stop_seconds: how long it may take to end in good order.
    """

    def __init__(self, name: str, stop_seconds: float) -> None:
        self._name = name
        self._stop_seconds = stop_seconds
        self._folder = Path(tempfile.mkdtemp(prefix="dangol-child-"))
        self._process: subprocess.Popen[bytes]
        self._watch: subprocess.Popen[bytes]

    @abstractmethod
    def command(self) -> list[str]:
        """What runs."""

    def __enter__(self) -> Self:
        # What the user set for workers of their own must not change this one.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DANGOL_")}
        with self._log.open("wb") as log:
            # A session of its own: Ctrl-C reaches the parent alone, which ends the child in good order.
            self._process = subprocess.Popen(
                self.command(),
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
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._watch.kill()
        self._watch.communicate()
        shutil.rmtree(self._folder, ignore_errors=True)

    def stop(self) -> None:
        """Let it end in good order; who leaves the context after that ends what took too long."""
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(self._stop_seconds)

    def check(self) -> None:
        """Make sure that it runs.

        Raises:
            DangolError: it ended by itself.
        """
        if (code := self._process.poll()) is not None:
            raise DangolError(f"{self._name} ended by itself (exit code {code}); {self.last_words()}")

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
