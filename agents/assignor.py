"""Assignor: which member of the group gets which partitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import structlog
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

log = structlog.get_logger("dangol.lane")


class LaneAssignor(RoundRobinPartitionAssignor):  # type: ignore[misc]
    """aiokafka's assignor, which knows how many partitions there are.

    It goes by the metadata that the group's leader happens to have. Of a broker that has just started these
    may be empty, and then nobody would be assigned anything, until the next rebalance.
    """

    known: ClassVar[Mapping[str, int]]

    @classmethod
    def assign(cls, cluster: Any, members: Mapping[str, Any]) -> dict[str, Any]:
        """Partitions by member."""
        shared: dict[str, Any] = super().assign(_Known(cluster, cls.known), members)
        given = sum(len(each.partitions()) for each in shared.values())
        log.info("partitions were shared out", partitions=given, members=len(shared))
        return shared


class _Known:
    """The cluster's metadata, with what is known of partitions where it has nothing."""

    def __init__(self, cluster: Any, known: Mapping[str, int]) -> None:
        self._cluster = cluster
        self._known = known

    def partitions_for_topic(self, topic: str) -> set[int]:
        found = self._cluster.partitions_for_topic(topic)
        return set(found) if found else set(range(self._known.get(topic, 0)))
