"""Event loop: uvloop's, and what aiokafka has to be told of it.

On a connection that was lost a moment ago asyncio's loop drops what is written. uvloop raises RuntimeError,
which aiokafka does not expect (github.com/aio-libs/aiokafka/issues/1038): it ends the task that keeps a
client's view of the cluster up to date, and whoever waits for that view waits for good.
"""

from __future__ import annotations

import asyncio
from typing import Any

import uvloop
from aiokafka import conn
from aiokafka.errors import KafkaConnectionError


class Connection(conn.AIOKafkaConnection):  # type: ignore[misc]
    """A connection to a broker that is lost in the same words on every event loop."""

    def send(self, request: Any, expect_response: bool = True) -> Any:  # noqa: FBT001, FBT002 - aiokafka's
        """Send a request; what to wait for its response with.

        Raises:
            KafkaConnectionError: the connection is lost.
        """
        try:
            return super().send(request, expect_response)
        except RuntimeError as error:
            self.close(reason=conn.CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {error}") from error


def runner() -> asyncio.Runner:
    """Runs what speaks to a broker and has to be fast: a tenth more touchpoints a second."""
    conn.AIOKafkaConnection = Connection
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)
