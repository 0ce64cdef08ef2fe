"""Health and metrics of a real worker, as Prometheus and an orchestrator ask for them."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from schemas.topics import Topics
from tests.cluster import Sent, Worker, publish, wait_for
from tests.conftest import PARTITIONS
from tests.integration.test_worker import touchpoint
from tests.unit.test_metrics import NAMES


@pytest.fixture
def worker(kafka: str, topics: Topics, tmp_path: Path) -> Iterator[Worker]:
    """A worker on the event clock, ready."""
    running = Worker(kafka, topics, tmp_path, "--clock", "event").start().wait_ready()
    yield running
    if running.process.poll() is None:
        running.kill()


def address(worker: Worker) -> str:
    """Host and port of its metrics, as it logged them."""
    return worker.log().split('"metrics":"http://')[1].split("/")[0]


def get(worker: Worker, path: str) -> tuple[int, str, str]:
    """Status, content type and text of a page."""
    try:
        with urllib.request.urlopen(f"http://{address(worker)}{path}", timeout=5) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def test_the_pages_of_a_worker_that_works(kafka: str, topics: Topics, worker: Worker) -> None:
    """Alive, ready, every metric by its name and in bounded labels, and nothing else to see."""
    records: list[Sent] = [(b"ann", touchpoint(str(n), f"made.up.{n}", "ann"), []) for n in range(100)]
    publish(
        kafka,
        topics.touchpoints,
        [*records, (b"ann", touchpoint("x", "complaint.opened", "ann"), []), (b"ann", b"no", [])],
        PARTITIONS,
    )
    wait_for(lambda: worker.metric("cx_events_rejected_total") == 1, "all of it", worker)

    status, content_type, text = get(worker, "/metrics")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert (status, content_type.split(";")[0]) == (200, "text/plain")
    assert sorted(families) == NAMES
    assert {sample.labels["type"] for sample in families["cx_events_consumed"].samples} == {
        "other",
        "complaint.opened",
    }
    assert {sample.labels["reason"] for sample in families["cx_events_rejected"].samples} == {"json-invalid"}
    assert families["cx_profiles"].samples[0].value == 1.0
    assert get(worker, "/livez")[::2] == (200, "ok\n")
    assert get(worker, "/readyz")[::2] == (200, "ok\n")
    assert [get(worker, path)[0] for path in ("/", "/table", "/router", "/stats")] == [404] * 4


def test_only_this_machine_can_ask(worker: Worker) -> None:
    """Without being told otherwise, a worker listens on loopback."""
    host, port = address(worker).split(":")
    mine = socket.gethostbyname(socket.gethostname())

    assert host == "127.0.0.1"
    if not mine.startswith("127."):
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((mine, int(port)), timeout=2).close()


def test_a_worker_without_a_broker_is_alive_and_not_ready(tmp_path: Path) -> None:
    """A restart would not bring the broker back: alive, but nothing to send there."""
    worker = Worker("127.0.0.1:1", Topics("nowhere.cx"), tmp_path).start()
    try:
        wait_for(lambda: "waiting for the broker" in worker.log(), "a line about the broker", worker)

        assert get(worker, "/livez")[::2] == (200, "ok\n")
        assert get(worker, "/readyz")[::2] == (503, "not ready\n")
    finally:
        assert worker.stop() == 0
