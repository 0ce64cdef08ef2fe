"""A bare loop: aiokafka and the engine, what a good engineer writes in an afternoon.

Polls of up to 2,000 records, profiles decoded in memory, one `send` a record with a linger of 5 ms,
one profile a changed customer and poll to a compacted topic, offsets committed after all is
acknowledged. No recovery, no rebalances, no bad input, no duplicates after a crash: those take
more than an afternoon.
"""

from __future__ import annotations

import asyncio
import signal

import uvloop
from aiokafka import AIOKafkaConsumer

from agents.bench.assignment import SESSION_SECONDS, Assignment, from_argument
from agents.producer import start_producer
from schemas import cloudevents, decision, profile, touchpoint, trigger
from schemas.profile import Profile
from stream.engine import load_engine

POLL = 2_000
"""Records a poll: what dangol takes in hand on four partitions."""

LINGER_MS = 5

BATCH_BYTES = 128 * 1024


async def run(assignment: Assignment) -> None:
    """Process touchpoints until SIGTERM."""
    topics = assignment.topics
    trigger_topics = {family: topics.trigger(family) for family in topics.families}
    step = load_engine().step
    profiles: dict[str, Profile] = {}
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    consumer = AIOKafkaConsumer(
        topics.touchpoints,
        bootstrap_servers=assignment.bootstrap,
        group_id=assignment.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=SESSION_SECONDS * 1000,
    )
    producer = await start_producer(
        assignment.bootstrap, assignment.group, linger_ms=LINGER_MS, max_batch_size=BATCH_BYTES
    )
    async with consumer, producer:
        while not stop.is_set():
            polled = await consumer.getmany(timeout_ms=200, max_records=POLL)
            sent = []
            changed = set()
            for records in polled.values():
                for record in records:
                    event = touchpoint.decode(record.value)
                    customer = event.customer
                    outcome = step(profiles.get(customer), event, event.time)
                    profiles[customer] = outcome.profile
                    changed.add(customer)
                    for fired in outcome.triggers:
                        sent.append(  # noqa: PERF401 - awaits
                            await producer.send(
                                trigger_topics[fired.family],
                                trigger.encode(fired),
                                key=record.key,
                                headers=cloudevents.HEADERS,
                            )
                        )
                    for decided in outcome.decisions:
                        sent.append(  # noqa: PERF401 - awaits
                            await producer.send(
                                topics.decisions,
                                decision.encode(decided),
                                key=record.key,
                                headers=cloudevents.HEADERS,
                            )
                        )
            for customer in changed:
                value = profile.encode(profiles[customer])
                sent.append(await producer.send(topics.profiles, value, key=customer.encode()))
            if polled:
                await asyncio.gather(*sent)
                await consumer.commit()


if __name__ == "__main__":
    uvloop.run(run(from_argument()))
