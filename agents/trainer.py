"""Trainer: learns from records of examples, and makes models of what it has learned.

It goes on from the model in force, which says up to which example of each partition was learned: so a restart
loses nothing and learns nothing twice. `agents.training_session` is what connects it to the broker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog

from agents.metrics import count_all
from agents.training_figures import figures_of
from agents.training_metrics import TrainingMetrics
from schemas import example
from schemas.errors import InputError
from schemas.example import ExampleEvent
from schemas.model import Model, new_model
from stream.churn.drift import label_of
from stream.churn.learner import MOST_BYTES, Learner

log = structlog.get_logger("dangol.trainer")


class Trainer:
    """Learns from records of the examples' topic.

    Args:
        metrics: where it is told how good it is.
        published: the model to go on from; None begins with nothing.

    Attributes:
        learner: what was learned.
        offsets: by partition, the offset of the first example that was not learned from.
        number: how many models were published.
        unpublished: examples learned from since.

    Raises:
        InputError: the model can't be gone on from.
    """

    def __init__(self, metrics: TrainingMetrics, published: Model | None = None) -> None:
        self.learner = Learner()
        self.offsets: dict[int, int] = {}
        self.number = self.unpublished = 0
        self._metrics = metrics
        if published is not None:
            try:
                self.learner.restore(
                    {"kind": published.kind, "scorer": published.scorer, "trainer": published.trainer}
                )
            except ValueError as error:
                raise InputError(f"{published.version} can't be gone on from: {error}") from None
            self.offsets, self.number = dict(published.offsets), published.number

    def challenge(self, kind: str, before: Model | None = None) -> None:
        """Have a challenger learn in the shadow.

        It goes on from where one of its kind stood; or where the kind that is asked for has been promoted,
        the one that it took the place of goes on as the challenger. Otherwise it begins with nothing.

        Args:
            kind: of its scorer.
            before: the challenger that was published last.
        """
        learner = self.learner
        if before is not None and kind in (before.kind, learner.champion.kind):
            try:
                if before.horizon_s == learner.horizon_s:
                    learner.challenge(before.kind, before.scorer, before.learned)
                    return
            except ValueError as error:
                log.warning("the challenger can't be gone on from", model=before.version, reason=str(error))
        learner.challenge(kind)

    def take(self, records: Sequence[Any]) -> None:
        """Learn from records, at most `BATCH` of them."""
        batch: list[ExampleEvent] = []
        for record in records:
            self.offsets[record.partition] = record.offset + 1
            try:
                batch.append(example.decode(record.value or b""))
            except msgspec.DecodeError:
                self._metrics.refused.labels("unreadable").inc()
        taken = self.learner.take(batch)
        metrics = self._metrics
        self.unpublished += taken.learned
        metrics.examples.labels("true").inc(taken.churned)
        metrics.examples.labels("false").inc(taken.learned - taken.churned)
        count_all(metrics.refused, Counter({(why,): number for why, number in taken.refused.items()}))
        if taken.spoiled:
            metrics.batches_refused.labels(taken.spoiled).inc()
            metrics.refused.labels("batch").inc(len(batch) - sum(taken.refused.values()))
            log.error(
                "a batch of examples was refused, what was learned before stays",
                reason=taken.spoiled,
                failure=self.learner.champion.failure or None,
                examples=len(batch),
                places=_places(records),
            )
        if taken.spoiled_challenger:
            metrics.challenger_refused.labels(taken.spoiled_challenger).inc()
            challenger = self.learner.challenger
            log.warning(
                "a batch of examples was refused for the challenger alone",
                reason=taken.spoiled_challenger,
                failure=None if challenger is None else challenger.failure or None,
                places=_places(records),
            )
        if taken.too_big:
            log.error(
                "the challenger was given up, it is too large to publish: start the trainer with another",
                bytes=taken.too_big,
                most_bytes=MOST_BYTES,
            )
        for what in taken.drifts:
            metrics.drifts.labels(label_of(what)).inc()
            log.warning("drift: what customers do has changed", of=what, learned=self.learner.learned)
        if taken.anew:
            log.info("learning of another horizon from here on", horizon_s=self.learner.horizon_s)

    def promote(self, by: str) -> None:
        """Have the challenger take the champion's place, which goes on in its shadow.

        Args:
            by: `hand`, or `auto` for the rule.
        """
        learner = self.learner
        assert learner.challenger is not None
        comparison = learner.compared()
        log.info(
            "the challenger is promoted",
            kind=learner.challenger.kind,
            instead_of=learner.champion.kind,
            by=by,
            comparison=None if comparison is None else msgspec.to_builtins(comparison),
        )
        learner.promote()
        self._metrics.promotions.labels(by).inc()

    def go_back(self, to: Model) -> None:
        """Go on from an earlier model: what was learned since is dropped, examples are read on from here."""
        if to.horizon_s != self.learner.horizon_s:
            log.warning("a model of another horizon can't be gone on from", model=to.version)
            return
        try:
            self.learner.go_back(to.kind, to.scorer, to.learned)
        except ValueError as error:
            log.warning("the model can't be gone on from", model=to.version, reason=str(error))
            return
        log.info("going on from an earlier model", model=to.version, kind=to.kind)

    def model(self) -> Model:
        """What the champion has learned by now, as the next version."""
        figures = msgspec.to_builtins(figures_of(self.learner))
        return self._model(self.learner.snapshot(), figures)

    def challenger(self) -> Model | None:
        """The same of the challenger, from which one could go on as well; None where there is none."""
        challenger = self.learner.challenger
        if challenger is None:
            return None
        snapshot = self.learner.snapshot()
        trainer = {**snapshot["trainer"], "learned": challenger.learned}
        return self._model({"kind": challenger.kind, "scorer": challenger.snapshot(), "trainer": trainer}, {})

    def _model(self, snapshot: Mapping[str, Any], figures: dict[str, Any]) -> Model:
        return new_model(
            self.number + 1,
            self.learner.horizon_s,
            snapshot["trainer"]["learned"],
            dict(sorted(self.offsets.items())),
            snapshot["scorer"],
            snapshot["trainer"],
            snapshot["kind"],
            figures,
        )


def _places(records: Sequence[Any]) -> dict[str, list[int]]:
    """First and last offset of records, by partition."""
    places: dict[str, list[int]] = {}
    for record in records:
        places.setdefault(str(record.partition), [record.offset, record.offset])[1] = record.offset
    return places
