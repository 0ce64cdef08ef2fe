"""Everything that can be wrong when a worker starts or stops: one line, the right exit code, no traceback."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from agents import topics as admin
from agents.partitioner import partition_of
from deploy.broker import free_port
from deploy.kafka import KafkaServer
from schemas.topics import Topics
from stream.engine import DEFAULT_PLAYBOOK
from tests.cluster import Sent, Worker, publish, wait_for
from tests.conftest import PARTITIONS
from tests.integration.test_worker import touchpoint

NOWHERE = "127.0.0.1:1"
"""An address where nobody listens: what is wrong on this side must be told without a broker."""

STOP_SECONDS = 10.0
"""How long a worker may take to end after SIGTERM: an orchestrator gives thirty seconds, then kills."""


def ended(*options: str, bootstrap: str = NOWHERE) -> tuple[int, list[str]]:
    """Exit code and lines of a worker that ends by itself."""
    done = subprocess.run(
        [sys.executable, "-m", "agents", "worker", "--bootstrap", bootstrap, "--metrics-port", "0", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.returncode, [line for line in done.stderr.splitlines() if not line.startswith("{")]


def test_topics_that_are_missing(kafka: str, tmp_path: Path) -> None:
    """Exit code 4, which topic, and the command that makes it."""
    prefix = f"t{secrets.token_hex(4)}.cx"
    code, lines = ended("--prefix", prefix, "--state", str(tmp_path), bootstrap=kafka)

    assert code == 4
    (line,) = lines
    assert line.startswith(f"dangol: at {kafka}, topic {prefix}.touchpoints.v1 is missing")
    assert f"dangol topics create --prefix {prefix}" in line


def test_topics_of_unequal_partitions(kafka: str, topics: Topics, tmp_path: Path) -> None:
    """Exit code 4 and which topic: profiles and touchpoints must lie on the same partitions."""

    async def widen() -> None:
        client = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await client.start()
        try:
            await client.create_partitions({topics.decisions: NewPartitions(PARTITIONS + 1)})
        finally:
            await client.close()

    asyncio.run(widen())
    code, lines = ended("--prefix", topics.prefix, "--state", str(tmp_path), bootstrap=kafka)

    assert code == 4
    (line,) = lines
    assert f"topic {topics.decisions} has {PARTITIONS + 1} partitions instead of {PARTITIONS}" in line


def test_a_metrics_port_that_is_taken() -> None:
    """Exit code 2 and the option to change."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, lines = ended("--metrics-port", port)

    assert code == 2
    (line,) = lines
    assert line.startswith(f"dangol: metrics can't bind to 127.0.0.1:{port}: ")
    assert "--metrics-port" in line


def test_a_playbook_with_a_typo(tmp_path: Path) -> None:
    """Exit code 2, the file and the field that is none."""
    playbook = tmp_path / "mine.yaml"
    playbook.write_text(
        DEFAULT_PLAYBOOK.read_text(encoding="utf-8").replace("valid_for:", "valid_fro:", 1), encoding="utf-8"
    )
    code, lines = ended("--playbook", str(playbook))

    assert code == 2
    (line,) = lines
    assert line.startswith(f"dangol: {playbook}")
    assert "valid_fro" in line


def test_a_playbook_that_is_not_there(tmp_path: Path) -> None:
    """Exit code 2 and its path."""
    code, lines = ended("--playbook", str(tmp_path / "none.yaml"))

    assert code == 2
    (line,) = lines
    assert str(tmp_path / "none.yaml") in line


def test_a_model_that_nobody_made() -> None:
    """Exit code 2 and the models that there are."""
    code, lines = ended("--model", "best-ever")

    assert code == 2
    (line,) = lines
    assert line.startswith("dangol: no model `best-ever`: there is cdnow-2026.11")


@pytest.mark.parametrize("store", ["memory", "rocksdict"])
def test_a_state_folder_below_a_file(kafka: str, topics: Topics, tmp_path: Path, store: str) -> None:
    """Exit code 5 and the path: nothing can be kept there."""
    (tmp_path / "file").write_text("")
    state = tmp_path / "file" / "state"
    code, lines = ended("--prefix", topics.prefix, "--store", store, "--state", str(state), bootstrap=kafka)

    assert code == 5
    (line,) = lines
    assert line.startswith(f"dangol: {state}")
    assert "Not a directory" in line


def test_a_state_folder_that_another_worker_has(kafka: str, topics: Topics, tmp_path: Path) -> None:
    """Exit code 5 and what to do; the first worker goes on."""
    first = Worker(kafka, topics, tmp_path, "--store", "rocksdict").start().wait_ready()
    try:
        # Of a group of its own, so that it gets the very partitions that the first one has open.
        code, lines = ended(
            *("--prefix", topics.prefix, "--group", f"{topics.prefix}-other", "--store", "rocksdict"),
            *("--state", str(tmp_path / "state")),
            bootstrap=kafka,
        )

        assert code == 5
        (line,) = lines
        assert "another worker with the same --state?" in line
        assert first.process.poll() is None
    finally:
        first.stop()


def test_a_profile_of_a_newer_program(kafka: str, topics: Topics, tmp_path: Path) -> None:
    """Exit code 5 instead of destroying what only the newer one can read; nothing is given up for it."""
    newer = msgspec.msgpack.encode({"version": 99, "customer": "ann"})
    publish(kafka, topics.profiles, [(b"ann", newer, [])], PARTITIONS)
    publish(kafka, topics.touchpoints, [(b"ann", touchpoint("1", "page.viewed", "ann"), [])], PARTITIONS)
    code, lines = ended(
        *("--prefix", topics.prefix, "--group", f"{topics.prefix}-group", "--state", str(tmp_path)),
        bootstrap=kafka,
    )

    assert code == 5
    (line,) = lines
    assert "version 99" in line


