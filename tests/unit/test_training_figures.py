"""Figures of a trainer: by whose risks they are, and stage by stage, with bounded labels."""

from __future__ import annotations

from math import log

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from agents.training_figures import STAGES, TrainingFigures, figures_of
from agents.training_metrics import TrainingMetrics
from schemas import example as codec
from schemas.example import ExampleEvent
from stream.churn.learner import BATCH, Learner
from stream.churn.window import FEWEST, OTHER, WINDOW, Judged, Window
from tests.unit.test_learner import events, examples


def staged(number: int, seed: int = 1) -> list[ExampleEvent]:
    """Examples of customers who stand at three of the stages, and some of whom that is not known."""
    stages = ("aware", "act", "advocate", None)
    return events(
        *(
            msgspec.structs.replace(each, data=msgspec.structs.replace(each.data, stage=stages[place % 4]))
            for place, each in enumerate(examples(number, seed))
        )
    )


def taught(number: int) -> Learner:
    """A learner that was given so many batches."""
    learner = Learner()
    for seed in range(number):
        learner.take(staged(BATCH, seed + 1))
    return learner


def test_quality_is_told_by_stage() -> None:
    """Each stage with enough examples has its own figures, and they add up to those of all."""
    told = figures_of(taught(4))

    assert {stage: its.points for stage, its in told.stages["learned"].items()} == {
        "aware": 200,
        "act": 200,
        "advocate": 200,
    }
    assert told.risks["learned"].points == 800
    assert told.stages["said"]["act"].auc > 0.85
    assert 0.0 < told.stages["learned"]["advocate"].calibration_error < 0.2


def test_a_stage_with_few_examples_is_left_out() -> None:
    """Of fewer than a hundred nothing is told."""
    assert figures_of(taught(1)).stages == {}
    assert FEWEST == 100


def watched(*said: tuple[int, float, float, tuple[str, ...]]) -> Learner:
    """A learner of so many examples each, with a risk for the lost and one for those who came back."""
    learner = Learner()
    for number, lost, back, segments in said:
        for each in range(number):
            gone = each % 2 == 0
            learner._window.add(Judged(lost if gone else back, 0.5, None, gone, "act", segments))
    return learner


def test_quality_is_told_by_segment() -> None:
    """Of VIPs it is known who is lost, of new guests the opposite is said; who is both counts for both."""
    told = figures_of(
        watched((98, 0.75, 0.25, ("vip",)), (100, 0.25, 0.75, ("new",)), (2, 0.75, 0.25, ("vip", "new")))
    ).segments["said"]

    assert list(told) == ["new", "vip"]
    assert (told["vip"].points, told["vip"].churned, told["vip"].auc) == (100, 0.5, 1.0)
    assert told["vip"].log_loss == pytest.approx(-log(0.75))
    assert told["vip"].brier == 0.0625
    assert told["vip"].calibration_error == pytest.approx(0.235)
    assert told["new"].points == 102
    assert told["new"].auc == pytest.approx((1 + 25 + 25) / 51**2)


def test_a_segment_with_few_examples_is_left_out() -> None:
    """Of fewer than a hundred nothing is told, and of those who are in none neither."""
    learner = watched((99, 0.75, 0.25, ("vip",)), (400, 0.75, 0.25, ()))

    assert figures_of(learner).segments == {}
    assert figures_of(learner).risks["said"].points == 499


def test_of_many_segments_the_largest_are_told_apart() -> None:
    """The sixteen with the most examples, and the others together; who is in two of those counts once."""
    learner = watched(
        *((100 + 2 * number, 0.75, 0.25, (f"s{number:02}",)) for number in range(20)),
        (2, 0.75, 0.25, ("s00", "s01")),
    )
    told = figures_of(learner).segments["said"]

    assert list(told) == [OTHER, *(f"s{number:02}" for number in range(4, 20))]
    assert told[OTHER].points == 100 + 102 + 104 + 106 + 2
    assert told["s19"].points == 138


