"""The broker goes away: the worker says so once, waits, and loses nothing."""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path

from agents import topics as admin
from deploy.kafka import KafkaServer
from schemas import profile as profiles
from schemas.topics import Topics
from tests.cluster import Sent, Worker, publish, read_all, read_profiles, wait_for
from tests.conftest import PARTITIONS
from tests.integration.test_worker import touchpoint


def fresh(bootstrap: str) -> Topics:
    """All topics, empty, on a broker of the test's own."""
    made = Topics(f"t{secrets.token_hex(4)}.cx")
    asyncio.run(admin.create(bootstrap, made, PARTITIONS))
    return made


def test_a_broker_killed_in_mid_run_loses_nothing(kafka_server: KafkaServer, tmp_path: Path) -> None:
    """SIGKILL of the broker while touchpoints flow: once it is back, each has been applied once."""
    topics = fresh(kafka_server.bootstrap)
    worker = Worker(kafka_server.bootstrap, topics, tmp_path, "--clock", "event", "--batch", "50")
    worker.start().wait_ready()
    try:
        records: list[Sent] = [
            (b"c%d" % (n % 100), touchpoint(str(n), "complaint.opened", f"c{n % 100}"), [])
            for n in range(8_000)
        ]
        publish(kafka_server.bootstrap, topics.touchpoints, records, PARTITIONS)
        wait_for(lambda: worker.metric("cx_events_applied_total") > 0, "the run to begin", worker)
        kafka_server.kill()
        time.sleep(3)
        kafka_server.restart()
        publish(
            kafka_server.bootstrap,
            topics.touchpoints,
            [(b"last", touchpoint("last", "page.viewed", "last"), [])],
            PARTITIONS,
        )
        wait_for(lambda: _touchpoints(kafka_server.bootstrap, topics) == 8_001, "all to be applied", worker)
    finally:
        code = worker.stop()

    assert code == 0
    assert _touchpoints(kafka_server.bootstrap, topics) == 8_001
    assert worker.log().count("the broker does not answer") == 1
    assert "Traceback" not in worker.log()
    assert read_all(kafka_server.bootstrap, topics.dead_letters) == []


def test_a_worker_started_before_its_broker_waits_for_it(kafka_server: KafkaServer, tmp_path: Path) -> None:
    """With the broker down at start there is a line saying so, and work begins when it is up."""
    topics = fresh(kafka_server.bootstrap)
    kafka_server.kill()
    worker = Worker(kafka_server.bootstrap, topics, tmp_path, "--clock", "event").start()
    try:
        wait_for(lambda: "waiting for the broker" in worker.log(), "a line about the broker", worker)
        kafka_server.restart()
        worker.wait_ready()
    finally:
        code = worker.stop()

    assert code == 0
    assert "Traceback" not in worker.log()


def _touchpoints(bootstrap: str, topics: Topics) -> int:
    latest = {record.key: record.value for record in read_profiles(bootstrap, topics)}
    return sum(profiles.decode(value).touchpoints for value in latest.values())
