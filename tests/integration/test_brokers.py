"""The brokers that dangol starts: they answer, keep what they promise to keep, and leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownError

from deploy.broker import HOST, LocalBroker, answers, free_port
from deploy.embedded import EmbeddedBroker
from deploy.kafka import KafkaServer, jars
from schemas.errors import BrokerError

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0  # seconds until we call something that should happen not happening


async def produce(bootstrap: str, topic: str, *values: bytes, idempotent: bool = False) -> None:
    """Send records with a key and a header and wait for their acknowledgement."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=idempotent)
    try:
        await producer.start()
        for value in values:
            await producer.send_and_wait(topic, value, key=b"guest-1", headers=[("ce_id", b"7")])
    finally:
        await producer.stop()


async def create_topic(bootstrap: str, topic: str) -> None:
    """Create a topic of one partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


async def consume(bootstrap: str, topic: str, count: int) -> list[tuple[bytes, bytes, tuple[object, ...]]]:
    """Read so many records from the beginning, as a member of a group."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id="readers", auto_offset_reset="earliest"
    )
    try:
        await consumer.start()
        records = [await asyncio.wait_for(consumer.getone(), PATIENCE) for _ in range(count)]
    finally:
        await consumer.stop()
    return [(record.key, record.value, record.headers) for record in records]


def runs(pid: int) -> bool:
    """Whether a process of this id is there and not a zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_kafka_keeps_records_over_kill_and_restart(kafka_server: KafkaServer) -> None:
    """After kill -9 the same address has the same records and takes new ones, also idempotent ones."""
    address = kafka_server.bootstrap
    asyncio.run(create_topic(address, "kept"))
    asyncio.run(produce(address, "kept", b"before", idempotent=True))

    kafka_server.kill()
    assert not answers(address)
    kafka_server.restart()

    assert kafka_server.bootstrap == address
    asyncio.run(produce(address, "kept", b"after", idempotent=True))
    assert asyncio.run(consume(address, "kept", 2)) == [
        (b"guest-1", b"before", (("ce_id", b"7"),)),
        (b"guest-1", b"after", (("ce_id", b"7"),)),
    ]


def test_embedded_broker_carries_records(embedded: EmbeddedBroker) -> None:
    """Keys, values and headers come out of the embedded broker as they went in, through a group."""
    asyncio.run(create_topic(embedded.bootstrap, "round"))
    asyncio.run(produce(embedded.bootstrap, "round", b"one", b"two"))

    assert asyncio.run(consume(embedded.bootstrap, "round", 2)) == [
        (b"guest-1", b"one", (("ce_id", b"7"),)),
        (b"guest-1", b"two", (("ce_id", b"7"),)),
    ]


def test_embedded_broker_refuses_idempotent_producers(embedded: EmbeddedBroker) -> None:
    """The limit that the module's docstring states; when this fails, the limit is gone and can be deleted."""
    asyncio.run(create_topic(embedded.bootstrap, "round"))

    with pytest.raises(UnknownError):
        asyncio.run(produce(embedded.bootstrap, "round", b"one", idempotent=True))


def test_stop_leaves_nothing_behind() -> None:
    """After `stop` neither the process nor its temporary folder is there."""
    broker = EmbeddedBroker().start()
    pid, log = broker.pid, broker.log
    assert pid is not None
    assert log is not None

    broker.stop()

    assert not runs(pid)
    assert not log.parent.exists()
    assert not broker.alive


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc, which only Linux has")
def test_a_broker_does_not_outlive_its_parent(tmp_path: Path) -> None:
    """When the program that started a broker is killed, the broker ends and its folder goes."""
    program = (
        "import time; from deploy.embedded import EmbeddedBroker; b = EmbeddedBroker().start(); "
        "print(b.pid, b.log, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as parent:
        assert parent.stdout is not None
        pid, log = parent.stdout.readline().split()
        assert runs(int(pid))
        parent.kill()

    deadline = time.monotonic() + PATIENCE
    while (runs(int(pid)) or Path(log).parent.exists()) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert not runs(int(pid))
    assert not Path(log).parent.exists()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_broker_command_says_one_line_and_ends_in_order(end: signal.Signals) -> None:
    """`dangol broker` names its address, and Ctrl-C or SIGTERM ends it with exit code 0."""
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "agents", "broker", "--port", str(port)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        up = answers(f"{HOST}:{port}")
        os.kill(process.pid, end)
        rest, errors = process.communicate(timeout=PATIENCE)

    assert line == f"the embedded broker is ready at {HOST}:{port} (Ctrl-C stops it)\n"
    assert up
    assert (process.returncode, rest, errors) == (0, "", "")


def test_several_ports_are_several() -> None:
    """Listeners, controller and proxies ask for a port each, before any of them listens on its own."""
    assert len({free_port() for _ in range(500)}) == 500


def test_a_taken_port_is_one_clear_line(embedded: EmbeddedBroker) -> None:
    """Two brokers on one port: the second says which port is in use."""
    with pytest.raises(BrokerError, match=rf"port {embedded.port} of 127\.0\.0\.1 is in use"):
        EmbeddedBroker(embedded.port).start()


def test_a_broker_that_ends_at_once_is_quoted() -> None:
    """What the process said last stands in the error, and nothing stays behind."""

    class Failing(LocalBroker):
        title = "a failing broker"
        start_seconds = 30.0
        stop_seconds = 1.0

        def command(self, data: Path) -> list[str]:
            return ["/bin/sh", "-c", "echo starting; echo no space left on device; exit 1"]

    broker = Failing()

    with pytest.raises(BrokerError) as caught:
        broker.start()

    assert str(caught.value) == (
        f"a failing broker did not start at {broker.bootstrap}; it said last: no space left on device"
    )

    assert broker.log is None


def test_no_java_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Java the error says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)

    with pytest.raises(
        BrokerError, match="needs Java 17 or newer and there is no `java` here; install a JDK"
    ):
        jars.java()


def test_an_old_java_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Java 8, which calls itself 1.8, is told apart from 18."""
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_402\"' >&2\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)

    with pytest.raises(BrokerError, match=f"needs Java 17 or newer; {old} is Java 8; install a newer JDK"):
        jars.java()


def test_no_maven_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With neither cached jars nor Maven the error says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with pytest.raises(BrokerError, match="there is no `mvn` to get them; install Maven"):
        jars.jars()


def test_a_failing_maven_leaves_no_half_filled_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """When Maven fails, its first error is quoted and the next try starts from nothing."""
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho '[ERROR] no route to host'\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with pytest.raises(BrokerError, match=r"could not get Apache Kafka .*no route to host"):
        jars.jars()

    assert [path.name for path in (tmp_path / "dangol").iterdir() if path.is_dir()] == []