def test_metrics_by_segment() -> None:
    """Sixteen labels and one more at most; a segment that has gone is not shown any longer."""
    registry = CollectorRegistry()
    metrics = TrainingMetrics(registry)
    many = [(100, 0.75, 0.25, (f"s{number:02}",)) for number in range(30)]
    metrics.show(figures_of(watched(*many)))
    labels = [
        sample.labels["segment"]
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "cx_model_segment_points" and sample.labels["of"] == "said"
    ]
    metrics.show(figures_of(watched((100, 0.75, 0.25, ("vip",)))))

    assert labels == [OTHER, *(f"s{number:02}" for number in range(16))]
    assert registry.get_sample_value("cx_model_segment_auc", {"of": "said", "segment": "vip"}) == 1.0
    assert registry.get_sample_value("cx_model_segment_points", {"of": "learned", "segment": "vip"}) == 100
    assert registry.get_sample_value("cx_model_segment_points", {"of": "said", "segment": "s01"}) is None


def test_figures_go_with_the_model_and_come_back() -> None:
    """What a model carries is read as it was."""
    learner = taught(2)
    learner.challenge("naive-bayes")
    learner.take(staged(BATCH, 9))
    figures = figures_of(learner)
    written = msgspec.msgpack.encode(msgspec.to_builtins(figures))

    assert msgspec.convert(msgspec.msgpack.decode(written), TrainingFigures) == figures
    assert len(written) < 5_000


def test_figures_from_before_there_were_segments_are_read() -> None:
    """A model that was published by then has figures without any."""
    figures = msgspec.to_builtins(figures_of(taught(2)))
    del figures["segments"]

    assert msgspec.convert(figures, TrainingFigures).segments == {}


def test_metrics_have_bounded_labels() -> None:
    """By whose and by stage; what is gone, as a challenger's, is not shown any longer."""
    registry = CollectorRegistry()
    metrics = TrainingMetrics(registry)
    learner = taught(3)
    learner.challenge("logistic")
    for seed in range(3):
        learner.take(staged(BATCH, 20 + seed))
    metrics.show(figures_of(learner))
    with_it = registry.get_sample_value("cx_model_auc", {"of": "challenger"})
    kind = registry.get_sample_value("cx_model_kind_info", {"of": "challenger", "kind": "logistic"})
    bound = registry.get_sample_value("cx_model_challenger_log_loss_difference", {"at": "bound"})
    stages = {
        sample.labels["stage"]
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "cx_model_stage_log_loss"
    }
    learner.challenger = None
    metrics.show(figures_of(learner))

    assert with_it is not None
    assert (with_it > 0.85, kind, bound is not None) == (True, 1.0, True)
    assert stages <= set(STAGES)
    assert stages == {"aware", "act", "advocate"}
    assert registry.get_sample_value("cx_model_auc", {"of": "challenger"}) is None
    assert registry.get_sample_value("cx_model_challenger_log_loss_difference", {"at": "bound"}) is None
    assert registry.get_sample_value("cx_model_stage_points", {"of": "learned", "stage": "act"}) == 300


def test_the_window_is_bounded() -> None:
    """The latest examples are judged, and no older ones."""
    window = Window()
    for number in range(WINDOW + 10):
        window.add(Judged(0.5, number / (2 * WINDOW), None, number % 2 == 0, None))
    told = window.quality("learned")
    assert told is not None

    assert told[0].points == WINDOW
    assert list(window.pairs()) == []


def test_an_example_from_before_there_were_stages_is_read() -> None:
    """One without a stage and without segments is of none; no more of them than sixteen can be told."""
    (one,) = examples(1)
    written = codec.encode(one)
    before = written.replace(b',"stage":null,"segments":null', b"")
    many = written.replace(b'"segments":null', b'"segments":' + msgspec.json.encode(["s"] * 17))

    assert before != written
    assert (codec.decode(before).data.stage, codec.decode(before).data.segments) == (None, None)
    assert codec.decode(many.replace(b'"s",', b"", 1)).data.segments == ("s",) * 16
    with pytest.raises(msgspec.ValidationError, match="length <= 16"):
        codec.decode(many)
