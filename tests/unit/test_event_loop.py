"""The event loop: a connection lost a moment ago is one that is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvloop
from aiokafka import conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from agents import event_loop
from deploy.embedded import EmbeddedBroker


async def _send_after_loss(bootstrap: str) -> tuple[Any, bool]:
    """What sending raises when its reader has not heard yet of a loss, and whether it is connected then."""
    host, port = bootstrap.rsplit(":", 1)
    connection = await conn.create_conn(host, int(port))
    raised = asyncio.get_running_loop().create_future()

    def send() -> None:
        try:
            connection.send(MetadataRequest([]))
        except Exception as error:  # noqa: BLE001 - which one is the question
            raised.set_result(type(error))
        else:
            raised.set_result(None)

    connection._writer.transport.abort()
    asyncio.get_running_loop().call_soon(send)
    error = await raised
    alive = connection._writer is not None
    connection.close()
    return error, alive


def test_sending_on_a_lost_connection_is_a_connection_error(embedded: EmbeddedBroker) -> None:
    """What uvloop raises on a connection that was just lost, aiokafka gets as the loss that it knows."""
    with event_loop.runner() as runner:
        raised, alive = runner.run(_send_after_loss(embedded.bootstrap))

    assert raised is KafkaConnectionError
    assert not alive


def test_aiokafka_still_needs_to_be_told(embedded: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of aiokafka's own connection RuntimeError comes out; once it does not, agents/event_loop.py can go."""
    monkeypatch.setattr(conn, "AIOKafkaConnection", event_loop.Connection.__base__)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        raised, _ = runner.run(_send_after_loss(embedded.bootstrap))

    assert raised is RuntimeError
