"""Names and settings of the topics, in one place.

Dot-separated, lower case, with a version at the end; no environment in the name.
Every topic is keyed by customer id and has the same number of partitions, so that a
customer's records stand on the same partition number everywhere (co-partitioned).
"""

from __future__ import annotations

from dataclasses import dataclass

DAY_MS = 24 * 3600 * 1000

FAMILIES = ("room-key", "recovery-offer", "suppression", "retention-offer")
"""The trigger families; each has a topic of its own that services subscribe to."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """What a topic must look like on the broker.

    Attributes:
        name: the topic's name.
        compacted: whether only the last record of a key is kept (`cleanup.policy=compact`).
        retention_ms: how long records are kept, in milliseconds; None where compacted.
        max_message_bytes: largest record, where it isn't the broker's default of 1 MiB.
    """

    name: str
    compacted: bool = False
    retention_ms: int | None = None
    max_message_bytes: int | None = None

    @property
    def config(self) -> dict[str, str]:
        """The topic's settings as Kafka spells them."""
        if self.compacted:
            # Recovery reads the whole topic, so its cost is the uncompacted size:
            # compact early (0.1 dirty) and roll segments daily, or nothing is ever compacted.
            return {
                "cleanup.policy": "compact",
                "min.cleanable.dirty.ratio": "0.1",
                "segment.ms": str(DAY_MS),
            }
        config = {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}
        if self.max_message_bytes is not None:
            config["max.message.bytes"] = str(self.max_message_bytes)
        return config


class Topics:
    """The topics of one deployment.

    The prefix is `cx` unless several deployments share a cluster.

    >>> Topics().touchpoints
    'cx.touchpoints.v1'
    >>> Topics("hotel.cx").trigger("room-key")
    'hotel.cx.trigger.room-key.v1'
    """

    def __init__(self, prefix: str = "cx") -> None:
        self.prefix = prefix
        self.touchpoints = f"{prefix}.touchpoints.v1"
        self.dead_letters = f"{prefix}.touchpoints.v1-dlt"
        self.decisions = f"{prefix}.decisions.v1"
        self.profiles = f"{prefix}.profiles.v1"
        self._triggers = {family: f"{prefix}.trigger.{family}.v1" for family in FAMILIES}

    def trigger(self, family: str) -> str:
        """The topic that triggers of this family are published on."""
        return self._triggers[family]

    @property
    def families(self) -> tuple[str, ...]:
        """The trigger families."""
        return FAMILIES

    @property
    def triggers(self) -> list[str]:
        """All trigger topics, in the order of `FAMILIES`."""
        return list(self._triggers.values())

    @property
    def specs(self) -> list[TopicSpec]:
        """Every topic that has to exist before a worker starts."""
        return [
            # Seven days: as long as deduplication looks back, so that a reprocessed week is safe.
            TopicSpec(self.touchpoints, retention_ms=7 * DAY_MS),
            # Thirty days: someone has to find the time to look at them. Twice the default size: the
            # largest touchpoint a broker takes fits with the headers that say why it is here.
            TopicSpec(self.dead_letters, retention_ms=30 * DAY_MS, max_message_bytes=2 * 1024 * 1024),
            TopicSpec(self.decisions, retention_ms=7 * DAY_MS),
            TopicSpec(self.profiles, compacted=True),
            *(TopicSpec(name, retention_ms=7 * DAY_MS) for name in self.triggers),
        ]
