"""Records: what an outcome is on the topics."""

from __future__ import annotations

from collections.abc import Callable

from agents.batches import Record
from schemas import cloudevents, decision, erasure, example, service_context, touchpoint, trigger
from schemas import stage as stages
from schemas.erasure import Erasure
from schemas.topics import Topics
from schemas.touchpoint import Touchpoint
from stream.outcome import Outcome


class Records:
    """Makes records of outcomes.

    Args:
        topics: the topics of this deployment.
        partition_of: the partition that a key belongs to.
    """

    def __init__(self, topics: Topics, partition_of: Callable[[bytes], int]) -> None:
        self._topics = topics
        self._trigger_topics = {family: topics.trigger(family) for family in topics.families}
        self._partition_of = partition_of

    def of(self, outcome: Outcome, key: bytes, partition: int) -> list[Record]:
        """What an outcome sends to others, its triggers, decisions and records, or its proof."""
        service = outcome.service
        examples = outcome.examples
        if not (
            outcome.decisions or outcome.forwards or outcome.stage or outcome.erasure or service or examples
        ):
            return []
        forwards = [self._forwarded(forward.touchpoint) for forward in outcome.forwards]
        if outcome.erasure is not None:
            return forwards + self._forgetting(outcome.erasure, key, partition)
        records = [
            Record(
                self._trigger_topics[fired.family], partition, key, trigger.encode(fired), cloudevents.HEADERS
            )
            for fired in outcome.triggers
        ]
        records += [
            Record(self._topics.decisions, partition, key, decision.encode(decided), cloudevents.HEADERS)
            for decided in outcome.decisions
        ]
        if outcome.stage is not None:
            value = stages.encode(outcome.stage)
            records.append(Record(self._topics.stages, partition, key, value, cloudevents.HEADERS))
        if service is not None:
            record = service_context.encode(service)
            headers = [] if record is None else cloudevents.HEADERS
            records.append(Record(self._topics.service_contexts, partition, key, record, headers))
        records += [
            Record(self._topics.examples, partition, key, example.encode(known), cloudevents.HEADERS)
            for known in examples
        ]
        return forwards + records

    def _forwarded(self, event: Touchpoint) -> Record:
        """A touchpoint for another customer, as a record."""
        key = event.customer.encode()
        return Record(
            self._topics.touchpoints,
            self._partition_of(key),
            key,
            touchpoint.encode(event),
            touchpoint.headers_of(event),
        )

    def _forgetting(self, erased: Erasure, customer: bytes, partition: int) -> list[Record]:
        """The proof, and a tombstone on each topic that has something of the customer but the changelog."""
        key, value = erased.digest.encode(), erasure.encode(erased)
        return [
            Record(self._topics.erasures, partition, key, value, cloudevents.HEADERS),
            *(Record(topic, partition, customer, None, []) for topic in self._topics.tombstoned),
        ]
