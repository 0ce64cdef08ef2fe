"""The brokers that tests run on, and fresh topics on them."""

from __future__ import annotations

import asyncio
import os

# As the command line does it, before anything imports numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import secrets
import shutil
from collections.abc import Iterator

import pytest

from agents.topics import create
from deploy.embedded import EmbeddedBroker
from deploy.kafka import KafkaServer
from deploy.kafka.jars import cache, java
from schemas.errors import BrokerError
from schemas.profile import VERSION, Profile, new_profile
from schemas.topics import Topics

PARTITIONS = 4
"""Partitions of each topic in tests: enough for two workers to share, few enough to be quick."""

NEEDS_KAFKA = {"kafka", "kafka_server", "stage", "topics"}
"""Fixtures whose tests get the marker `kafka` by themselves."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that runs on Apache Kafka, so that nobody has to remember it."""
    for item in items:
        if NEEDS_KAFKA.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.kafka)


def require_kafka() -> None:
    """Skip the test where Apache Kafka can't be started; fail it in CI, where it has to be."""
    try:
        java()
        if not cache().is_dir() and shutil.which("mvn") is None:
            raise BrokerError(
                "Apache Kafka's jars are not here yet and there is no `mvn` to get them; install Maven"
            )
    except BrokerError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI has to run this on Apache Kafka: {error}", pytrace=False)
        pytest.skip(f"{error}, or name a broker by DANGOL_BOOTSTRAP")


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_changed_in_place() -> Iterator[None]:
    """After all tests a new customer is one of whom nothing is known: what profiles share was not changed."""
    yield
    assert new_profile("ann") == Profile(VERSION, "ann")


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """The address of an Apache Kafka that all tests share: DANGOL_BOOTSTRAP, or one started for this run."""
    given = os.environ.get("DANGOL_BOOTSTRAP")
    if given:
        yield given
        return
    require_kafka()
    with KafkaServer() as server:
        yield server.bootstrap


@pytest.fixture
def kafka_server() -> Iterator[KafkaServer]:
    """An Apache Kafka of the test's own, which it may kill and restart."""
    require_kafka()
    with KafkaServer() as server:
        yield server


@pytest.fixture
def embedded() -> Iterator[EmbeddedBroker]:
    """An embedded broker of the test's own, empty."""
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture
def topics(kafka: str) -> Topics:
    """All topics, empty, under a prefix that no other test has, with `PARTITIONS` partitions."""
    fresh = Topics(f"t{secrets.token_hex(4)}.cx")
    asyncio.run(create(kafka, fresh, PARTITIONS))
    return fresh
