"""A challenger in the shadow: judged on the same, promoted by one rule, and never harmful."""

from __future__ import annotations

from collections.abc import Callable
from math import exp
from random import Random

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from river import linear_model, optim, preprocessing
from structlog.testing import capture_logs

from agents.trainer import Trainer
from agents.training_figures import figures_of
from agents.training_metrics import TrainingMetrics
from schemas import model as models
from schemas.example import Example, ExampleEvent
from stream.churn.challenger import CERTAIN, MARGIN, compared
from stream.churn.kinds import KINDS
from stream.churn.learner import BATCH, Learner
from stream.churn.logistic import Logistic
from stream.churn.plain import check_finite
from stream.churn.scorer import Scorer
from stream.churn.signals import NAMES
from stream.churn.stacked import Stacked
from tests.unit.test_learner import MONTH_S, events, examples, records

Pairs = list[tuple[float, float, bool]]


def batches(number: int, seed: int = 1) -> list[list[ExampleEvent]]:
    """So many batches of examples, as a learner takes them."""
    return [events(*examples(BATCH, seed + each)) for each in range(number)]


def drawn(number: int, champion: float, challenger: float, seed: int = 1) -> Pairs:
    """What two scorers say of customers whose risk is known, each off by some log odds."""
    draw = Random(seed)
    pairs = []
    for _ in range(number):
        risk = draw.uniform(0.1, 0.9)
        said = [min(max(risk + off * draw.uniform(-1.0, 1.0), 0.01), 0.99) for off in (champion, challenger)]
        pairs.append((said[0], said[1], draw.random() < risk))
    return pairs


def test_it_is_judged_on_the_same_examples_before_it_learns() -> None:
    """Figures of both are there over the same points; what would be published is the champion's alone."""
    alone, watched = Learner(), Learner()
    watched.challenge("naive-bayes")
    for batch in batches(4):
        alone.take(batch)
        watched.take(batch)
    told = figures_of(watched)

    assert watched.snapshot() == alone.snapshot()
    assert told.kinds == {"champion": "stacked", "challenger": "naive-bayes"}
    assert [told.risks[of].points for of in ("said", "learned", "challenger")] == [800, 800, 800]
    assert told.risks["challenger"].log_loss != told.risks["learned"].log_loss
    assert told.comparison is not None
    assert (told.comparison.examples, told.comparison.better) == (800, False)


def test_the_rule() -> None:
    """Better by more than chance and margin, on 5,000 examples: all of it, or no promotion."""
    clear = compared(drawn(5_000, 0.3, 0.05))
    few = compared(drawn(4_999, 0.3, 0.05))
    worse = compared(drawn(5_000, 0.05, 0.3))
    same = compared([(risk, risk, churned) for risk, _, churned in drawn(5_000, 0.1, 0.1)])
    assert clear is not None
    assert few is not None
    assert worse is not None
    assert same is not None

    assert (clear.better, clear.bound < -MARGIN, clear.auc > 0.0) == (True, True, True)
    assert (few.better, few.bound < -MARGIN) == (False, True)
    assert (worse.better, worse.difference > 0.0) == (False, True)
    assert (same.better, same.difference, same.bound, same.auc) == (False, 0.0, 0.0, 0.0)


def test_chance_alone_promotes_nobody() -> None:
    """Of 20 pairs of scorers that are equally good none is promoted."""
    found = [compared(drawn(5_000, 0.15, 0.15, seed)) for seed in range(20)]

    assert [each is not None and each.better for each in found] == [False] * 20


def test_a_lower_auc_is_no_better_however_much_log_loss_is_gained() -> None:
    """One that is well calibrated and ranks worse stays in the shadow."""
    noise = Random(5)
    pairs = [
        (min(risk**0.2, 0.99), min(max(risk + noise.uniform(-0.2, 0.2), 0.01), 0.99), churned)
        for risk, _, churned in drawn(5_000, 0.05, 0.05)
    ]
    found = compared(pairs)
    assert found is not None

    assert (found.bound < -MARGIN, found.auc < 0.0, found.better) == (True, True, False)


def test_the_bound_knows_that_neighbours_are_alike() -> None:
    """Where a challenger is better on one half of the time and worse on the other, nothing is sure."""
    half = drawn(2_500, 0.2, 0.02, 1) + [(b, a, y) for a, b, y in drawn(2_500, 0.2, 0.06, 2)]
    found = compared(half)
    assert found is not None

    assert found.better is False
    assert found.bound - found.difference > CERTAIN * 0.001


