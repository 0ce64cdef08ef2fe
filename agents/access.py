"""Access: what a worker needs of a broker with access control lists, and what of that it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.errors import KafkaError
from aiokafka.protocol.coordination import FindCoordinatorRequest

from agents.connection import Connection
from agents.group_view import view_of
from agents.handshake import DENIED, opened
from agents.topic_view import TopicView, view
from schemas.errors import AccessError
from schemas.rights import Right, rights
from schemas.topics import Topics

_TRANSACTION = 1
"""Kafka's number for the coordinator of a transaction."""

_OPTIONS = {"topic": "--topic", "group": "--group", "transactional-id": "--transactional-id"}


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that a worker needs and is refused.

    Attributes:
        what: what it is, in words.
        right: what has to be allowed.
    """

    what: str
    right: Right

    def message(self, connection: Connection) -> str:
        """One line: what is refused, to whom, and how to allow it."""
        right = self.right
        pattern = " --resource-pattern-type prefixed" if right.pattern == "prefixed" else ""
        operations = " ".join(f"--operation {operation}" for operation in right.operations)
        todo = (
            f"kafka-acls --add --allow-principal … {operations} {_OPTIONS[right.kind]} {right.name}{pattern}"
        )
        refused = f"the broker at {connection} does not allow us {self.what}; we are {connection.who}"
        return f"{refused}; run {todo}"


async def check(connection: Connection, topics: Topics, group: str) -> None:
    """Make sure that a worker is allowed what it needs.

    A broker that can't be asked, or that does not tell, is taken at its word when it comes to it.

    Raises:
        AccessError: something is refused.
    """
    # Without a login everyone is the same, and with access control lists there is one.
    if connection.security_protocol == "PLAINTEXT":
        return
    try:
        found = lack_of_topics(topics, await view(connection, [spec.name for spec in topics.specs]))
        found = found or await lack_of_group(connection, topics, group)
        found = found or await lack_of_transactions(connection, topics, group)
    except (KafkaError, OSError, TimeoutError, NotImplementedError):
        return
    if found is not None:
        raise AccessError(found.message(connection))


def lack_of_topics(topics: Topics, views: Mapping[str, TopicView | None]) -> Lack | None:
    """What a worker is refused of its topics; None if nothing is, or the broker does not tell."""
    needed = set(_of_worker(topics, "")[0].operations)
    told = {name: frozenset() if shown is None else shown.allowed for name, shown in views.items()}
    lacks = {name: needed - has for name, has in told.items() if has is not None and needed - has}
    if not lacks:
        return None
    missing = tuple(sorted(set().union(*lacks.values())))
    others = f" and {len(lacks) - 1} more topics" if len(lacks) > 1 else ""
    right = Right("topic", f"{topics.prefix}.", "prefixed", missing)
    return Lack(f"{' and '.join(missing)} on topic {next(iter(lacks))}{others}", right)


async def lack_of_group(connection: Connection, topics: Topics, group: str) -> Lack | None:
    """What a worker is refused of its group; None if nothing is, or the broker does not tell.

    Raises:
        KafkaError: the broker can't be asked.
        OSError: the broker can't be reached.
    """
    lack = Lack(f"Read on group {group}", _of_worker(topics, group)[1])
    try:
        has = (await view_of(connection, group)).allowed
    except DENIED:
        return lack
    return None if has is None or "Read" in has else lack


async def lack_of_transactions(connection: Connection, topics: Topics, group: str) -> Lack | None:
    """What a worker is refused of its transactions; None if nothing is, as far as can be told without one.

    Raises:
        KafkaError: the broker can't be asked.
        OSError: the broker can't be reached.
    """
    right = _of_worker(topics, group)[2]
    name = f"{right.name}{topics.touchpoints}-0"
    async with opened(connection) as asked:
        answer: Any = await asked.send(FindCoordinatorRequest(name, _TRANSACTION))
    denied = answer.error_code in {error.errno for error in DENIED}
    return Lack(f"Write on transactional ids that begin with {right.name}", right) if denied else None


def _of_worker(topics: Topics, group: str) -> list[Right]:
    return rights(topics, group)["worker"]
