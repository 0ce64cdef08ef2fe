"""Assignor: partitions find a member, whatever the leader's metadata lack."""

from __future__ import annotations

import asyncio
from typing import Any

import faust
from aiokafka.cluster import ClusterMetadata

from agents.lane import use_lane


def test_partitions_are_assigned_without_metadata() -> None:
    """A leader whose metadata lack the topic, as right after a broker's start, assigns all partitions."""

    async def assigned() -> dict[str, list[tuple[str, list[int]]]]:
        app = faust.App("lane-test", broker="kafka://127.0.0.1:1", topic_disable_leader=True)
        use_lane(app, ["127.0.0.1:1"], {"cx.touchpoints.v1": 4}, 250)
        # What aiokafka is given, and not what Faust has: it is not always the same.
        client: Any = app.consumer._thread._create_worker_consumer(app.transport)  # type: ignore[attr-defined]
        (assignor,) = client._partition_assignment_strategy
        metadata = assignor.metadata({"cx.touchpoints.v1"})
        assignments = assignor.assign(ClusterMetadata(), {"one": metadata, "two": metadata})
        return {member: each.assignment for member, each in assignments.items()}

    shares = asyncio.run(assigned())

    partitions = [part for share in shares.values() for topic, parts in share for part in parts]
    assert sorted(partitions) == [0, 1, 2, 3]
    assert [len(parts) for share in shares.values() for _, parts in share] == [2, 2]
