"""A broker that runs as a child process on this machine: the life that both kinds share.

`deploy.kafka` and `deploy.embedded` say which command to run; this module starts it on a free
port, waits until it speaks the Kafka protocol, stops it, and sees to it that it never outlives
the program that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.errors import BrokerError

HOST = "127.0.0.1"
"""Loopback and nothing else: these brokers have neither passwords nor encryption."""

# Below the range from which Linux (32768 up) and macOS (49152 up) take the ports of outgoing connections:
# a client that keeps dialling a dead port of that range can be given that very port as its own, connects to
# itself, and the broker can't come back to it.
PORTS = range(20_000, 32_000)
_DRAWN = cycle(random.sample(PORTS, len(PORTS)))
"""Those ports by chance, none twice before all were drawn."""

PORT_TRIES = 50
"""Random ports tried before giving up; even with half of the range taken, 50 misses do not happen."""

PROBE_SECONDS = 2.0
"""How long one readiness question may take; a started broker answers in milliseconds."""

PAUSE_SECONDS = 0.05
"""Pause between two readiness questions: short against the start time of either broker."""

# Waits for the end of its standard input, which comes when the parent is gone, however it went (a pipe is
# closed even after kill -9). Then it ends the broker's process group and removes the folder, if temporary.
# (`kill -KILL -- -N` would be clearer, but dash, the sh of Debian, does not know `--` here.)
_WATCH = 'cat >/dev/null; kill -KILL "-$1"; if [ -n "$2" ]; then sleep 0.2; rm -rf -- "$2"; fi'


class LocalBroker(ABC):
    """A broker process on a loopback port, usable as a context manager.

    All methods block: from async code call them through `asyncio.to_thread`.

    Args:
        port: the port to listen on; None takes a free one, which stays the same over restarts.
        data: the folder for its data and its log; None takes a temporary one that `stop` removes.
    """

    title: ClassVar[str]
    """What the broker is called in messages."""

    start_seconds: ClassVar[float]
    """How long it may take until it answers."""

    stop_seconds: ClassVar[float]
    """How long it may take to end by itself before it is killed."""

    def __init__(self, port: int | None = None, data: Path | None = None) -> None:
        self.port = port or 0
        self._given_data = data
        self._data: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self, data: Path) -> list[str]:
        """Prepare the folder and return the command that starts the broker in the foreground.

        Raises:
            BrokerError: what it needs is not installed.
        """

    @property
    def bootstrap(self) -> str:
        """The address for clients, `host:port`.

        Raises:
            BrokerError: there is none yet, because the broker was never started.
        """
        if not self.port:
            raise BrokerError(f"{self.title} has no address before it is started; call start()")
        return f"{HOST}:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id while it runs, else None."""
        return self._process.pid if self._process is not None and self.alive else None

    @property
    def log(self) -> Path | None:
        """The file with what the broker printed; None when it is not started."""
        return self._data / "broker.log" if self._data is not None else None

    def start(self) -> Self:
        """Start the broker and return once it answers requests.

        Raises:
            BrokerError: something it needs is missing, the port is taken, or it did not answer in time.
        """
        if self.alive:
            return self
        if not self.port:
            self.port = free_port()
        elif not port_is_free(self.port):
            raise BrokerError(
                f"{self.title} can't start: port {self.port} of {HOST} is in use; choose another port"
            )
        try:
            self._launch()
            self._await_answer()
        except BaseException:
            # Also on Ctrl-C: a half-started broker must not stay behind.
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the broker, by force if it takes too long; remove its data if the folder was temporary."""
        self._end(signal.SIGTERM)
        if self._given_data is None and self._data is not None:
            shutil.rmtree(self._data, ignore_errors=True)
        self._data = None

    def kill(self) -> None:
        """End the broker at once, as a crash would (SIGKILL); its data stay for `restart`."""
        self._end(signal.SIGKILL)

    def restart(self) -> Self:
        """Start it again on the same port with the same data; stop it first if it runs.

        Raises:
            BrokerError: as `start`.
        """
        self._end(signal.SIGTERM)
        return self.start()

    def wait(self) -> None:
        """Block until the process ends by itself.

        Raises:
            BrokerError: it ended without being told to.
        """
        if self._process is None:
            return
        code = self._process.wait()
        raise BrokerError(
            f"{self.title} at {self.bootstrap} ended by itself (exit code {code}); {self._last_words()}"
        )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self) -> None:
        if self._data is None:
            self._data = self._given_data or Path(tempfile.mkdtemp(prefix="dangol-broker-"))
            self._data.mkdir(parents=True, exist_ok=True)
        command = self.command(self._data)
        with (self._data / "broker.log").open("ab") as log:
            # A session of its own: Ctrl-C in the terminal reaches us alone, and we stop it in good order.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        temporary = "" if self._given_data else str(self._data)
        self._watch = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, "watch", str(self._process.pid), temporary],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _await_answer(self) -> None:
        deadline = time.monotonic() + self.start_seconds
        while time.monotonic() < deadline:
            if not self.alive:
                raise BrokerError(f"{self.title} did not start at {self.bootstrap}; {self._last_words()}")
            if answers(self.bootstrap):
                return
            time.sleep(PAUSE_SECONDS)
        raise BrokerError(
            f"{self.title} at {self.bootstrap} did not answer in {self.start_seconds:.0f} s; "
            f"{self._last_words()}"
        )

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        watch, self._watch = self._watch, None
        if process is None:
            return
        try:
            _signal_group(process, how)
            process.wait(self.stop_seconds)
        except subprocess.TimeoutExpired:
            pass  # It had its time; what follows ends it.
        finally:
            # Also when a second Ctrl-C cut the waiting short.
            _signal_group(process, signal.SIGKILL)
            process.wait()
            if watch is not None:
                watch.kill()
                watch.communicate()

    def _last_words(self) -> str:
        """The last line of its log, which most often names the reason."""
        try:
            lines = self.log.read_text(errors="replace").split("\n") if self.log is not None else []
        except OSError:
            lines = []
        said = [line.strip() for line in lines if line.strip()]
        return f"it said last: {said[-1][:300]}" if said else "it said nothing"


def _signal_group(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    if process.poll() is None:
        # It may end between the question and the signal, which is what we want.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)


def port_is_free(port: int) -> bool:
    """Whether a broker could listen on this loopback port now."""
    with socket.socket() as probe:
        # As the brokers do: connections of a predecessor that are still winding down don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A loopback port that nobody listens on, another at each call: who asks for several needs several.

    Raises:
        BrokerError: none was found.
    """
    for port in islice(_DRAWN, PORT_TRIES):
        if port_is_free(port):
            return port
    raise BrokerError(f"no free port found on {HOST} between {PORTS.start} and {PORTS.stop}; name one")


