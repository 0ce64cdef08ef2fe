"""Metrics: what a worker tells Prometheus, named as that community names things.

Base units, `_total` on counters, no customer ids in labels. Labels are bounded: types are those
of the catalogue and `other`, reasons and families are fixed lists. The hot path adds up a batch
in plain Python and hands it over once, since a labelled increment costs a lock.
"""

from __future__ import annotations

import platform
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from agents.version import VERSION

OTHER = "other"
"""Label of touchpoint types that the catalogue doesn't know: apps may invent any number of them."""

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds; fine around the promise of 50 ms, and up to where a rebalance shows."""

LAG_BUCKETS = (0.01, 0.05, 0.25, 1.0, 5.0, 30.0, 60.0, 600.0, 3600.0, 86400.0)
"""Seconds between what happened and the record: apps that were offline come in hours."""

SCORE_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


MAX_TYPES = 500
"""Touchpoint types with a label of their own, as playbooks come and go: each stays a series to the end."""


class BatchHistogram(Collector):
    """A histogram that takes a batch of values at once, at a tenth of the usual cost for each.

    Args:
        name: the metric's name.
        help_: what it measures.
        buckets: upper bounds, ascending, without infinity.
        registry: where it is registered.

    >>> registry = CollectorRegistry()
    >>> BatchHistogram("cx_wait_seconds", "Waiting.", (1.0, 5.0), registry).observe([0.5, 1.0, 7.0])
    >>> registry.get_sample_value("cx_wait_seconds_bucket", {"le": "1.0"})
    2.0
    >>> registry.get_sample_value("cx_wait_seconds_sum")
    8.5
    """

    def __init__(self, name: str, help_: str, buckets: Sequence[float], registry: CollectorRegistry) -> None:
        self._name = name
        self._help = help_
        self._bounds = tuple(buckets)
        self._counts = [0] * (len(buckets) + 1)
        self._sum = 0.0
        registry.register(self)

    def observe(self, values: Iterable[float]) -> None:
        """Enter values."""
        bounds, counts = self._bounds, self._counts
        total = 0.0
        for value in values:
            counts[bisect_left(bounds, value)] += 1
            total += value
        self._sum += total

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """The cumulative counts, as Prometheus has them."""
        reached = 0
        buckets = []
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            reached += count
            buckets.append((bound, float(reached)))
        yield HistogramMetricFamily(self._name, self._help, buckets=buckets, sum_value=self._sum)


class Metrics:
    """All metrics of one worker.

    Args:
        registry: where they are registered; a worker has one of its own.
        types: the touchpoint types that get a label of their own.
    """

    def __init__(self, registry: CollectorRegistry, types: Iterable[str]) -> None:
        self.registry = registry
        self._types = frozenset(types)
        self.consumed = Counter("cx_events_consumed", "Touchpoint records read.", ["type"], registry=registry)
        self.applied = Counter("cx_events_applied", "Touchpoints applied to a profile.", registry=registry)
        self.rejected = Counter(
            "cx_events_rejected", "Records sent to the dead-letter topic.", ["reason"], registry=registry
        )
        self.duplicate = Counter(
            "cx_events_duplicate", "Touchpoints seen before and skipped.", registry=registry
        )
        self.replayed = Counter(
            "cx_events_replayed", "Records at or below a profile's applied offset.", registry=registry
        )
        self.late = Counter(
            "cx_events_late", "Touchpoints applied, but too late to act on.", registry=registry
        )
        self.rekeyed = Counter(
            "cx_events_rekeyed", "Records published once more under the right key.", registry=registry
        )
        self.erased = Counter(
            "cx_touchpoints_erased",
            "Touchpoints dropped, as their customer was erased after them.",
            registry=registry,
        )
        self.erasures = Counter("cx_erasures", "Customers erased on request.", registry=registry)
        self.triggers = Counter("cx_triggers_emitted", "Triggers published.", ["trigger"], registry=registry)
        self.suppressed = Counter(
            "cx_triggers_suppressed", "Candidates held back.", ["trigger", "reason"], registry=registry
        )
        self.budget_remaining = Gauge(
            "cx_budget_remaining_ratio",
            "What is left of a shared budget in this period, 0 to 1; by the property whose it is, or `all`.",
            ["budget", "property"],
            registry=registry,
        )
        self.budget_refused = Counter(
            "cx_budget_refused",
            "Offers not made as a budget had not enough left.",
            ["budget"],
            registry=registry,
        )
        self.outcomes = Counter(
            "cx_trigger_outcomes",
            "What became of triggers that went out.",
            ["family", "outcome"],
            registry=registry,
        )
        self.violations = Counter(
            "cx_consent_violations",
            "Triggers held back at the last moment for lack of consent: a fault of dangol's.",
            registry=registry,
        )
        self.transitions = Counter(
            "cx_journey_transitions",
            "Changes of 5A stage; none is before the first touchpoint, or gone.",
            ["from", "to"],
            registry=registry,
        )
        self.timers_fired = Counter(
            "cx_timers_fired", "Timers that led to a decision.", ["play"], registry=registry
        )
        self.timers_overdue = Gauge(
            "cx_timers_overdue_seconds",
            "How long the most overdue timer has been due; 0 where none is.",
            registry=registry,
        )
        self.outages = Counter(
            "cx_ingestion_outages",
            "Outages of ingestion that are over; each partition counts its own.",
            registry=registry,
        )
        self.silent_partitions = Gauge(
            "cx_ingestion_silent_partitions",
            "Partitions in which there has been no touchpoint for longer than usual: labels wait.",
            registry=registry,
        )
        self.decision_latency = BatchHistogram(
            "cx_decision_latency_seconds",
            "From a record's Kafka timestamp to its batch being acknowledged.",
            LATENCY_BUCKETS,
            registry,
        )
        self.event_lag = BatchHistogram(
            "cx_event_lag_seconds",
            "From what happened to the record's Kafka timestamp.",
            LAG_BUCKETS,
            registry,
        )
        self.score = BatchHistogram(
            "cx_model_score", "Churn risk of scored touchpoints.", SCORE_BUCKETS, registry
        )
        self.dead_letters = Counter(
            "cx_dlq_messages", "Records on the dead-letter topic.", ["reason"], registry=registry
        )
        self.publish_retries = Counter(
            "cx_publish_retries", "Times that publishing failed and was tried again.", registry=registry
        )
        self.profiles = Gauge("cx_profiles", "Profiles held in memory or on disk.", registry=registry)
        self.partitions = Gauge("cx_partitions_assigned", "Partitions of this worker.", registry=registry)
        self.recovery_seconds = Gauge(
            "cx_state_recovery_seconds", "Duration of the latest recovery.", registry=registry
        )
        self.recovered = Counter(
            "cx_state_recovered_records", "Changelog records applied in recovery.", registry=registry
        )
        self.recovery_remaining = Gauge(
            "cx_state_recovery_remaining_records",
            "Changelog offsets still to be read before the worker is ready.",
            registry=registry,
        )
        self.undecodable = Counter(
            "cx_state_undecodable", "Stored profiles that could not be read.", registry=registry
        )
        self.playbooks_refused = Counter(
            "cx_playbook_refused", "Playbooks on the topic that could not be used.", registry=registry
        )
        self._playbook = Gauge(
            "cx_playbook_info",
            "Always 1; the label says which playbook is in force.",
            ["version"],
            registry=registry,
        )
        self.models_refused = Counter(
            "cx_model_refused", "Models on the topic that could not be used.", registry=registry
        )
        self._model = Gauge(
            "cx_model_info",
            "Always 1; the label says which churn model is in force.",
            ["version"],
            registry=registry,
        )
        build = Gauge(
            "cx_build_info", "Always 1; the labels say what runs.", ["version", "python"], registry=registry
        )
        build.labels(VERSION, platform.python_version()).set(1)

    def know(self, types: Iterable[str]) -> None:
        """Give the types of another playbook labels of their own too, as far as there is room."""
        spare = max(MAX_TYPES - len(self._types), 0)
        self._types |= set(sorted(set(types) - self._types)[:spare])

    def playbook(self, version: str) -> None:
        """Say which playbook is in force."""
        self._playbook.clear()
        self._playbook.labels(version).set(1)

    def model(self, version: str) -> None:
        """Say which churn model is in force."""
        self._model.clear()
        self._model.labels(version).set(1)

    def type_label(self, type_: str) -> str:
        """The label of a touchpoint type: its name if the catalogue has it, else `other`."""
        return type_ if type_ in self._types else OTHER


def count_all(counter: Counter, tally: Tally[tuple[str, ...]]) -> None:
    """Add a tally, by label values, to a labelled counter."""
    for labels, number in tally.items():
        counter.labels(*labels).inc(number)
