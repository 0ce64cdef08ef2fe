"""Child: the worker that the demo runs, as a process of its own, like any worker."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from schemas.errors import DangolError

READY_SECONDS = 60.0
"""How long a worker may take to be ready: seconds of imports on a slow machine, then a first rebalance."""

STOP_SECONDS = 10.0
"""How long a worker may take to finish its run and leave the group before it is killed."""

ANSWER_SECONDS = 5.0
"""How long one answer over HTTP may take; a busy worker gives it between two runs, within milliseconds."""

PAUSE_SECONDS = 0.1
"""Pause between two questions whether it is ready."""

# Its standard input ends when the demo is gone, however it went; then the worker's process group goes too.
# No `--` before the group: dash would take it for a process.
_WATCH = 'cat >/dev/null; kill -KILL "-$1"; sleep 0.2; rm -rf -- "$2"'


class WorkerProcess:
    """A `dangol worker` on its own clock of event time, with its log in a temporary folder.

    Args:
        bootstrap: the broker, `host:port`.
        prefix: first part of the names of its topics.
        port: a free port of 127.0.0.1 for its metrics.
    """

    def __init__(self, bootstrap: str, prefix: str, port: int) -> None:
        self._arguments = [
            *("--clock", "event", "--bootstrap", bootstrap, "--prefix", prefix),
            *("--group", f"{prefix}.worker", "--metrics-port", str(port)),
            # A group's first member waits half of it for others on the embedded broker; nobody else comes.
            *("--session-timeout", "6"),
        ]
        self._url = f"http://127.0.0.1:{port}"
        self._folder = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="dangol-demo-"))
        command = [sys.executable, "-m", "agents", "worker", *self._arguments]
        # What the user set for workers of their own must not change this one.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DANGOL_")}
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C reaches the demo alone, which ends the worker in good order.
            self._process = subprocess.Popen(
                [*command, "--state", str(self._folder / "state")],
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
        try:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass  # It had its time; what follows ends it.
        finally:
            # Also when a second Ctrl-C cut the waiting short.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            watch.kill()
            watch.communicate()
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def log(self) -> Path:
        """The file that its log goes to, while it runs."""
        return self._folder / "worker.log"

    async def ready(self, http: aiohttp.ClientSession) -> None:
        """Wait until the worker has its partitions.

        Raises:
            DangolError: it ended, or was not ready in time.
        """
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            self.check()
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with http.get(f"{self._url}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(PAUSE_SECONDS)
        raise DangolError(f"the worker was not ready after {READY_SECONDS:.0f} s; {self.last_words()}")

    async def counters(self, http: aiohttp.ClientSession) -> dict[str, float]:
        """Its metrics of one value, and those by `reason` as `name{reason}`.

        Raises:
            DangolError: it ended, or does not answer.
        """
        self.check()
        try:
            async with http.get(f"{self._url}/metrics") as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            self.check()
            raise DangolError(f"the worker does not answer; {self.last_words()}") from error
        counters = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if not sample.labels:
                    counters[sample.name] = sample.value
                elif sample.labels.keys() == {"reason"}:
                    counters[f"{sample.name}{{{sample.labels['reason']}}}"] = sample.value
        return counters

    def check(self) -> None:
        """Make sure that it runs.

        Raises:
            DangolError: it ended by itself.
        """
        assert self._process is not None
        if (code := self._process.poll()) is not None:
            raise DangolError(f"the worker ended by itself (exit code {code}); {self.last_words()}")

    def last_words(self) -> str:
        """The last line of its log, which most often names the reason."""
        said = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return f"it said last: {said[-1].strip()[:300]}" if said else "it said nothing"
