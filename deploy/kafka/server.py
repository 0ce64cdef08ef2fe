"""One Apache Kafka broker in KRaft mode: broker and controller in one JVM, on loopback."""

from __future__ import annotations

import base64
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from deploy.broker import HOST, LocalBroker, free_port
from deploy.kafka.jars import jars, java, version
from schemas.errors import BrokerError

HEAP = ("-Xms256m", "-Xmx1g")
"""Heap of the broker; a session of all tests needs less than half a gigabyte."""

FORMAT_SECONDS = 60
"""How long formatting the storage may take; seen here: 1.5 s."""

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # A misspelt topic must fail, not appear with one partition and without compaction.
    "auto.create.topics.enable": "false",
    # There is one broker, so one replica of everything.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # The defaults of 50 partitions each cost a second at every start and serve large clusters.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "4",
    # After a kill the controller refuses the broker's return until the old session is over: by default 9 s.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # Nobody else is about to join: don't wait for them.
    "group.initial.rebalance.delay.ms": "0",
}


class KafkaServer(LocalBroker):
    """Apache Kafka as a child process; what every guarantee of dangol is tested on.

    The jars are fetched by Maven on the first start and cached (`deploy.kafka.jars`).
    Data survive `kill` and `restart`; records stay in the system's page cache on a crash of the process.

    Args:
        port: as for every local broker.
        data: as for every local broker.
        proxies: loopback ports of proxies. For each there is a listener of its own (see `behind`) that sends
            its clients to the proxy's port instead of the broker's: a client goes where a broker says that
            it is, so without that it would walk around the proxy.

    Raises:
        BrokerError: from `start`: no Java 17, no Maven, port in use, or no answer in time.
    """

    title = f"Apache Kafka {version()}"
    start_seconds: ClassVar[float] = 60.0  # Seen: 4 s on 2 idle cores; CI machines are slow and busy.
    stop_seconds: ClassVar[float] = 20.0  # An orderly end takes 1 to 2 s; past this it is stuck.

    def __init__(
        self, port: int | None = None, data: Path | None = None, proxies: Sequence[int] = ()
    ) -> None:
        super().__init__(port, data)
        self._controller = 0
        self._proxies = tuple(proxies)
        self.behind: tuple[int, ...] = ()
        """The ports to which the proxies have to connect, in their order; known once it is started."""

    def command(self, data: Path) -> list[str]:
        """Write the settings, format the storage if it is new, and return the broker's command."""
        classpath = f"{jars()}/*"
        run = [java(), "-cp", classpath]
        settings = self._write_settings(data)
        if not (data / "logs" / "meta.properties").exists():
            self._format(run, settings)
        return [*run, *HEAP, "-Dlog4j2.level=WARN", "-Djava.awt.headless=true", "kafka.Kafka", str(settings)]

    def _write_settings(self, data: Path) -> Path:
        settings = data / "server.properties"
        everything = SETTINGS | self.own_settings(data)
        settings.write_text("".join(f"{key}={value}\n" for key, value in everything.items()))
        return settings

    def own_settings(self, data: Path) -> dict[str, str]:
        """Settings that depend on ports and folders, or that a kind of server adds.

        Args:
            data: the folder for its data.
        """
        self._controller = self._controller or free_port()
        self.behind = self.behind or tuple(free_port() for _ in self._proxies)
        names = [f"PROXY{number}" for number in range(len(self._proxies))]
        listeners = [
            f"PLAINTEXT://{self.bootstrap}",
            f"CONTROLLER://{HOST}:{self._controller}",
            *(f"{name}://{HOST}:{port}" for name, port in zip(names, self.behind, strict=True)),
        ]
        advertised = [
            f"PLAINTEXT://{self.bootstrap}",
            *(f"{name}://{HOST}:{port}" for name, port in zip(names, self._proxies, strict=True)),
        ]
        protocols = [SETTINGS["listener.security.protocol.map"], *(f"{name}:PLAINTEXT" for name in names)]
        return {
            "listeners": ",".join(listeners),
            "advertised.listeners": ",".join(advertised),
            "listener.security.protocol.map": ",".join(protocols),
            "controller.quorum.voters": f"1@{HOST}:{self._controller}",
            "log.dirs": str(data / "logs"),
        }

    @property
    def format_options(self) -> list[str]:
        """Further options of the tool that formats the storage."""
        return []

    def _format(self, run: list[str], settings: Path) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # A tool that lives for a second: a small collector and no optimising compiler start it sooner.
        quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dlog4j2.level=WARN"]
        # The `=` keeps an id that begins with a dash from being read as an option.
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", f"--config={settings}"]
        tool += self.format_options
        try:
            done = subprocess.run(
                [*run, *quick, *tool],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=FORMAT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise BrokerError(
                f"{self.title} could not format {settings.parent} within {FORMAT_SECONDS} s"
            ) from error
        if done.returncode != 0:
            said = _last_words(done.stderr) or _last_words(done.stdout) or "nothing"
            raise BrokerError(f"{self.title} could not format {settings.parent}; it said: {said[:300]}")


def _last_words(text: str) -> str:
    r"""The last line that is no part of a Java stack trace: what the exception was caused by.

    >>> _last_words("Exception in main\n\tat A.b\nCaused by: no port\n\tat C.d\n\t... 8 more\n")
    'Caused by: no port'
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("\t")]
    return lines[-1] if lines else ""
