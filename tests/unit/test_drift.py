"""Drift: what has changed is named, and no more than a fixed number of names is counted."""

from __future__ import annotations

from random import Random

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from agents.trainer import Trainer
from agents.training_metrics import TrainingMetrics
from schemas.example import Example
from stream.churn.drift import KINDS, MOST_KINDS, OF, Drift, label_of
from stream.churn.signals import NAMES
from tests.unit.test_learner import examples, records


def seen(number: int, seed: int, **moved: float) -> list[dict[str, float]]:
    """Customers, some of whose signals have moved."""
    draw = Random(seed)
    return [
        {name: draw.gauss(1.5 + moved.get(name, 0.0), 0.5) for name in NAMES}
        | {"order.placed:decayed": draw.random() + moved.get("orders", 0.0)}
        for _ in range(number)
    ]


def drifted(drift: Drift, rows: list[dict[str, float]], risk: float = 0.5, loss: float = 0.7) -> set[str]:
    """What has drifted on the way."""
    return {what for row in rows for what in drift.see(row, risk, loss)}


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        ({"recency": 0.5}, {"recency"}),
        ({"silence": -0.5, "tenure": 0.5}, {"silence", "tenure"}),
        ({"orders": 0.5}, {"order.placed:decayed"}),
        ({}, set()),
    ],
)
def test_what_moves_is_named(moved: dict[str, float], expected: set[str]) -> None:
    """A signal that moves by a deviation has drifted, and no other; nothing has where nothing moves."""
    drift = Drift()
    before = drifted(drift, seen(2_000, 1))

    assert before == set()
    assert drifted(drift, seen(2_000, 2, **moved)) == expected


def test_risk_and_loss_are_watched_too() -> None:
    """A mean risk that moves or a log loss that rises has drifted, whatever customers look like."""
    drift = Drift()
    rows = seen(1_000, 1)
    drifted(drift, rows, 0.4, 0.6)

    assert drifted(drift, rows, 0.6, 0.6) == {"score"}
    assert drifted(drift, rows, 0.6, 1.2) == {"log_loss"}
    assert drifted(drift, rows, 0.6, 0.6) == set()


def test_labels_are_a_fixed_catalogue() -> None:
    """However many kinds there are, they are counted under one word, and as many as stated are watched."""
    drift = Drift()
    for number in range(100):
        drift.see({f"kind-{number}:decayed": 1.0, f"kind-{number}:count": 1.0, "unheard": 1.0}, 0.5, 0.7)

    assert len(drift._features) == len(NAMES) + MOST_KINDS
    assert {label_of(what) for what in drift._features} == {*NAMES, KINDS}
    assert len(OF) == len(NAMES) + 3


def test_a_trainer_counts_and_says_what_has_drifted() -> None:
    """The count is by the catalogue's word, the log names the kind, and what was learned is gone on with."""
    registry = CollectorRegistry()
    trainer = Trainer(TrainingMetrics(registry))

    def with_calls(batch: list[Example], calls: float) -> list[Example]:
        for each in batch:
            each.data.features["call.held:decayed"] = calls + Random(each.id).random()
        return batch

    with capture_logs() as logs:
        for seed in range(1, 13):
            trainer.take(records(with_calls(examples(200, seed), 0.5 if seed < 6 else 2.0)))

    assert registry.get_sample_value("cx_model_drift_total", {"of": "kinds"}) == 1
    assert [line["of"] for line in logs if line["event"].startswith("drift")] == ["call.held:decayed"]
    assert trainer.learner.learned == 12 * 200
