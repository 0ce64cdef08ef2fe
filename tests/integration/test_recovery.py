"""Recovery on Apache Kafka: to the changelog's end, whatever that end is."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from agents.batches import Abandoned, Record
from agents.metrics import Metrics
from agents.recovery import Recovery
from agents.tables.memory import MemoryStore
from schemas.topics import Topics
from tests.cluster import publish, wait_for
from tests.conftest import PARTITIONS
from tests.integration.test_outbox import always
from tests.integration.test_transactions import transactions


def store() -> MemoryStore:
    """A store with partitions 0 and 1 open."""
    empty = MemoryStore()
    empty.open(0)
    empty.open(1)
    return empty


def recover(kafka: str, topics: Topics, into: MemoryStore, registry: CollectorRegistry | None = None) -> int:
    """Bring partitions 0 and 1 up; how many records were read."""
    metrics = Metrics(registry or CollectorRegistry(), [])
    return asyncio.run(Recovery(kafka, topics.profiles, into, metrics).recover([0, 1], always))


def write(kafka: str, topics: Topics, *values: bytes | None) -> None:
    """Write values of one key to partition 0, each in a transaction, as a worker does."""

    async def commit() -> None:
        mine = transactions(kafka, topics)
        try:
            await mine.open([0])
            for value in values:
                await mine.commit(0, [Record(topics.profiles, 0, b"ann", value, [])], None, always)
            # As whoever recovers does before: by then the marks of all that was committed stand.
            await mine.open([0])
        finally:
            await mine.close()

    asyncio.run(commit())


def test_an_empty_changelog_is_recovered_at_once(kafka: str, topics: Topics) -> None:
    """There is nothing to wait for."""
    assert recover(kafka, topics, store()) == 0


def test_a_changelog_that_ends_in_the_mark_of_a_transaction(kafka: str, topics: Topics) -> None:
    """The last offset is no record, and is not waited for; of a key, the last value holds."""
    held = store()
    registry = CollectorRegistry()
    write(kafka, topics, b"1", b"2")

    assert recover(kafka, topics, held, registry) == 2
    assert (held.get(0, b"ann"), held.offset(0), held.offset(1)) == (b"2", 2, None)
    assert registry.get_sample_value("cx_state_recovered_records_total") == 2
    assert registry.get_sample_value("cx_state_recovery_remaining_records") == 0


def test_only_the_tail_is_read(kafka: str, topics: Topics) -> None:
    """What the store holds already is not read again; a tombstone takes its key away."""
    held = store()
    write(kafka, topics, b"1", b"2")
    recover(kafka, topics, held)
    assert recover(kafka, topics, held) == 0
    write(kafka, topics, None)

    assert recover(kafka, topics, held) == 1
    assert held.get(0, b"ann") is None


def test_a_store_beyond_the_changelog_is_rebuilt(kafka: str, topics: Topics) -> None:
    """The topic was made anew: what the store holds is of another life."""
    held = store()
    held.write(0, {b"bob": b"of old"}, 1_000)
    write(kafka, topics, b"1")

    assert recover(kafka, topics, held) == 1
    assert dict(held.items(0)) == {b"ann": b"1"}


def test_a_changelog_without_transactions(kafka: str, topics: Topics) -> None:
    """Written by an earlier dangol, or by hand, many partitions at once."""
    keys = [f"c{n}".encode() for n in range(20_000)]
    publish(kafka, topics.profiles, [(key, b"v" * 100, []) for key in keys], PARTITIONS)
    held = MemoryStore()
    for partition in range(PARTITIONS):
        held.open(partition)

    metrics = Metrics(CollectorRegistry(), [])
    recovery = Recovery(kafka, topics.profiles, held, metrics)

    assert asyncio.run(recovery.recover(range(PARTITIONS), always)) == 20_000
    assert {key for partition in range(PARTITIONS) for key, _ in held.items(partition)} == set(keys)


def test_partitions_that_are_lost_meanwhile_are_given_up(kafka: str, topics: Topics) -> None:
    """A rebalance ends a recovery."""
    write(kafka, topics, b"1")
    metrics = Metrics(CollectorRegistry(), [])

    with pytest.raises(Abandoned):
        asyncio.run(Recovery(kafka, topics.profiles, store(), metrics).recover([0], lambda: False))


def test_a_standby_follows_what_others_write(kafka: str, topics: Topics) -> None:
    """What is written meanwhile is held, and a recovery after it finds nothing left to read."""
    held = store()
    recovery = Recovery(kafka, topics.profiles, held, Metrics(CollectorRegistry(), []))

    async def take_over() -> int:
        following = asyncio.create_task(recovery.follow([0, 1]))
        await asyncio.to_thread(write, kafka, topics, b"1", b"2")
        await asyncio.to_thread(wait_for, lambda: held.get(0, b"ann") == b"2", "the standby to follow")
        following.cancel()
        await asyncio.wait({following})
        return await recovery.recover([0, 1], always)

    assert asyncio.run(take_over()) == 0
