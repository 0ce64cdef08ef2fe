"""Two weeks without touchpoints on Apache Kafka: regulars are not taken for lost, and who is lost is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from agents.partitioner import partition_of
from schemas import example
from schemas.example import ExampleEvent
from schemas.timestamp import DAY, HOUR, to_millis, to_rfc3339
from schemas.topics import Topics
from tests.cluster import Worker, read_all, wait_for
from tests.conftest import PARTITIONS
from tests.hotel import HOTEL_YAML

HORIZON = 10 * DAY

SECTION = "churn: {horizon: 10d, every: 9d}\n"

OPEN, OUT, AGAIN = 10 * DAY, 14 * DAY, 12 * DAY
"""How long the shop is open, how long nothing is told of it then, and how long it is open after that."""

LEAVES = 2 * DAY
"""How long before the outage some customers come for the last time."""

REGULARS = 5
"""Of each partition; and as many again who leave."""


class Purchase(NamedTuple):
    """Who buys, and when."""

    time: int
    customer: str


def lives(start: int) -> list[Purchase]:
    """In each partition one an hour; each customer buys every five hours, or ten while there are more."""
    mine: dict[int, list[str]] = {partition: [] for partition in range(PARTITIONS)}
    for number in range(50 * PARTITIONS):
        of = mine[partition_of(f"c{number}".encode(), PARTITIONS)]
        of += [f"c{number}"] * (len(of) < 2 * REGULARS)
    bought = []
    for hour in range((OPEN + OUT + AGAIN) // HOUR):
        at = hour * HOUR
        if OPEN <= at < OPEN + OUT:
            continue
        for customers in mine.values():
            there = customers if at < OPEN - LEAVES else customers[:REGULARS]
            bought.append(Purchase(start + at, there[hour % len(there)]))
    return bought


async def keep(kafka: str, topic: str) -> None:
    """Have a topic keep what is older than it keeps otherwise.

    A broker looks every five minutes for what is too old, and would take away what was just published.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "-1"})])
    finally:
        await admin.close()


async def publish(kafka: str, topic: str, bought: Iterable[Purchase]) -> None:
    """Publish purchases with the time at which they were made as that of the record, too."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    await producer.start()
    try:
        for at, customer in bought:
            event = {
                "specversion": "1.0",
                "id": f"{customer}-{at}",
                "source": "/shop",
                "type": "order.placed",
                "subject": customer,
                "time": to_rfc3339(at),
                "data": {"amount": 20.0},
            }
            key = customer.encode()
            partition = partition_of(key, PARTITIONS)
            await producer.send(topic, msgspec.json.encode(event), key, partition, at)
        await producer.flush()
    finally:
        await producer.stop()


def known(kafka: str, topics: Topics) -> list[ExampleEvent]:
    """The labels that were published; each of them once."""
    events = [example.decode(record.value) for record in read_all(kafka, topics.examples)]
    assert len({event.id for event in events}) == len(events)
    return events


def gauges(worker: Worker) -> tuple[float, float]:
    """In how many partitions nothing comes, and for how many seconds a timer has been due but labels."""
    silent, overdue = ("ingestion_silent_partitions", "timers_overdue_seconds")
    return worker.metric(f"cx_{silent}"), worker.metric(f"cx_{overdue}")


def test_an_outage_makes_nobody_lost(kafka: str, topics: Topics, tmp_path: Path) -> None:
    """Labels wait while nothing comes, also through a kill, and then none of them is wrong."""
    playbook = tmp_path / "hotel.yaml"
    playbook.write_text(SECTION + HOTEL_YAML, encoding="utf-8")
    start = int(time.time() * 1000) - OPEN - OUT - AGAIN
    bought = lives(start)
    before = [each for each in bought if each.time < start + OPEN]
    last = {each.customer: each.time for each in bought}
    asyncio.run(keep(kafka, topics.touchpoints))
    # All at once: in a lull after some of it, who is read so far would have come to the present day.
    asyncio.run(publish(kafka, topics.touchpoints, before))
    worker = Worker(kafka, topics, tmp_path / "w", "--playbook", str(playbook)).start().wait_ready()
    wait_for(lambda: worker.metric("cx_events_applied_total") == len(before), "the first ten days", worker)
    wait_for(lambda: len(known(kafka, topics)) > 0, "what is known by then", worker)
    wait_for(lambda: gauges(worker) == (PARTITIONS, 0.0), "all others to have fired", worker)
    time.sleep(1)
    early = known(kafka, topics)
    worker.kill()
    asyncio.run(publish(kafka, topics.touchpoints, bought[len(before) :]))
    worker.start().wait_ready()
    wait_for(lambda: worker.metric("cx_ingestion_outages_total") == PARTITIONS, "the outage to end", worker)
    leavers = {customer for customer, at in last.items() if at < start + OPEN}

    def lost() -> set[str]:
        return {event.subject for event in known(kafka, topics) if event.data.churned}

    wait_for(lambda: lost() >= leavers, "what is known in the end", worker)
    wait_for(lambda: gauges(worker) == (0.0, 0.0), "all to have fired", worker)
    time.sleep(1)
    assert worker.stop() == 0

    assert max(to_millis(event.time) for event in early) <= start + OPEN + DAY
    assert len(leavers) == REGULARS * PARTITIONS
    events = known(kafka, topics)
    assert len(events) > 10 * PARTITIONS * REGULARS
    wrong = [
        event.id
        for event in events
        if event.data.churned
        != (event.subject in leavers and to_millis(event.data.seen) // DAY >= last[event.subject] // DAY)
    ]
    assert wrong == []
