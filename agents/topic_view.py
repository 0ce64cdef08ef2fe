"""Topic view: topics as a broker shows them to us, and what it lets us do with them.

aiokafka asks for metadata in versions that say nothing of rights; this asks in the one that does.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from agents.connection import Connection
from agents.handshake import opened
from schemas.rights import OPERATIONS

_UNTOLD = -(2**31)
"""What a broker answers that does not tell operations."""


@dataclass(frozen=True, slots=True)
class TopicView:
    """A topic as the broker shows it to us.

    Attributes:
        partitions: how many it has; 0 where it is missing.
        replicas: on how many brokers the least replicated partition is kept.
        in_sync: how many of those are up to date, for the partition with the fewest.
        allowed: what we may do with it; None where the broker does not tell.
    """

    partitions: int
    replicas: int
    in_sync: int
    allowed: frozenset[str] | None


async def view(connection: Connection, names: Collection[str]) -> dict[str, TopicView | None]:
    """Topics as the broker shows them to us, by name; None for one that it does not let us see.

    No topic is created by the question.

    Raises:
        KafkaError: the broker can't be reached or asked.
        NotImplementedError: the broker is too old or too new for the question.
        OSError: the broker can't be reached.
    """
    async with opened(connection) as asked:
        answer: Any = await asked.send(_Ask(names))
    return {topic[1]: _view(topic) for topic in answer.topics}


def allowed(bits: int) -> frozenset[str] | None:
    """The operations that an answer names; None if it names none.

    >>> sorted(allowed(0b1_0000_1000))
    ['Describe', 'Read']
    """
    if bits == _UNTOLD:
        return None
    return frozenset(name for bit, name in OPERATIONS.items() if bits & 1 << bit)


def _view(topic: Any) -> TopicView | None:
    code, _, _, partitions, bits = topic
    if code == TopicAuthorizationFailedError.errno:
        return None
    replicas = [len(partition[4]) for partition in partitions]
    in_sync = [len(partition[5]) for partition in partitions]
    return TopicView(len(partitions), min(replicas, default=0), min(in_sync, default=0), allowed(bits))


class _Answer(Response):  # type: ignore[misc]
    """Metadata, version 8: the first that tells what we may do, and the last before another encoding."""

    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8"))),
        ),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class _Question(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _Answer
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _Ask(Request[_Question]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, names: Collection[str]) -> None:
        self._names = list(names)

    def build(self, request_struct_class: type[_Question]) -> _Question:
        return request_struct_class(self._names, *(False, False, True))