def test_it_takes_the_place_of_the_champion_and_is_compared_anew() -> None:
    """After a promotion what is published is of its kind, and the other one goes on in its shadow."""
    learner = Learner()
    learner.challenge("logistic")
    for batch in batches(3):
        learner.take(batch)
    assert learner.challenger is not None
    in_shadow = learner.challenger.snapshot()
    learner.promote()

    assert (learner.champion.kind, learner.challenger.kind) == ("logistic", "stacked")
    assert (learner.snapshot()["kind"], learner.snapshot()["scorer"]) == ("logistic", in_shadow)
    assert learner.compared() is None
    told = learner.quality("learned")
    assert told is not None
    assert told[0].points == 600


def exploding() -> Scorer:
    """River's logistic regression with a step that is a thousand times too long, unclipped."""
    scorer = Logistic()
    scorer._regression = linear_model.LogisticRegression(optimizer=optim.SGD(1_000.0))
    scorer._scaler = preprocessing.StandardScaler()
    scorer.pipeline = scorer._scaler | scorer._regression
    scorer._regression.optimizer._idx = {}
    scorer._regression.optimizer._H_inv = optim.Newton()._H_inv
    return scorer


class NotANumber(Stacked):
    """A default scorer that comes to what is no number after its three hundredth lesson."""

    def learn(self, features: dict[str, float], *, churned: bool) -> None:  # type: ignore[override]
        """Learn, and spoil a weight at times."""
        super().learn(features, churned=churned)
        if self._measure.seen > 300:
            self._weights[0] = float("nan")


class Failing(Stacked):
    """A default scorer that divides by nothing after its three hundredth lesson."""

    def learn(self, features: dict[str, float], *, churned: bool) -> None:  # type: ignore[override]
        """Learn, and fail at times."""
        super().learn(features, churned=churned)
        self.horizon_days /= float(self._measure.seen < 300)


