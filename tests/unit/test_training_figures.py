"""Figures of a trainer: by whose risks they are, and stage by stage, with bounded labels."""

from __future__ import annotations

import msgspec
from prometheus_client import CollectorRegistry

from agents.training_figures import STAGES, TrainingFigures, figures_of
from agents.training_metrics import TrainingMetrics
from schemas.example import Example, ExampleEvent
from stream.churn.learner import BATCH, Learner
from stream.churn.window import FEWEST, WINDOW, Judged, Window
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


def test_figures_go_with_the_model_and_come_back() -> None:
    """What a model carries is read as it was."""
    learner = taught(2)
    learner.challenge("naive-bayes")
    learner.take(staged(BATCH, 9))
    figures = figures_of(learner)
    written = msgspec.msgpack.encode(msgspec.to_builtins(figures))

    assert msgspec.convert(msgspec.msgpack.decode(written), TrainingFigures) == figures
    assert len(written) < 5_000


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
    """One without a stage is of none."""
    (one,) = examples(1)
    assert isinstance(one, Example)

    assert one.data.stage is None
    assert events(one)[0].data.stage is None
