"""The trainer's learner: judged before it learns, and never spoiled."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from agents.trainer import Trainer
from agents.training_metrics import TrainingMetrics
from schemas import example as codec
from schemas import model as models
from schemas.errors import InputError
from schemas.example import Example, ExampleData, ExampleEvent
from schemas.timestamp import DAY, to_datetime
from stream.churn.learner import ANEW, BATCH, Learner
from stream.churn.season import ANGLES
from stream.churn.stacked import Stacked
from tests.hotel import NOON

MONTH_S = 30 * 86_400.0


def examples(number: int, seed: int = 1, *, wrong: bool = False, horizon_s: float = MONTH_S) -> list[Example]:
    """Customers of whom those are lost, mostly, who have been away for long; or the other way round."""
    draw = Random(seed)
    made = []
    for each in range(number):
        away, days = draw.uniform(0.0, 5.0), draw.randint(0, 9)
        churned = (draw.random() < 1.0 / (1.0 + 20.0 ** (2.5 - away))) != wrong
        seen = NOON + each * 3_600_000
        data = ExampleData(
            to_datetime(seen),
            horizon_s,
            churned,
            "silent" if churned else "returned",
            min(max(away / 5.0, 0.0), 1.0),
            "cdnow-2026.11",
            {"recency": away, "frequency": 0.7 + days / 9, "gap_mean": 2.0, "tenure": 4.0},
            (float(days), 7.0 * days, 7.0 * days + away),
        )
        made.append(Example(f"{seed}-{each}", f"c{seed}-{each}", seen + 30 * DAY, "timer/churn", data))
    return made


def events(*batch: Example) -> list[ExampleEvent]:
    """Examples as the trainer reads them."""
    return [codec.decode(codec.encode(each)) for each in batch]


def taught(*batches: list[Example]) -> Learner:
    """A learner that was given all of these, in batches."""
    learner = Learner()
    for all_ in batches:
        for start in range(0, len(all_), BATCH):
            learner.take(events(*all_[start : start + BATCH]))
    return learner


def test_it_learns_and_is_judged_on_what_it_had_not_seen() -> None:
    """After a thousand examples it tells who is lost, and says how well, as do the risks that were said."""
    learner = taught(examples(1_000))
    learned, said = learner.quality("learned"), learner.quality("said")

    assert learner.learned == 1_000
    assert learned is not None
    assert said is not None
    assert (learned[0].points, learned[0].auc > 0.9, learned[0].log_loss < 0.45, learned[1] < 0.15) == (
        1_000,
        True,
        True,
        True,
    )
    assert said[0].auc > 0.9


def test_it_learns_the_season_in_which_each_was_seen() -> None:
    """Examples say when, an hour apart here: the season is made of that, and how far they reach is known."""
    learner = taught(examples(1_000))
    scorer = learner.champion.scorer

    assert isinstance(scorer, Stacked)
    assert scorer.features[-4:] == ANGLES
    assert scorer.seasons.spans == 2


def test_a_restart_goes_on_to_the_bit() -> None:
    """What was published, read and gone on from is what would have been without the restart."""
    batches = [examples(BATCH, seed) for seed in range(1, 9)]
    whole = taught(*batches)
    first = taught(*batches[:5])
    snapshot = msgspec.msgpack.decode(msgspec.msgpack.encode(first.snapshot()))
    second = Learner()
    second.restore(snapshot)
    for batch in batches[5:]:
        second.take(events(*batch))

    assert second.snapshot() == whole.snapshot()


def test_a_poisoned_batch_is_refused() -> None:
    """Labels that are turned round are a surprise: what was learned before stays, to the bit."""
    learner = taught(examples(1_000))
    before = learner.snapshot()
    taken = learner.take(events(*examples(BATCH, 7, wrong=True)))

    assert (taken.learned, taken.spoiled) == (0, "surprise")
    assert learner.snapshot() == before
    assert learner.take(events(*examples(BATCH, 8))).learned == BATCH


def test_one_label_alone_is_nothing_to_compare_with() -> None:
    """Where all that is known are cancellations, those who stayed are a surprise, and are learned from."""
    made = examples(4_000)
    stayed = [each for each in made if not each.data.churned]
    learner = taught([each for each in made if each.data.churned])
    batches = [stayed[start : start + BATCH] for start in range(0, 1_000, BATCH)]

    assert [learner.take(events(*batch)).spoiled for batch in batches] == [""] * 5


def test_what_is_no_number_never_gets_in() -> None:
    """An example with a feature that no log can be is left out, and the rest of its batch is learned from."""
    (one, other) = events(*examples(2))
    huge = msgspec.structs.replace(one, data=msgspec.structs.replace(one.data, features={"recency": 1e300}))
    nan = msgspec.structs.replace(
        one, data=msgspec.structs.replace(one.data, features={"recency": float("nan")})
    )
    taken = Learner().take([huge, nan, other])

    assert (taken.learned, taken.refused) == (1, {"unfit": 2})


def test_weights_that_explode_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a weight is beyond all reason, what was learned before stays."""
    monkeypatch.setattr("stream.churn.student.HEAVIEST", 1e-3)
    learner = Learner()
    learner.take(events(*examples(1)))
    before = learner.snapshot()
    taken = learner.take(events(*examples(50)))

    assert taken.spoiled == "weights"
    assert learner.snapshot() == before


