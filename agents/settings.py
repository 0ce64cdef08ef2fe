"""Settings of a worker: each with its default, its unit and its environment variable."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from agents.connection import Connection
from schemas.topics import Topics

Clock = Literal["record", "event"]
"""What `now` of a decision is: the record's Kafka timestamp, or the touchpoint's own time."""

Guarantee = Literal["at-least-once", "exactly-once"]
"""How often a trigger is delivered; state changes exactly once in any case (see agents/delivery.py)."""

StoreKind = Literal["memory", "rocksdict"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a worker is told from outside.

    Attributes:
        connection: how to reach the broker.
        topics: the topics of this deployment.
        group: consumer group; workers of one group share the work.
        clock: `record` in production; `event` for backfills and tests.
        delivery: what is promised to who reads triggers.
        store: where profiles are kept: `memory`, or `rocksdict` for more than fit in it.
        standby: whether to keep the profiles of the others' partitions too, so that one that is taken over
            is ready at once.
        state: folder for what a worker keeps on disk; one folder, one worker.
        playbook: the playbook's file; None for the topic's, or where it has none the one that ships.
        model: version of the churn model to score with; None for the default.
        metrics_host: address that metrics and health bind to; loopback unless told otherwise.
        metrics_port: port of metrics and health; 0 picks a free one.
        session_timeout: seconds after which the broker gives a silent worker's partitions away.
        batch: records of a partition processed at once, at most.
        patience: seconds for which a broker may refuse a worker that ran before, until it ends.
        instance: name for static membership, so that a restart causes no rebalance; None for none.
    """

    connection: Connection = field(default_factory=Connection)
    topics: Topics = field(default_factory=Topics)
    group: str = "dangol"
    clock: Clock = "record"
    delivery: Guarantee = "at-least-once"
    store: StoreKind = "memory"
    standby: bool = False
    state: Path = Path(".dangol")
    playbook: Path | None = None
    model: str | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 9464
    session_timeout: float = 10.0
    batch: int = 2_000
    patience: float = 300.0
    instance: str | None = None