def stop_of(worker: Worker) -> tuple[int, bool]:
    """Exit code after SIGTERM, and whether it took too long."""
    began = time.monotonic()
    worker.process.send_signal(signal.SIGTERM)
    try:
        code = worker.process.wait(timeout=3 * STOP_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        raise AssertionError(f"it did not stop\n{worker.log()[-2000:]}") from None
    return code, time.monotonic() - began > STOP_SECONDS


def test_told_to_stop_before_the_broker_answers(topics_nowhere: Topics, tmp_path: Path) -> None:
    """Waiting for a broker ends at once."""
    worker = Worker(f"127.0.0.1:{free_port()}", topics_nowhere, tmp_path).start()
    wait_for(lambda: "waiting for the broker" in worker.log(), "a line about the broker", worker)

    assert stop_of(worker) == (0, False)
    assert "Traceback" not in worker.log()


@pytest.fixture
def topics_nowhere() -> Topics:
    """Names of topics that are nowhere."""
    return Topics("nowhere.cx")


@pytest.mark.parametrize("pause", [0.0, 0.2, 0.5, 1.0])
def test_told_to_stop_while_it_joins_and_recovers(
    kafka: str, topics: Topics, tmp_path: Path, pause: float
) -> None:
    """At whatever moment of its start: exit code 0, in time, without a traceback."""
    stored: list[Sent] = [
        (b"c%d" % n, msgspec.msgpack.encode({"version": 1, "customer": f"c{n}"}), []) for n in range(20_000)
    ]
    publish(kafka, topics.profiles, stored, PARTITIONS)
    worker = Worker(kafka, topics, tmp_path).start()
    wait_for(lambda: '"starting"' in worker.log(), "it to start", worker)
    time.sleep(pause)

    assert stop_of(worker) == (0, False)
    assert "Traceback" not in worker.log()


def test_told_to_stop_while_the_broker_is_away(kafka_server: KafkaServer, tmp_path: Path) -> None:
    """With runs in hand that nobody acknowledges: they are left, and the worker goes."""
    topics = Topics(f"t{secrets.token_hex(4)}.cx")
    asyncio.run(admin.create(kafka_server.bootstrap, topics, PARTITIONS))
    worker = Worker(kafka_server.bootstrap, topics, tmp_path, "--clock", "event", "--batch", "20")
    worker.start().wait_ready()
    records: list[Sent] = [
        (b"c%d" % (n % 50), touchpoint(str(n), "complaint.opened", f"c{n % 50}"), []) for n in range(8_000)
    ]
    publish(kafka_server.bootstrap, topics.touchpoints, records, PARTITIONS)
    wait_for(lambda: worker.metric("cx_events_applied_total") > 0, "the run to begin", worker)
    kafka_server.kill()
    time.sleep(1)

    assert stop_of(worker)[0] == 0


SECRET = "ann-b3f1-geheim"
"""A customer's id that must stand nowhere but on the topics."""


def test_no_log_and_no_metric_names_a_customer(kafka: str, topics: Topics, tmp_path: Path) -> None:
    """Whatever is fed to it, good or broken, the id is in neither."""
    worker = Worker(kafka, topics, tmp_path, "--clock", "event", "--verbose").start().wait_ready()
    key = SECRET.encode()
    good = touchpoint("1", "complaint.opened", SECRET)
    bad: list[Sent] = [
        (key, SECRET.encode(), []),
        (key, good[:-5], []),
        (key, good.replace(b'"data":{}', b'"data":"' + key + b'"'), []),
        (key, touchpoint(SECRET, SECRET, SECRET, f'{{"amount":"{SECRET}"}}'), []),
        (key, touchpoint("2", "booking.confirmed", SECRET, f'{{"booking":{{"{SECRET}":1}}}}'), []),
        (key, touchpoint("3", "page.viewed", SECRET, time=SECRET), []),
        (key, b"", [("ce_specversion", b"1.0"), ("ce_subject", key), ("ce_time", key)]),
        (key, None, [(SECRET, key)]),
        (None, touchpoint("4", SECRET, SECRET), []),
        (key, touchpoint("5", "device.bound", SECRET, f'{{"device":["{SECRET}"]}}'), []),
        (key, good, []),
    ]
    publish(kafka, topics.profiles, [(key, b"\xc1" + key, [])], PARTITIONS)
    publish(kafka, topics.touchpoints, bad, PARTITIONS)
    try:
        wait_for(
            lambda: (
                worker.metric("cx_events_applied_total") + worker.metric("cx_events_rejected_total")
                >= len(bad)
            ),
            "all of it to be taken",
            worker,
        )
        page = worker._get("/metrics") or ""
    finally:
        worker.kill()
    again = Worker(kafka, topics, tmp_path, "--clock", "event").start().wait_ready()
    publish(kafka, topics.touchpoints, [(key, touchpoint("9", "page.viewed", SECRET), [])], PARTITIONS)
    try:
        wait_for(lambda: again.metric("cx_events_applied_total") == 1, "one more", again)
    finally:
        again.stop()

    assert "cx_events_rejected_total" in page
    assert SECRET not in page
    assert SECRET not in worker.log()
    for line in worker.log().splitlines():
        json.loads(line)
    assert partition_of(key, PARTITIONS) in range(PARTITIONS)
