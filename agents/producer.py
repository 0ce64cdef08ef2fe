"""Producer: how dangol connects to publish, the same for the worker and the command line, and gives up.

What of aiokafka is private here: `_sender.sender_task`, `_message_accumulator` and `_txn_manager`; `abort`
says why, and tests/integration/test_outbox.py fails when they change.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed, UnknownError

from agents.batches import hear
from agents.connection import Broker, connection_to

ABORT_SECONDS = 0.5
"""How long the sending half of a producer may take to notice that its connections are gone."""


async def start_producer(broker: Broker, client_id: str, **options: Any) -> AIOKafkaProducer:
    """A producer that is connected, waits for all replicas and, where the broker can, is idempotent.

    The embedded broker gives producers no number and says so by an unknown error; what a retry may
    then repeat is dropped by its id.

    Args:
        broker: how to reach the broker.
        client_id: how the broker's logs call us.
        options: further options of aiokafka's producer.

    Raises:
        KafkaError: the broker can't be reached or refuses us.
        InputError: a file of the connection can't be used.
    """
    common = {**connection_to(broker).options(), "client_id": client_id, "acks": "all", **options}
    try:
        return await _started(AIOKafkaProducer(enable_idempotence=True, **common))
    except UnknownError:
        return await _started(AIOKafkaProducer(**common))


async def abort(producer: AIOKafkaProducer) -> None:
    """Close a producer at once: what waits is not sent any more, and who waits for it is told.

    `AIOKafkaProducer.stop` first sends what waits, and an idempotent producer tries that for as long as
    the broker is away. There is no public way to end one without, so this takes its sending task, and
    its accumulator, which fails all that waits; tests/integration/test_outbox.py holds it.
    """
    sender = producer._sender.sender_task
    if sender is not None:
        sender.cancel()
        # Requests on their way end with their connections, and the sending task with them.
        await producer.client.close()
        await asyncio.wait({sender}, timeout=ABORT_SECONDS)
        sender.cancel()
        await asyncio.wait({sender}, timeout=ABORT_SECONDS)
    accumulator = producer._message_accumulator
    # A batch that was to be tried again is not among the pending ones, and is missed there when it ends.
    accumulator._pending_batches.update(batch for queue in accumulator._batches.values() for batch in queue)
    # Nobody waits for these, and asyncio would complain of what they end with.
    unheard = [batch._drain_waiter for batch in accumulator._pending_batches]
    if producer._txn_manager is not None:
        unheard.append(producer._txn_manager._transaction_waiter)
    for future in unheard:
        if future is not None:
            future.add_done_callback(hear)
    accumulator.fail_all(ProducerClosed())
    with suppress(KafkaError, OSError):
        await producer.stop()


async def _started(producer: AIOKafkaProducer) -> AIOKafkaProducer:
    try:
        await producer.start()
    except BaseException:
        await producer.stop()
        raise
    return producer
