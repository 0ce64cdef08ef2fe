"""Names and settings of the topics, in one place.

Dot-separated, lower case, with a version at the end; no environment in the name.
Every topic but those of erasures, playbooks and models is keyed by customer id, and every one has the
same number of partitions, so that a customer's records stand on the same partition number everywhere
(co-partitioned).
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.families import FAMILIES

DAY_MS = 24 * 3600 * 1000

TOMBSTONE_MS = DAY_MS
"""How long a compacted topic keeps a tombstone, in ms. A store on disk that was closed for longer may
have missed one, and is not to be trusted."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """What a topic must look like on the broker.

    Attributes:
        name: the topic's name.
        compacted: whether only the last record of a key is kept (`cleanup.policy=compact`).
        by_customer: whether the key is a customer's id, so that an erasure owes a compacted one a tombstone.
        retention_ms: how long records are kept, in milliseconds; None where they are kept until replaced.
        max_message_bytes: largest record, where it isn't the broker's default of 1 MiB.
    """

    name: str
    compacted: bool = False
    by_customer: bool = True
    retention_ms: int | None = None
    max_message_bytes: int | None = None

    @property
    def config(self) -> dict[str, str]:
        """The topic's settings as Kafka spells them."""
        if self.compacted:
            # Recovery reads the whole topic, so its cost is the uncompacted size:
            # compact early (0.1 dirty) and roll segments daily, or nothing is ever compacted.
            # A topic that changes little would else keep what was erased until it has changed enough; a
            # tombstone holds the id of who was erased, and stays for as long as stores may be behind.
            kept = self._size
            if self.retention_ms is not None:
                kept["retention.ms"] = str(self.retention_ms)
            return kept | {
                "cleanup.policy": "compact" if self.retention_ms is None else "compact,delete",
                "min.cleanable.dirty.ratio": "0.1",
                "segment.ms": str(DAY_MS),
                "max.compaction.lag.ms": str(DAY_MS),
                "delete.retention.ms": str(TOMBSTONE_MS),
            }
        return self._size | {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}

    @property
    def _size(self) -> dict[str, str]:
        most = self.max_message_bytes
        return {} if most is None else {"max.message.bytes": str(most)}


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
        self.stages = f"{prefix}.journey.stages.v1"
        self.profiles = f"{prefix}.profiles.v1"
        self.erasures = f"{prefix}.erasures.v1"
        self.service_contexts = f"{prefix}.service-context.v1"
        self.playbooks = f"{prefix}.playbook.v1"
        self.examples = f"{prefix}.churn.examples.v1"
        self.models = f"{prefix}.churn.models.v1"
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
    def tombstoned(self) -> list[str]:
        """Compacted topics besides the profiles' that hold what is known of a customer under his id."""
        return [
            spec.name
            for spec in self.specs
            if spec.compacted and spec.by_customer and spec.name != self.profiles
        ]

    @property
    def specs(self) -> list[TopicSpec]:
        """Every topic that has to exist before a worker starts."""
        return [
            # Seven days: well within what deduplication looks back, so that a reprocessed week is safe.
            TopicSpec(self.touchpoints, retention_ms=7 * DAY_MS),
            # Thirty days: someone has to find the time to look at them, and deduplication looks back as far.
            # Twice the default size: the largest touchpoint a broker takes fits with the headers that say
            # why it is here.
            TopicSpec(self.dead_letters, retention_ms=30 * DAY_MS, max_message_bytes=2 * 1024 * 1024),
            TopicSpec(self.decisions, retention_ms=7 * DAY_MS),
            TopicSpec(self.stages, retention_ms=7 * DAY_MS),
            # Twice the default size: a profile at all of its bounds, merged of two, may take 1 MB.
            TopicSpec(self.profiles, compacted=True, max_message_bytes=2 * 1024 * 1024),
            # Thirty days: a desk that looks up an older one knows less than one that asks.
            TopicSpec(self.service_contexts, compacted=True, retention_ms=30 * DAY_MS),
            # Three years: for so long, in most places, one may be asked for a proof.
            TopicSpec(self.erasures, by_customer=False, retention_ms=1096 * DAY_MS),
            TopicSpec(self.playbooks, compacted=True, by_customer=False),
            # Seven days: longer than a trainer is down; what it has learned is in its models.
            TopicSpec(self.examples, retention_ms=7 * DAY_MS),
            TopicSpec(self.models, compacted=True, by_customer=False),
            *(TopicSpec(name, retention_ms=7 * DAY_MS) for name in self.triggers),
        ]
