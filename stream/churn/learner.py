"""Learner: what the trainer has learned from examples so far, and a challenger that learns in its shadow.

Examples come in small batches. Champion and challenger learn from the same ones and are judged on them before
they see them, each by the risks that it would have said. A batch that would spoil the champion is poison, and
nobody learns from it; one that would spoil the challenger alone, the challenger does not learn from, but is
judged by.

Where something drifts, nothing is done by itself but to go on learning: a wrong alarm is to cost nothing, and
a restart is to come to the same. What begins anew or forgets is a challenger's to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any
from zlib import crc32

import msgspec

from schemas.catalogue import Stage
from schemas.example import ExampleData, ExampleEvent
from schemas.model import KIND, MAX_BYTES
from schemas.timestamp import DAY, to_millis
from stream.churn.challenger import Comparison, compared
from stream.churn.drift import Drift
from stream.churn.plain import check_finite
from stream.churn.quality import Quality, log_loss_of
from stream.churn.scorer import Scorer
from stream.churn.season import season_of
from stream.churn.student import Lesson, Student
from stream.churn.window import Judged, Of, Window

BATCH = 200
"""Examples that are learned from together, at most: what is lost if one of them is poison."""

LARGEST = 1e6
"""A feature beyond it is no log of anything: the example is refused."""

SAMPLE = 2_048
"""Customers kept for BG/NBD, by a hash of the id: four parameters are told to a few percent."""

FIRST_FIT = 200
"""Customers of the sample at which BG/NBD is fitted first."""

REFIT = 28 * DAY
"""Between two fits of BG/NBD, in ms of when labels became known."""

ANEW = 100
"""Examples of another horizon in a row after which the playbook's horizon is taken to have changed: workers
may differ for a moment."""

MOST_BYTES = MAX_BYTES - 100_000
"""Largest challenger, in bytes: with the sample of customers and the figures, it is still a model that can be
published."""


class Taken(msgspec.Struct):
    """What became of a batch.

    Attributes:
        learned: examples that were learned from.
        churned: how many of them were lost.
        refused: examples that were not, by reason: `unfit` or `horizon`.
        spoiled: why the whole batch was refused: `weights`, `surprise`, `worse` or `failed`; empty where it
            was not.
        spoiled_challenger: the same of the challenger, where the champion learned from it.
        too_big: bytes of the challenger, if it has grown so large that it was given up; else 0.
        drifts: what has drifted: names of signals, `log_loss`, `score`.
        anew: whether another horizon is learned from here on.
    """

    learned: int = 0
    churned: int = 0
    refused: dict[str, int] = {}
    spoiled: str = ""
    spoiled_challenger: str = ""
    too_big: int = 0
    drifts: tuple[str, ...] = ()
    anew: bool = False


class Learner:
    """Learns from batches of examples, one at a time.

    Attributes:
        horizon_s: what is learned, in seconds; 0 before the first example.
        champion: what workers score by, once it is published.
        challenger: what learns in its shadow; None where nothing does.
    """

    def __init__(self) -> None:
        self.horizon_s = 0.0
        self.champion = Student(KIND, 90.0 * 86_400)
        self.challenger: Student | None = None
        self._sample: dict[int, tuple[float, float, float]] = {}
        self._below = 1 << 32
        self._refit_at = -1
        self._others = 0
        self._window = Window()
        self._drift = Drift()

    @property
    def learned(self) -> int:
        """Examples that the champion has learned from, of this horizon."""
        return self.champion.learned

    @property
    def scorer(self) -> Scorer:
        """What was learned."""
        return self.champion.scorer

    def take(self, batch: Sequence[ExampleEvent]) -> Taken:
        """Learn from a batch, unless it would spoil what is known; `BATCH` examples at most."""
        taken = Taken()
        good = [example for example in batch if self._is_fit(example.data, taken)]
        if not good:
            return taken
        lessons = [_lesson(example.data) for example in good]
        risks, taken.spoiled = self.champion.take(lessons)
        if taken.spoiled:
            return taken
        in_shadow = self._challenged(lessons, taken)
        for example, risk, its in zip(good, risks, in_shadow, strict=True):
            data = example.data
            self._window.add(Judged(data.risk, risk, its, data.churned, data.stage, data.segments or ()))
            self._note(example)
        taken.learned, taken.churned = len(good), sum(churned for _, churned in lessons)
        taken.drifts = tuple(
            dict.fromkeys(
                what
                for (features, churned), risk in zip(lessons, risks, strict=True)
                for what in self._drift.see(features, risk, log_loss_of([risk], [churned]))
            )
        )
        self._fit(max(to_millis(example.time) for example in good))
        return taken

    def challenge(self, kind: str, snapshot: dict[str, Any] | None = None, learned: int = 0) -> None:
        """Have a challenger learn in the shadow, from nothing or from where it stood.

        Raises:
            ValueError: there is no such kind, or the snapshot can't be used.
        """
        challenger = Student(kind, self.horizon_s or 90.0 * 86_400, snapshot)
        challenger.learned = learned
        if snapshot is None and len(self._sample) >= FIRST_FIT:
            challenger.refit(list(self._sample.values()))
        self.challenger = challenger
        self._window.without_challenger()

    def promote(self) -> None:
        """Have champion and challenger change places; they are compared anew from here on."""
        assert self.challenger is not None
        self.champion, self.challenger = self.challenger, self.champion
        self._window.promote()

    def go_back(self, kind: str, scorer: dict[str, Any], learned: int) -> None:
        """Go on from what the champion once was, when it had learned from so many examples.

        Where that was of the challenger's kind, it is the champion of now that goes on in the shadow.

        Raises:
            ValueError: there is no such kind, or the snapshot can't be used.
        """
        successor = self.champion.successor(kind, self.horizon_s, scorer)
        successor.learned = learned
        if self.challenger is not None and self.challenger.kind == kind != self.champion.kind:
            self.challenger = self.champion
        self.champion = successor
        self._window.clear()

    def compared(self) -> Comparison | None:
        """The challenger against the champion; None where there is none, or too little to compare."""
        return None if self.challenger is None else compared(list(self._window.pairs()))

    def quality(self, of: Of, stage: Stage | None = None) -> tuple[Quality, float] | None:
        """How good risks were over the latest examples, and the Brier score; None where none can tell.

        Args:
            of: `said` for what workers had said, `learned` for what was known before each was learned from,
                `challenger` for what the challenger would have said.
            stage: of customers at this stage alone.
        """
        return self._window.quality(of, stage)

    def by_segment(self, of: Of) -> dict[str, tuple[Quality, float]]:
        """The same of customers in each of the playbook's segments, by its name; see `quality`."""
        return self._window.by_segment(of)

    def snapshot(self) -> dict[str, Any]:
        """All that the champion learned, and what is needed to go on from there, as plain numbers.

        What is kept to judge by is left out: after a restart, it is gathered anew.
        """
        return {
            "kind": self.champion.kind,
            "scorer": self.champion.snapshot(),
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
        """Take on a snapshot; without a kind, it is of the default one.

        Raises:
            ValueError: it lacks something, or holds a number that is not finite.
        """
        trainer = snapshot["trainer"]
        try:
            check_finite(trainer)
            sample = zip(trainer["customers"], trainer["histories"], strict=True)
            histories = {int(key): (float(n), float(last), float(age)) for key, (n, last, age) in sample}
            learned, horizon_s = int(trainer["learned"]), float(trainer["horizon_s"])
            below, refit_at = int(trainer["below"]), int(trainer["refit_at"])
        except KeyError as missing:
            raise ValueError(f"the snapshot lacks {missing}") from None
        except TypeError as error:
            raise ValueError(f"the snapshot is not shaped as one: {error}") from None
        self.champion = Student(snapshot.get("kind", KIND), horizon_s, snapshot["scorer"])
        self.champion.learned, self.horizon_s = learned, horizon_s
        self._sample, self._below, self._refit_at = histories, below, refit_at

    def _challenged(self, lessons: Sequence[Lesson], taken: Taken) -> Sequence[float | None]:
        """Have the challenger learn, and give it up if it grows too large; what it said before it learned."""
        if self.challenger is None:
            return [None] * len(lessons)
        risks, taken.spoiled_challenger = self.challenger.take(lessons)
        if (size := self.challenger.size()) > MOST_BYTES:
            taken.too_big = size
            self.challenger = None
            self._window.without_challenger()
            return [None] * len(lessons)
        return risks

    def _is_fit(self, data: ExampleData, taken: Taken) -> bool:
        """Whether an example can be learned from; if it is of another horizon for good, that is taken on."""
        numbers = (*data.features.values(), *data.history)
        if not all(isfinite(number) and abs(number) < LARGEST for number in numbers) or not (
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
        """Learn of another horizon."""
        self.horizon_s, self._others = horizon_s, 0
        for student in (self.champion, self.challenger):
            if student is not None:
                student.begin(horizon_s)
        self._window.clear()

    def _note(self, example: ExampleEvent) -> None:
        # No id leaves with the model.
        key = crc32(example.subject.encode())
        if key in self._sample or key < self._below:
            self._sample[key] = example.data.history
            while len(self._sample) > SAMPLE:
                self._below //= 2
                self._sample = {each: kept for each, kept in self._sample.items() if each < self._below}

    def _fit(self, now: int) -> None:
        """Fit BG/NBD, if it is time to."""
        if len(self._sample) < FIRST_FIT or now < self._refit_at:
            return
        for student in (self.champion, self.challenger):
            if student is not None:
                student.refit(list(self._sample.values()))
        self._refit_at = now + REFIT


def _lesson(data: ExampleData) -> Lesson:
    """What an example teaches: it says when its features were seen, and that has a season."""
    return {**data.features, **season_of(to_millis(data.seen))}, data.churned
