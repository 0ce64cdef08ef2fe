"""Student: a scorer that is taught batch by batch, and the guard that undoes what would spoil it.

Of each example it is first said what the risk is, and then it is learned from: so what was learned is always
judged on what it had not seen. A batch that would spoil it is refused as a whole, and what was learned before
stays, to the bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from stream.churn.kinds import new
from stream.churn.plain import check_finite
from stream.churn.quality import log_loss_of
from stream.churn.stacked import Stacked

HEAVIEST = 50.0
"""A weight beyond it, in log odds a standard deviation, has exploded."""

KEPT = 1_000
"""Examples kept to judge by, the latest that were learned from: a batch is not to make them a surprise."""

COMPARABLE = 1_000, 20
"""Of those, so many have to be there before anything is compared with them, and so many of either label: at
first everything is a surprise, and where only cancellations are known as yet, whoever stayed is."""

SURPRISE = 3.0, 1.0
"""A batch whose log loss is so many times that of the examples kept, and by so much more, is poison."""

WORSE = 1.5, 0.1
"""What makes the log loss of the examples kept so many times as much, and more by so much than to say of
everyone how many are lost, spoils: then to know nothing would be better."""

_FAILURES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What River's trees raise where a number is beyond what they can hold."""

Lesson = tuple[dict[str, float], bool]
"""What was seen of a customer, and whether they were lost."""


class Student:
    """Learns from batches of lessons, one at a time.

    Args:
        kind: of the scorer; see `stream.churn.kinds`.
        horizon_s: within which a customer who doesn't come back counts as lost, in seconds.
        snapshot: what it has learned already.

    Attributes:
        kind: of the scorer.
        scorer: what was learned.
        learned: examples learned from in all.
        failure: what the scorer said when it failed in the latest batch; else empty.

    Raises:
        ValueError: there is no such kind, or the snapshot can't be used.
    """

    def __init__(self, kind: str, horizon_s: float, snapshot: dict[str, Any] | None = None) -> None:
        self.kind = kind
        self.scorer = new(kind, horizon_s / 86_400, snapshot)
        self.learned = 0
        self.failure = ""
        self._kept: deque[Lesson] = deque(maxlen=KEPT)
        self._safe: dict[str, Any] | None = None

    def begin(self, horizon_s: float) -> None:
        """Learn of another horizon, from nothing; how often customers come does not depend on it."""
        before, self.scorer = self.scorer, new(self.kind, horizon_s / 86_400)
        if isinstance(self.scorer, Stacked) and isinstance(before, Stacked):
            self.scorer.bgnbd = before.bgnbd
        self.learned = 0
        self._safe = None
        self._kept.clear()

    def successor(self, kind: str, horizon_s: float, snapshot: dict[str, Any]) -> Student:
        """One who goes on from what was learned once, and is judged by the examples that are kept here.

        Raises:
            ValueError: there is no such kind, or the snapshot can't be used.
        """
        successor = Student(kind, horizon_s, snapshot)
        successor._kept += self._kept
        return successor

    def refit(self, histories: Sequence[tuple[float, float, float]]) -> None:
        """Fit what needs no labels, where the scorer has such a part."""
        if isinstance(self.scorer, Stacked):
            self.scorer.refit(histories)
            self._safe = None

    def snapshot(self) -> dict[str, Any]:
        """What was learned, as plain numbers."""
        if self._safe is None:
            self._safe = self.scorer.snapshot()
        return self._safe

    def size(self) -> int:
        """Bytes of the snapshot, as it is published."""
        return len(msgspec.msgpack.encode(self.snapshot()))

    def take(self, batch: Sequence[Lesson]) -> tuple[list[float], str]:
        """Learn from a batch, unless it would spoil what is known.

        Returns:
            what was said of each before it was learned from, and why all of it was refused: `weights`,
            `surprise`, `worse` or `failed`; empty where it was not. Of what failed 0.5 was said.
        """
        before, self.failure = self.snapshot(), ""
        risks: list[float] = []
        try:
            kept_before = self._loss_of_kept()
            for features, churned in batch:
                risks.append(self.scorer.predict(features))
                self.scorer.learn(features, churned=churned)
            spoiled, after = self._judged(kept_before, log_loss_of(risks, [churned for _, churned in batch]))
        except _FAILURES as error:
            self.failure = f"{type(error).__name__}: {error}"
            risks += [0.5] * (len(batch) - len(risks))
            spoiled, after = "failed", None
        if spoiled:
            self.scorer.restore(before)
            return risks, spoiled
        self._safe = after
        self._kept += batch
        self.learned += len(batch)
        return risks, ""

    def _loss_of_kept(self) -> float | None:
        """The log loss of the examples kept; None where they are too few."""
        lost = sum(churned for _, churned in self._kept)
        if len(self._kept) < COMPARABLE[0] or min(lost, len(self._kept) - lost) < COMPARABLE[1]:
            return None
        risks = [self.scorer.predict(features) for features, _ in self._kept]
        return log_loss_of(risks, [churned for _, churned in self._kept])

    def _judged(self, kept_before: float | None, loss: float) -> tuple[str, dict[str, Any]]:
        """Why what was just learned is not to be taken over, empty where it is; and a snapshot of it."""
        snapshot = self.scorer.snapshot()
        try:
            check_finite(snapshot)
        except ValueError:
            return "weights", snapshot
        weights = snapshot.get("weights", ())
        numbers = weights.values() if isinstance(weights, Mapping) else weights
        if any(abs(each) > HEAVIEST for each in numbers):
            return "weights", snapshot
        if kept_before is None:
            return "", snapshot
        if loss > max(kept_before * SURPRISE[0], kept_before + SURPRISE[1]):
            return "surprise", snapshot
        kept_after = self._loss_of_kept()
        labels = [churned for _, churned in self._kept]
        ignorance = log_loss_of([sum(labels) / len(labels)] * len(labels), labels)
        if kept_after is not None and kept_after > max(kept_before * WORSE[0], ignorance + WORSE[1]):
            return "worse", snapshot
        return "", snapshot
