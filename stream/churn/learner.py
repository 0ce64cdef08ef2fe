"""Learner: what the trainer has learned from examples so far, and the guard before what it learns next.

Examples come in small batches. Of each it is first said what the risk is, and then it is learned from: so
what was learned is always judged on what it had not seen. A batch that would spoil it is refused as a whole,
and what was learned before stays, to the bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any
from zlib import crc32

import msgspec
from river.drift import ADWIN

from schemas.example import ExampleEvent
from schemas.timestamp import DAY, to_millis
from stream.churn.plain import check_finite
from stream.churn.quality import Quality, brier_of, log_loss_of, quality_of
from stream.churn.stacked import Stacked

BATCH = 200
"""Examples that are learned from together, at most: what is lost if one of them is poison."""

LARGEST = 1e6
"""A feature beyond it is no log of anything: the example is refused."""

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

WINDOW = 5_000
"""Examples over which quality is told, the latest."""

SAMPLE = 2_048
"""Customers kept for BG/NBD, by a hash of the id: four parameters are told to a few percent."""

FIRST_FIT = 200
"""Customers of the sample at which BG/NBD is fitted first."""

REFIT = 28 * DAY
"""Between two fits of BG/NBD, in ms of when labels became known."""

ANEW = 100
"""Examples of another horizon in a row after which the playbook's horizon is taken to have changed: workers
may differ for a moment."""


class Taken(msgspec.Struct):
    """What became of a batch.

    Attributes:
        learned: examples that were learned from.
        churned: how many of them were lost.
        refused: examples that were not, by reason: `unfit` or `horizon`.
        spoiled: why the whole batch was refused: `weights`, `surprise` or `worse`; empty where it was not.
        drifts: what has drifted: `log_loss` or `score`.
        anew: whether another horizon is learned from here on.
    """

    learned: int = 0
    churned: int = 0
    refused: dict[str, int] = {}
    spoiled: str = ""
    drifts: tuple[str, ...] = ()
    anew: bool = False


class Learner:
    """Learns from batches of examples, one at a time.

    Attributes:
        learned: examples learned from in all.
        horizon_s: what is learned, in seconds; 0 before the first example.
        scorer: what was learned.
    """

    def __init__(self) -> None:
        self.learned = 0
        self.horizon_s = 0.0
        self.scorer = Stacked()
        self._sample: dict[int, tuple[float, float, float]] = {}
        self._below = 1 << 32
        self._refit_at = -1
        self._others = 0
        self._kept: deque[tuple[dict[str, float], bool]] = deque(maxlen=KEPT)
        self._said: deque[tuple[float, float, bool]] = deque(maxlen=WINDOW)
        self._drift_of_loss: Any = ADWIN()  # type: ignore[no-untyped-call]
        self._drift_of_score: Any = ADWIN()  # type: ignore[no-untyped-call]

    def take(self, batch: Sequence[ExampleEvent]) -> Taken:
        """Learn from a batch, unless it would spoil what is known; `BATCH` examples at most."""
        taken = Taken()
        good = [example for example in batch if self._is_fit(example, taken)]
        if not good:
            return taken
        before = self.snapshot()
        kept_before = self._loss_of_kept()
        risks = []
        for example in good:
            features, churned = example.data.features, example.data.churned
            risks.append(self.scorer.predict(features))
            self.scorer.learn(features, churned=churned)
        labels = [example.data.churned for example in good]
        if taken.anew:
            # What is kept was labelled by another horizon.
            kept_before = None
        taken.spoiled = self._spoiled(kept_before, log_loss_of(risks, labels))
        if taken.spoiled:
            self.restore(before)
            return taken
        for example, risk in zip(good, risks, strict=True):
            self._note(example, risk)
        taken.learned, taken.churned = len(good), sum(labels)
        self.learned += len(good)
        taken.drifts = self._drifts(good, risks)
        self._fit(max(to_millis(example.time) for example in good))
        return taken

    def quality(self, of: str) -> tuple[Quality, float] | None:
        """How good risks were over the last `WINDOW` examples, and the Brier score; None where none can tell.

        Args:
            of: `said` for what workers had said, `learned` for what was known before each was learned from.
        """
        place = 0 if of == "said" else 1
        risks, labels = [each[place] for each in self._said], [each[2] for each in self._said]
        quality = quality_of(risks, labels)
        return None if quality is None else (quality, brier_of(risks, labels))

    def snapshot(self) -> dict[str, Any]:
        """All that was learned, and what is needed to go on from there, as plain numbers.

        What is kept to judge by is left out: after a restart, it is gathered anew.
        """
        return {
            "scorer": self.scorer.snapshot(),
            "trainer": {
                "learned": self.learned,
                "horizon_s": self.horizon_s,
                "below": self._below,
                "refit_at": self._refit_at,
                "customers": list(self._sample),
                "histories": [list(history) for history in self._sample.values()],
            },
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take on a snapshot.

        Raises:
            ValueError: it lacks something, or holds a number that is not finite.
        """
        scorer = Stacked()
        scorer.restore(snapshot["scorer"])
        trainer = snapshot["trainer"]
        try:
            check_finite(trainer)
            sample = zip(trainer["customers"], trainer["histories"], strict=True)
            self._sample = {int(key): (float(n), float(last), float(age)) for key, (n, last, age) in sample}
            self.learned, self.horizon_s = int(trainer["learned"]), float(trainer["horizon_s"])
            self._below, self._refit_at = int(trainer["below"]), int(trainer["refit_at"])
        except KeyError as missing:
            raise ValueError(f"the snapshot lacks {missing}") from None
        except TypeError as error:
            raise ValueError(f"the snapshot is not shaped as one: {error}") from None
        self.scorer = scorer

    def _is_fit(self, example: ExampleEvent, taken: Taken) -> bool:
        """Whether an example can be learned from; if it is of another horizon for good, that is taken on."""
        data = example.data
        numbers = (*data.features.values(), *data.history, data.horizon_s)
        if not all(isfinite(number) and abs(number) < LARGEST for number in numbers[:-1]) or not (
            0.0 < data.horizon_s < LARGEST * 86_400
        ):
            taken.refused["unfit"] = taken.refused.get("unfit", 0) + 1
            return False
        if data.horizon_s == self.horizon_s:
            self._others = 0
            return True
        self._others += 1
        if self.horizon_s and self._others < ANEW:
            taken.refused["horizon"] = taken.refused.get("horizon", 0) + 1
            return False
        self._begin(data.horizon_s)
        taken.anew = True
        return True

    def _begin(self, horizon_s: float) -> None:
        """Learn of another horizon; how often customers come does not depend on it."""
        fitted = self.scorer.bgnbd
        self.scorer = Stacked(horizon_s / 86_400)
        self.scorer.bgnbd = fitted
        self.horizon_s, self._others = horizon_s, 0
        self._kept.clear()
        self._said.clear()

    def _loss_of_kept(self) -> float | None:
        """The log loss of the examples kept; None where they are too few."""
        lost = sum(churned for _, churned in self._kept)
        if len(self._kept) < COMPARABLE[0] or min(lost, len(self._kept) - lost) < COMPARABLE[1]:
            return None
        risks = [self.scorer.predict(features) for features, _ in self._kept]
        return log_loss_of(risks, [churned for _, churned in self._kept])

    def _spoiled(self, kept_before: float | None, loss: float) -> str:
        """Why what was just learned is not to be taken over; empty where it is."""
        snapshot = self.scorer.snapshot()
        try:
            check_finite(snapshot)
        except ValueError:
            return "weights"
        if any(abs(weight) > HEAVIEST for weight in snapshot["weights"]):
            return "weights"
        if kept_before is None:
            return ""
        if loss > max(kept_before * SURPRISE[0], kept_before + SURPRISE[1]):
            return "surprise"
        kept_after = self._loss_of_kept()
        labels = [churned for _, churned in self._kept]
        ignorance = log_loss_of([sum(labels) / len(labels)] * len(labels), labels)
        if kept_after is not None and kept_after > max(kept_before * WORSE[0], ignorance + WORSE[1]):
            return "worse"
        return ""

    def _note(self, example: ExampleEvent, risk: float) -> None:
        data = example.data
        self._kept.append((data.features, data.churned))
        self._said.append((data.risk, risk, data.churned))
        # No id leaves with the model.
        key = crc32(example.subject.encode())
        if key in self._sample or key < self._below:
            self._sample[key] = data.history
            while len(self._sample) > SAMPLE:
                self._below //= 2
                self._sample = {each: kept for each, kept in self._sample.items() if each < self._below}

    def _drifts(self, batch: Sequence[ExampleEvent], risks: Sequence[float]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for example, risk in zip(batch, risks, strict=True):
            self._drift_of_loss.update(log_loss_of([risk], [example.data.churned]))
            self._drift_of_score.update(risk)
            if self._drift_of_loss.drift_detected:
                found["log_loss"] = None
            if self._drift_of_score.drift_detected:
                found["score"] = None
        return tuple(found)

    def _fit(self, now: int) -> None:
        """Fit BG/NBD, if it is time to."""
        if len(self._sample) < FIRST_FIT or now < self._refit_at:
            return
        self.scorer.refit(list(self._sample.values()))
        self._refit_at = now + REFIT
