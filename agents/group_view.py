"""Group view: a consumer group as the broker shows it to us, and what it lets us do with it.

aiokafka asks for this and reads the answer as one of an older version, without what we may do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import for_code
from aiokafka.protocol.admin import DescribeGroupsRequest_v3, DescribeGroupsResponse_v3
from aiokafka.protocol.api import Request
from aiokafka.protocol.coordination import FindCoordinatorRequest

from agents.connection import Connection
from agents.handshake import opened
from agents.topic_view import allowed

_GROUP = 0
"""Kafka's number for the coordinator of a group."""


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group as the broker shows it to us.

    Attributes:
        state: what it does, in Kafka's words: `Stable`, `Empty`, `Dead` (there is none), …
        members: how many workers it has.
        assigned: how many partitions they have been given, together.
        allowed: what we may do with it; None where the broker does not tell.
    """

    state: str
    members: int
    assigned: int
    allowed: frozenset[str] | None


async def view_of(connection: Connection, group: str) -> GroupView:
    """A group as the broker shows it to us.

    Raises:
        KafkaError: the broker can't be reached or asked, or does not let us see the group.
        OSError: the broker can't be reached.
        NotImplementedError: the broker is too old or too new for the question.
    """
    async with opened(connection) as asked:
        coordinator: Any = await asked.send(FindCoordinatorRequest(group, _GROUP))
    if coordinator.error_code:
        raise for_code(coordinator.error_code)
    async with opened(connection, coordinator.host, coordinator.port) as asked:
        answer: Any = await asked.send(_Ask(group))
    code, _, state, _, _, members, bits = answer.groups[0]
    if code:
        raise for_code(code)
    given = sum(_given(assignment) for *_, assignment in members)
    return GroupView(state, len(members), given, allowed(bits))


def _given(assignment: bytes) -> int:
    """Partitions that an assignment holds; a member that just joined has none yet."""
    return len(ConsumerProtocol.ASSIGNMENT.decode(assignment).partitions()) if assignment else 0


class _Question(DescribeGroupsRequest_v3):  # type: ignore[misc]
    RESPONSE_TYPE = DescribeGroupsResponse_v3


class _Ask(Request[_Question]):  # type: ignore[misc]
    API_KEY = DescribeGroupsRequest_v3.API_KEY

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[_Question]) -> _Question:
        return request_struct_class([self._group], *(True,))