def answers(bootstrap: str) -> bool:
    """Whether a Kafka broker at this address answers a metadata request and knows its controller.

    An open port is not enough: Apache Kafka listens about a second before it lets anyone create a topic.
    """
    host, _, port = bootstrap.rpartition(":")
    try:
        socket.create_connection((host, int(port)), PROBE_SECONDS).close()
    except OSError:
        return False
    client_log = logging.getLogger("aiokafka")
    level = client_log.level
    # "Not yet" is the expected answer here, not something to tell the user line by line.
    client_log.setLevel(logging.CRITICAL)
    try:
        return asyncio.run(_has_controller(bootstrap))
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        client_log.setLevel(level)


async def _has_controller(bootstrap: str) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=int(PROBE_SECONDS * 1000))
    try:
        await asyncio.wait_for(admin.start(), PROBE_SECONDS)
        cluster = await asyncio.wait_for(admin.describe_cluster(), PROBE_SECONDS)
    finally:
        await admin.close()
    return cluster["controller_id"] in {broker["node_id"] for broker in cluster["brokers"]}


def serve(broker: LocalBroker, announce: Callable[[str], None]) -> None:
    """Run a broker in the foreground until Ctrl-C or SIGTERM.

    Args:
        broker: the broker to run.
        announce: gets one line, once the broker is ready.

    Raises:
        BrokerError: it did not start, or it ended by itself.
    """
    # Ctrl-C too: a shell that starts us in the background has it ignored, and `kill -INT` would do nothing.
    ends = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(end, signal.default_int_handler) for end in ends]
    try:
        with broker:
            announce(f"{broker.title} is ready at {broker.bootstrap} (Ctrl-C stops it)")
            broker.wait()
    except KeyboardInterrupt:
        pass  # The way it is meant to end.
    finally:
        for end, handler in zip(ends, before, strict=True):
            signal.signal(end, handler)
