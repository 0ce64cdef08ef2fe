"""NaiveBayes: River's Gaussian naive Bayes, as a Scorer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from river import naive_bayes

from stream.churn.plain import check_finite
from stream.churn.river_scorer import RiverScorer, averages_of

# ruff: noqa: SLF001 - River has no other way to its state, and the tests fail when that changes


class NaiveBayes(RiverScorer):
    """A mean and a deviation of each feature and class, as if features told nothing of each other.

    They do, so that it is far too sure of itself: for comparison alone.
    """

    kind = "naive-bayes"

    def __init__(self) -> None:
        super().__init__(naive_bayes.GaussianNB())  # type: ignore[no-untyped-call]

    def snapshot(self) -> dict[str, Any]:
        """All that was learned, as plain numbers: count, mean and sum of squares by class and feature."""
        classes = {}
        for churned, gaussians in self.model.gaussians.items():
            seen = {
                name: [gaussian._var.mean.n, gaussian._var.mean._mean, gaussian._var._S]
                for name, gaussian in gaussians.items()
            }
            classes["lost" if churned else "kept"] = {
                "count": self.model.class_counts[churned],
                "features": seen,
            }
        return {
            "kind": self.kind,
            "features": list(self._names),
            "means": list(self._names.values()),
            "counts": [self._learned, self._lost],
            "classes": classes,
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take on a snapshot.

        Raises:
            ValueError: it is of another kind, lacks something, or holds a number that is not finite.
        """
        if snapshot.get("kind") != self.kind:
            raise ValueError(f"a snapshot of kind {snapshot.get('kind')!r}, not {self.kind!r}")
        check_finite(snapshot)
        fresh = NaiveBayes()
        try:
            fresh._names = averages_of(snapshot)
            fresh._learned, fresh._lost = (int(count) for count in snapshot["counts"])
            for label, told in snapshot["classes"].items():
                churned = label == "lost"
                fresh.model.class_counts[churned] = told["count"]
                for name, (count, mean, squares) in told["features"].items():
                    var = fresh.model.gaussians[churned][name]._var
                    var.mean.n, var.mean._mean, var._S = count, mean, squares
        except KeyError as missing:
            raise ValueError(f"the snapshot lacks {missing}") from None
        except (AttributeError, TypeError) as error:
            raise ValueError(f"the snapshot is not shaped as one: {error}") from None
        self.__dict__.update(fresh.__dict__)
