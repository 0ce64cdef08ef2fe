"""Training metrics: what a trainer tells Prometheus of the churn model that it learns."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from agents.training_figures import TrainingFigures


class TrainingMetrics:
    """All metrics of one trainer.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._judged = {
            name: Gauge(f"cx_model_{name}", f"{text}, latest 5,000 examples.", ["of"], registry=registry)
            for name, text in _JUDGED.items()
        }
        self._by_stage = {
            name: Gauge(f"cx_model_stage_{name}", f"{text}, by 5A stage.", ["of", "stage"], registry=registry)
            for name, text in _APART.items()
        }
        self._by_segment = {
            name: Gauge(
                f"cx_model_segment_{name}", f"{text}, by segment.", ["of", "segment"], registry=registry
            )
            for name, text in _APART.items()
        }
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
            "Batches that would have spoiled the model: weights, surprise, worse or failed.",
            ["reason"],
            registry=registry,
        )
        self.challenger_refused = Counter(
            "cx_model_challenger_batches_refused",
            "Batches that would have spoiled the challenger alone.",
            ["reason"],
            registry=registry,
        )
        self.drifts = Counter(
            "cx_model_drift",
            "Times that log loss, mean score, a signal, or one of the kinds of touchpoints has drifted.",
            ["of"],
            registry=registry,
        )
        self.published = Counter("cx_model_versions", "Models published.", registry=registry)
        self.promotions = Counter(
            "cx_model_promotions", "Challengers put in force.", ["by"], registry=registry
        )
        self.learned = Gauge(
            "cx_model_learned_examples", "Examples that the model has learned from.", registry=registry
        )
        self._kind = Gauge(
            "cx_model_kind_info",
            "Always 1; the labels say of which kind champion and challenger are.",
            ["of", "kind"],
            registry=registry,
        )
        self._difference = Gauge(
            "cx_model_challenger_log_loss_difference",
            "The challenger's log loss less the champion's, on the same examples.",
            ["at"],
            registry=registry,
        )
        self._better = Gauge(
            "cx_model_challenger_better", "1 where the challenger is to be promoted.", registry=registry
        )

    def show(self, figures: TrainingFigures) -> None:
        """Bring gauges up to date."""
        self.learned.set(figures.learned)
        # What is not told any more is not to stand there as it was.
        apart = (*self._by_stage.values(), *self._by_segment.values())
        for gauge in (*self._judged.values(), *apart, self._kind, self._difference):
            gauge.clear()
        for of, kind in figures.kinds.items():
            self._kind.labels(of, kind).set(1)
        for of, told in figures.risks.items():
            self.churned.set(told.churned)
            for name, gauge in self._judged.items():
                gauge.labels(of).set(getattr(told, name))
        for gauges, parts in ((self._by_stage, figures.stages), (self._by_segment, figures.segments)):
            for of, part in parts.items():
                for label, told in part.items():
                    for name, gauge in gauges.items():
                        gauge.labels(of, label).set(getattr(told, name))
        comparison = figures.comparison
        self._better.set(comparison is not None and comparison.better)
        if comparison is not None:
            self._difference.labels("mean").set(comparison.difference)
            self._difference.labels("bound").set(comparison.bound)


_JUDGED = {
    "auc": "Area under the ROC curve",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "calibration_error": "Distance of risk and share lost",
}

_APART = {
    "auc": "Area under the ROC curve",
    "log_loss": "Log loss",
    "calibration_error": "Distance of risk and share lost",
    "points": "Examples judged",
}
