"""Child: the worker that the demo runs, as a process of its own, like any worker."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from types import TracebackType

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from agents.child import ChildProcess
from schemas.errors import DangolError

READY_SECONDS = 60.0
"""How long a worker may take to be ready: seconds of imports on a slow machine, then a first rebalance."""

STOP_SECONDS = 10.0
"""How long a worker may take to finish its run and leave the group before it is killed."""

ANSWER_SECONDS = 5.0
"""How long one answer over HTTP may take; a busy worker gives it between two runs, within milliseconds."""

PAUSE_SECONDS = 0.1
"""Pause between two questions whether it is ready."""


class WorkerProcess(ChildProcess):
    """A `dangol worker` on its own clock of event time, with its log in a temporary folder.

    Args:
        bootstrap: the broker, `host:port`.
        prefix: first part of the names of its topics.
        port: a free port of 127.0.0.1 for its metrics.
    """

    def __init__(self, bootstrap: str, prefix: str, port: int) -> None:
        super().__init__("the worker", STOP_SECONDS)
        self._arguments = [
            *("--clock", "event", "--bootstrap", bootstrap, "--prefix", prefix),
            *("--group", f"{prefix}.worker", "--metrics-port", str(port)),
            # A group's first member waits half of it for others on the embedded broker; nobody else comes.
            *("--session-timeout", "6"),
            *("--state", str(self._folder / "state")),
        ]
        self._url = f"http://127.0.0.1:{port}"

    def command(self) -> list[str]:
        """The worker, as anybody would start it."""
        return [sys.executable, "-m", "agents", "worker", *self._arguments]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            # Also when a second Ctrl-C cut the waiting short.
            super().__exit__(kind, error, trace)

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
