"""Training metrics: what a trainer tells Prometheus of the churn model that it learns."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from stream.churn.learner import Learner

OF = ("said", "learned")
"""Whose risks are judged: those that workers said then, or those of what was learned, before it saw each."""


class TrainingMetrics:
    """All metrics of one trainer.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.auc = Gauge(
            "cx_model_auc", "Area under the ROC curve, latest 5,000 examples.", ["of"], registry=registry
        )
        self.log_loss = Gauge(
            "cx_model_log_loss", "Log loss, latest 5,000 examples.", ["of"], registry=registry
        )
        self.brier = Gauge("cx_model_brier", "Brier score, latest 5,000 examples.", ["of"], registry=registry)
        self.calibration_error = Gauge(
            "cx_model_calibration_error",
            "Distance of risk and share lost, latest 5,000 examples.",
            ["of"],
            registry=registry,
        )
        self.churned = Gauge(
            "cx_model_churned_ratio", "Share lost of the latest 5,000 examples.", registry=registry
        )
        self.examples = Counter(
            "cx_model_examples", "Examples learned from, by label.", ["churned"], registry=registry
        )
        self.refused = Counter(
            "cx_model_examples_refused",
            "Examples not learned from: unreadable, unfit, horizon, or in a batch that was refused.",
            ["reason"],
            registry=registry,
        )
        self.batches_refused = Counter(
            "cx_model_batches_refused",
            "Batches that would have spoiled the model: weights, surprise or worse.",
            ["reason"],
            registry=registry,
        )
        self.drifts = Counter(
            "cx_model_drift", "Times that log loss or mean score has drifted.", ["of"], registry=registry
        )
        self.published = Counter("cx_model_versions", "Models published.", registry=registry)
        self.learned = Gauge(
            "cx_model_learned_examples", "Examples that the model has learned from.", registry=registry
        )

    def show(self, learner: Learner) -> None:
        """Bring gauges up to date."""
        self.learned.set(learner.learned)
        for of in OF:
            if (found := learner.quality(of)) is not None:
                quality, brier = found
                self.auc.labels(of).set(quality.auc)
                self.log_loss.labels(of).set(quality.log_loss)
                self.brier.labels(of).set(brier)
                self.calibration_error.labels(of).set(quality.calibration_error)
                self.churned.set(quality.churned)
