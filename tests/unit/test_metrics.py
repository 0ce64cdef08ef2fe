"""Metrics: names that dashboards stand on, bounded labels, histograms that Prometheus reads."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from agents.metrics import LATENCY_BUCKETS, BatchHistogram, Metrics, count_all
from tests.hotel import PROPERTY_TEST

disable_created_metrics()  # type: ignore[no-untyped-call]

NAMES = [
    "cx_budget_refused",
    "cx_budget_remaining_ratio",
    "cx_build_info",
    "cx_consent_violations",
    "cx_decision_latency_seconds",
    "cx_dlq_messages",
    "cx_erasures",
    "cx_event_lag_seconds",
    "cx_events_applied",
    "cx_events_consumed",
    "cx_events_duplicate",
    "cx_events_late",
    "cx_events_rejected",
    "cx_events_rekeyed",
    "cx_events_replayed",
    "cx_ingestion_outages",
    "cx_ingestion_silent_partitions",
    "cx_journey_transitions",
    "cx_model_info",
    "cx_model_refused",
    "cx_model_score",
    "cx_partitions_assigned",
    "cx_playbook_info",
    "cx_playbook_refused",
    "cx_profiles",
    "cx_publish_retries",
    "cx_state_recovered_records",
    "cx_state_recovery_remaining_records",
    "cx_state_recovery_seconds",
    "cx_state_undecodable",
    "cx_timers_fired",
    "cx_timers_overdue_seconds",
    "cx_touchpoints_erased",
    "cx_trigger_outcomes",
    "cx_triggers_emitted",
    "cx_triggers_suppressed",
]
"""Every metric of a worker; counters have `_total` at the end when they are shown."""


def page(registry: CollectorRegistry) -> dict[str, Metric]:
    """What Prometheus makes of the metrics page, by name."""
    text = generate_latest(registry).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_the_names_are_those_that_dashboards_know() -> None:
    """A metric that is renamed or lost is noticed here and not on a dashboard that stays empty."""
    registry = CollectorRegistry()
    Metrics(registry, ["order.placed"])

    assert sorted(page(registry)) == NAMES


def test_every_metric_says_what_it_is() -> None:
    """Each has a help text that is a sentence."""
    registry = CollectorRegistry()
    Metrics(registry, [])

    assert [name for name, family in page(registry).items() if not family.documentation.endswith(".")] == []


def test_types_beyond_the_catalogue_share_one_label() -> None:
    """Apps invent types; they must not make a time series each."""
    metrics = Metrics(CollectorRegistry(), ["order.placed"])

    assert metrics.type_label("order.placed") == "order.placed"
    assert {metrics.type_label(f"made.up.{n}") for n in range(1_000)} == {"other"}


def test_a_tally_is_added_to_a_counter() -> None:
    """Each combination of labels goes up by its number, and again by the next tally."""
    registry = CollectorRegistry()
    metrics = Metrics(registry, [])
    for _ in range(2):
        count_all(metrics.suppressed, Counter({("room-key", "consent"): 2, ("room-key", "cap"): 1}))

    family = page(registry)["cx_triggers_suppressed"]
    assert {(s.labels["trigger"], s.labels["reason"]): s.value for s in family.samples} == {
        ("room-key", "consent"): 4.0,
        ("room-key", "cap"): 2.0,
    }


def test_a_value_on_a_bound_counts_below_it() -> None:
    """Prometheus' `le` means less or equal."""
    registry = CollectorRegistry()
    BatchHistogram("cx_wait_seconds", "Waiting.", (1.0, 5.0), registry).observe([1.0, 5.0, 5.1])

    assert registry.get_sample_value("cx_wait_seconds_bucket", {"le": "1.0"}) == 1.0
    assert registry.get_sample_value("cx_wait_seconds_bucket", {"le": "5.0"}) == 2.0
    assert registry.get_sample_value("cx_wait_seconds_bucket", {"le": "+Inf"}) == 3.0


@PROPERTY_TEST
@given(batches=st.lists(st.lists(st.floats(0, 20), max_size=20), max_size=5))
def test_a_histogram_is_what_counting_by_hand_gives(batches: list[list[float]]) -> None:
    """Whatever comes in whatever batches: cumulative counts, the sum and the number of values."""
    registry = CollectorRegistry()
    histogram = BatchHistogram("cx_wait_seconds", "Waiting.", LATENCY_BUCKETS, registry)
    for batch in batches:
        histogram.observe(batch)
    values = [value for batch in batches for value in batch]

    for bound in LATENCY_BUCKETS:
        below = registry.get_sample_value("cx_wait_seconds_bucket", {"le": str(bound)})
        assert below == sum(value <= bound for value in values)
    assert registry.get_sample_value("cx_wait_seconds_count") == len(values)
    total = registry.get_sample_value("cx_wait_seconds_sum")
    assert total is not None
    assert abs(total - sum(values)) < 1e-6