def test_another_horizon_is_taken_on_when_it_stays() -> None:
    """A few examples of another horizon are left out; many in a row begin anew, with what needs no labels."""
    learner = taught(examples(600))
    assert isinstance(learner.scorer, Stacked)
    fitted = learner.scorer.bgnbd
    longer = examples(ANEW + 50, 3, horizon_s=3 * MONTH_S)
    few = learner.take(events(*longer[:5]))
    back = learner.take(events(*examples(5, 4)))
    many = learner.take(events(*longer[5:]))

    assert (few.learned, few.refused, back.learned) == (0, {"horizon": 5}, 5)
    assert (many.anew, many.refused, many.learned) == (True, {"horizon": ANEW - 1}, 46)
    assert isinstance(learner.scorer, Stacked)
    assert (learner.horizon_s, learner.scorer.horizon_days, learner.scorer.bgnbd) == (
        3 * MONTH_S,
        90.0,
        fitted,
    )


def test_a_changed_world_is_a_drift() -> None:
    """Where all are suddenly at another risk, the mean score has drifted."""
    learner = taught(examples(1_000))
    away = [
        msgspec.structs.replace(
            each, data=msgspec.structs.replace(each.data, features={**each.data.features, "recency": 4.9})
        )
        for each in examples(1_000, 5)
        if each.data.churned
    ]
    drifts = [
        of for start in range(0, len(away), 50) for of in learner.take(events(*away[start:][:50])).drifts
    ]

    assert "score" in drifts


def test_the_sample_of_customers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many customers there are, those of which histories are kept are so many at most, and no ids."""
    monkeypatch.setattr("stream.churn.learner.SAMPLE", 64)
    trainer = taught(examples(600)).snapshot()["trainer"]

    assert 20 <= len(trainer["customers"]) <= 64
    assert all(isinstance(each, int) for each in trainer["customers"])


class Read(msgspec.Struct):
    """A record as a consumer hands it over."""

    partition: int
    offset: int
    value: bytes | None


def records(made: list[Example], first: int = 0) -> list[Any]:
    """Examples as records of two partitions."""
    return [Read(each % 2, first + each // 2, codec.encode(one)) for each, one in enumerate(made)]


def test_a_trainer_goes_on_from_its_model() -> None:
    """The model says where it stood, and another trainer comes to the same weights and version."""
    registry = CollectorRegistry()
    one = Trainer(TrainingMetrics(registry))
    one.take(records(examples(BATCH)))
    published = models.decode(models.encode(one.model()), "here")
    other = Trainer(TrainingMetrics(CollectorRegistry()), published)

    assert (published.number, published.learned, published.offsets) == (1, BATCH, {0: 100, 1: 100})
    assert (other.number, other.offsets) == (1, {0: 100, 1: 100})
    for trainer in (one, other):
        trainer.take(records(examples(BATCH, 2), 100))
    assert other.model().scorer == one.model().scorer
    told = [
        registry.get_sample_value("cx_model_examples_total", {"churned": each}) for each in ("true", "false")
    ]
    assert sum(each or 0.0 for each in told) == 2 * BATCH


def test_a_trainer_tells_what_it_refuses() -> None:
    """A record that is no example, and a poisoned batch, are counted and told without anyone's id."""
    registry = CollectorRegistry()
    trainer = Trainer(TrainingMetrics(registry))
    for seed in range(1, 6):
        trainer.take(records(examples(BATCH, seed)))
    before = trainer.model().scorer
    with capture_logs() as logs:
        trainer.take([Read(0, 1_000, b"{}"), *records(examples(BATCH - 1, 9, wrong=True), 1_001)])

    assert trainer.model().scorer == before
    assert registry.get_sample_value("cx_model_examples_refused_total", {"reason": "unreadable"}) == 1
    assert registry.get_sample_value("cx_model_examples_refused_total", {"reason": "batch"}) == BATCH - 1
    assert registry.get_sample_value("cx_model_batches_refused_total", {"reason": "surprise"}) == 1
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("a batch of examples was refused, what was learned before stays", "error")
    ]
    assert "c9" not in repr(logs)
    assert trainer.offsets == {0: 1_101, 1: 1_100}


def test_a_model_of_another_program_is_told() -> None:
    """Bytes that are no model, and a format of a later program, are one line each."""
    later = msgspec.structs.replace(Trainer(TrainingMetrics(CollectorRegistry())).model(), format=2)

    with pytest.raises(InputError, match=r"here has format 2; this program knows 1: update it"):
        models.decode(models.encode(later), "here")
    with pytest.raises(InputError, match=r"here is no model"):
        models.decode(b"\xc1", "here")