@pytest.mark.parametrize(
    ("make", "reason"), [(exploding, "weights"), (NotANumber, "weights"), (Failing, "failed")]
)
def test_what_would_spoil_a_challenger_alone_is_undone(
    make: Callable[[], Scorer], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights that explode or are no numbers never get into its model; the champion learns on."""
    monkeypatch.setitem(KINDS, "logistic", lambda _horizon_days: make())
    registry = CollectorRegistry()
    trainer = Trainer(TrainingMetrics(registry))
    trainer.challenge("logistic")
    for seed in range(1, 6):
        trainer.take(records(examples(BATCH, seed)))
        published = trainer.challenger()
        assert published is not None
        check_finite(published.scorer)

    assert trainer.learner.learned == 5 * BATCH
    refused = registry.get_sample_value("cx_model_challenger_batches_refused_total", {"reason": reason})
    assert refused is not None
    assert refused >= 1
    assert registry.get_sample_value("cx_model_batches_refused_total", {"reason": reason}) is None


@pytest.mark.parametrize("kind", KINDS)
def test_poison_reaches_neither(kind: str) -> None:
    """A batch with its labels turned round, and examples that hold no numbers, leave both as they were."""
    learner = Learner()
    learner.challenge(kind)
    for batch in batches(5):
        learner.take(batch)
    assert learner.challenger is not None
    before = learner.snapshot(), msgspec.msgpack.encode(learner.challenger.scorer.snapshot())
    (one,) = events(*examples(1, 9))
    nan = msgspec.structs.replace(
        one, data=msgspec.structs.replace(one.data, features={"recency": float("nan")})
    )
    poisoned = learner.take(events(*examples(BATCH, 7, wrong=True)))
    unfit = learner.take([nan])

    assert (poisoned.spoiled, unfit.refused) == ("surprise", {"unfit": 1})
    assert (learner.snapshot(), msgspec.msgpack.encode(learner.challenger.scorer.snapshot())) == before


def test_one_that_grows_too_large_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forest that could not be published is told once, and nothing is left of it."""
    monkeypatch.setattr("stream.churn.learner.MOST_BYTES", 20_000)
    registry = CollectorRegistry()
    trainer = Trainer(TrainingMetrics(registry))
    trainer.challenge("adaptive-forest")
    with capture_logs() as logs:
        for seed in range(1, 6):
            trainer.take(records(examples(BATCH, seed)))

    told = [line for line in logs if line["log_level"] == "error"]
    assert [line["event"] for line in told] == [
        "the challenger was given up, it is too large to publish: start the trainer with another"
    ]
    assert told[0]["bytes"] > 20_000
    assert (trainer.learner.challenger, trainer.challenger()) == (None, None)
    assert trainer.learner.learned == 5 * BATCH


def taught(made: list[list[Example]], trainer: Trainer) -> None:
    """Have a trainer learn."""
    for number, batch in enumerate(made):
        trainer.take(records(batch, 100 * number))


def test_a_restart_goes_on_with_the_challenger_to_the_bit() -> None:
    """Both go on from what was published; a challenger of another kind, or horizon, begins anew."""
    made = [examples(BATCH, seed) for seed in range(1, 6)]
    whole, first = (Trainer(TrainingMetrics(CollectorRegistry())) for _ in range(2))
    for trainer in (whole, first):
        trainer.challenge("stacked-forgetting")
    taught(made, whole)
    taught(made[:3], first)
    champion, shadow = first.model(), first.challenger()
    assert shadow is not None
    champion, shadow = (models.decode(models.encode(each), "here") for each in (champion, shadow))
    second = Trainer(TrainingMetrics(CollectorRegistry()), champion)
    second.challenge("stacked-forgetting", shadow)
    taught(made[3:], second)
    other = Trainer(TrainingMetrics(CollectorRegistry()), champion)
    other.challenge("logistic", shadow)

    assert (champion.kind, shadow.kind, shadow.learned) == ("stacked", "stacked-forgetting", 3 * BATCH)
    assert second.learner.challenger is not None
    assert whole.learner.challenger is not None
    assert second.learner.challenger.snapshot() == whole.learner.challenger.snapshot()
    assert second.learner.snapshot() == whole.learner.snapshot()
    assert other.learner.challenger is not None
    assert (other.learner.challenger.kind, other.learner.challenger.learned) == ("logistic", 0)


def test_one_that_was_promoted_while_nobody_learned_goes_on_as_the_champion() -> None:
    """The trainer that is asked for the kind in force has the one that it replaced learn in the shadow."""
    trainer = Trainer(TrainingMetrics(CollectorRegistry()))
    trainer.challenge("logistic")
    taught([examples(BATCH, seed) for seed in range(1, 4)], trainer)
    champion, challenger = trainer.model(), trainer.challenger()
    assert challenger is not None
    after = Trainer(TrainingMetrics(CollectorRegistry()), challenger)
    after.challenge("logistic", champion)

    assert (after.learner.champion.kind, after.learner.champion.learned) == ("logistic", 3 * BATCH)
    assert after.learner.challenger is not None
    assert (after.learner.challenger.kind, after.learner.challenger.learned) == ("stacked", 3 * BATCH)


def test_a_model_that_was_taken_back_is_gone_on_from() -> None:
    """What was learned since is dropped; of another horizon it is not taken."""
    trainer = Trainer(TrainingMetrics(CollectorRegistry()))
    taught([examples(BATCH, 1)], trainer)
    early = trainer.model()
    taught([examples(BATCH, 2)], trainer)
    trainer.go_back(early)
    went_back = trainer.learner.learned, trainer.learner.champion.snapshot() == early.scorer
    longer = msgspec.structs.replace(early, horizon_s=3 * MONTH_S, learned=7)
    with capture_logs() as logs:
        trainer.go_back(longer)

    assert went_back == (BATCH, True)
    assert trainer.learner.learned == BATCH
    assert [line["event"] for line in logs] == ["a model of another horizon can't be gone on from"]
    assert trainer.offsets == {0: 100, 1: 100}


def turned(number: int, after: int) -> list[ExampleEvent]:
    """Customers of whom from some point on those are lost who were not: half of all weights turn round."""
    draw = Random(3)
    weights = [draw.gauss(0.0, 1.2) for _ in range(8)]
    made: list[ExampleEvent] = []
    for like in events(*examples(number, 5)):
        each = len(made)
        signals = [draw.gauss(0.0, 1.0) for _ in weights]
        turn = -1.0 if each >= after else 1.0
        log_odds = sum(
            weight * signal * (turn if place % 2 else 1.0)
            for place, (weight, signal) in enumerate(zip(weights, signals, strict=True))
        )
        churned = draw.random() < 1.0 / (1.0 + exp(-log_odds))
        features = {name: signal + 2.0 for name, signal in zip(NAMES, signals, strict=False)}
        data = msgspec.structs.replace(like.data, features=features, churned=churned)
        made.append(msgspec.structs.replace(like, data=data))
    return made


def test_in_a_world_that_changes_one_that_forgets_is_better() -> None:
    """The drift is told within 400 examples, and the rule is met 2,000 after the turn, and not before it."""
    learner = Learner()
    learner.challenge("stacked-forgetting")
    made = turned(8_000, 6_000)
    better, drifts = [], []
    for start in range(0, len(made), BATCH):
        taken = learner.take(made[start : start + BATCH])
        drifts += [(start, what) for what in taken.drifts if what == "log_loss"]
        if start % 1_000 == 800:
            comparison = learner.compared()
            better.append(comparison is not None and comparison.better)

    assert drifts[0][0] in {6_000, 6_200}
    assert better == [False] * 7 + [True]
