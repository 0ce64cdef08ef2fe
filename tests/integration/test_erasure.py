"""An erasure on Apache Kafka: no byte of the customer is left where it has to go, and none comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from agents.topics import create
from deploy.kafka import KafkaServer
from schemas import mark, pin
from schemas.erasure import ErasureEvent, digest_of
from schemas.topics import Topics
from tests.cluster import Sent, Worker, committed, publish, read_all, wait_for
from tests.conftest import require_kafka

ANN = "ann-the-customer"
SECRETS = [ANN.encode(), b"secret-device", b"secret-purpose", b"secret-issue"]
"""What must not be found: the customer's id, and what the profile holds of the payload."""

QUICK = {
    "min.cleanable.dirty.ratio": "0.01",
    "segment.ms": "1000",
    "delete.retention.ms": "1",
    "file.delete.delay.ms": "1",
}
"""Compaction within seconds: what takes days by dangol's own settings, in the same order."""

COMPACTION_SECONDS = 180.0
"""How long the broker's cleaner may take: it looks every 15 s, and a tombstone goes at its second visit."""

SCRUB_SECONDS = 120.0
"""How long the worker may take to rewrite its files: it looks every 30 s."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaServer]:
    """An Apache Kafka whose files the test can look into."""
    require_kafka()
    with KafkaServer(data=tmp_path / "broker") as server:
        yield server


def made(bootstrap: str) -> Topics:
    """All topics with one partition; the compacted ones are compacted within seconds."""
    topics = Topics("erasure.cx")

    async def make() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            kept = {spec.name: spec.config["cleanup.policy"] for spec in topics.specs if spec.compacted}
            settings = {name: QUICK | {"cleanup.policy": policy} for name, policy in kept.items()}
            await admin.create_topics(
                [NewTopic(name, 1, 1, topic_configs=config) for name, config in settings.items()]
            )
        finally:
            await admin.close()
        await create(bootstrap, topics, 1)

    asyncio.run(make())
    return topics


def touchpoint(id_: str, type_: str, customer: str, at: str, **data: str) -> Sent:
    """A record with a touchpoint."""
    fields = {
        "specversion": "1.0",
        "id": id_,
        "source": "/test",
        "type": type_,
        "subject": customer,
        "time": f"2026-03-14T{at}Z",
        "data": data,
    }
    return customer.encode(), msgspec.json.encode(fields), []


INPUT = [
    touchpoint("1", "device.bound", ANN, "09:00:00", device="secret-device"),
    touchpoint("2", "consent.granted", ANN, "09:00:01", purpose="secret-purpose"),
    touchpoint("3", "complaint.opened", ANN, "09:00:02", issue="secret-issue"),
    touchpoint("4", "chat.started", ANN, "09:00:03"),
    touchpoint("5", "order.placed", "bob", "09:00:04"),
    touchpoint("6", "privacy.erase", ANN, "09:30:00"),
]


def found(folder: Path, pattern: str) -> dict[str, list[bytes]]:
    """Which secrets stand in which files, as they are or in hex."""
    files = {}
    for path in folder.glob(pattern):
        try:
            content = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:  # Compacted away since it was listed.
            continue
        here = [word for word in SECRETS if word in content or word.hex().encode() in content.lower()]
        if here:
            files[str(path.relative_to(folder))] = here
    return files


def test_an_erased_customer_is_gone_and_stays_gone(broker: KafkaServer, tmp_path: Path) -> None:
    """Gone from compacted topics and state folder, proven, and not brought back by the same input."""
    topics = made(broker.bootstrap)
    compacted = [spec.name for spec in topics.specs if spec.compacted and spec.by_customer]
    state = tmp_path / "worker" / "state"
    worker = Worker(broker.bootstrap, topics, tmp_path / "worker", "--clock", "event", "--store", "rocksdict")
    worker.start().wait_ready()
    try:
        publish(broker.bootstrap, topics.touchpoints, INPUT[:-1], 1)
        wait_for(lambda: worker.metric("cx_events_applied_total") == 5, "the profiles", worker)
        logs = tmp_path / "broker" / "logs"
        on_topics = {name: found(logs, f"{name}-*/*") for name in compacted}
        on_disk = found(state, "**/*")

        publish(broker.bootstrap, topics.touchpoints, INPUT[-1:], 1)
        wait_for(lambda: worker.metric("cx_erasures_total") == 1, "the erasure", worker)
        others = iter(range(1_000_000))

        def compaction_is_done() -> bool:
            # What is written last is never compacted: others go on living meanwhile.
            number = next(others)
            other = touchpoint(f"o-{number}", "chat.started", "bob", "10:00:00")
            publish(broker.bootstrap, topics.touchpoints, [other], 1)
            time.sleep(1.0)
            return not any(found(logs, f"{name}-*/*") for name in compacted)

        wait_for(compaction_is_done, "compaction", worker, seconds=COMPACTION_SECONDS)
        wait_for(lambda: not found(state, "**/*"), "a clean state folder", worker, seconds=SCRUB_SECONDS)

        assert all(on_topics.values())
        assert on_disk
        keys = {record.key for record in read_all(broker.bootstrap, *compacted)}
        assert keys - {pin.KEY} == {b"bob", mark.key_of(ANN)}
        (proof,) = read_all(broker.bootstrap, topics.erasures)
        event = msgspec.json.decode(proof.value, type=ErasureEvent)
        assert (proof.key.decode(), event.subject) == (digest_of(ANN), digest_of(ANN))
        assert event.data.removed["profile"] == 1
        assert [word for word in SECRETS if word in proof.value + proof.key] == []

        publish(broker.bootstrap, topics.touchpoints, INPUT, 1)
        wait_for(lambda: worker.metric("cx_touchpoints_erased_total") == 5, "the replay", worker)
        worker.kill()
        anew = Worker(broker.bootstrap, topics, tmp_path / "anew", "--clock", "event").start().wait_ready()
        try:
            check_who_comes_back(anew, broker.bootstrap, topics)
        finally:
            anew.kill()
        assert found(state, "**/*") == {}
        assert [word for word in SECRETS if word.decode() in worker.log() + anew.log()] == []
    finally:
        worker.kill()


def check_who_comes_back(anew: Worker, bootstrap: str, topics: Topics) -> None:
    """A worker that knows nothing but the changelog brings nobody back, but lets the customer come back."""
    compacted = [spec.name for spec in topics.specs if spec.compacted and spec.by_customer]
    publish(bootstrap, topics.touchpoints, INPUT, 1)
    group, published = f"{topics.prefix}-group", len(read_all(bootstrap, topics.touchpoints))
    wait_for(lambda: committed(bootstrap, group) == published, "one more replay", anew)

    wait_for(lambda: anew.metric("cx_touchpoints_erased_total") >= 5, "it to be counted", anew)
    assert ANN.encode() not in {record.key for record in read_all(bootstrap, *compacted)}
    assert len(read_all(bootstrap, topics.erasures)) == 1

    publish(bootstrap, topics.touchpoints, [touchpoint("7", "order.placed", ANN, "11:00:00")], 1)
    wait_for(lambda: anew.metric("cx_profiles") == 3, "a customer who came back", anew)
