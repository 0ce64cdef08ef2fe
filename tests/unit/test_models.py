"""Learned models of a worker: what it scores by as the topic changes, without a broker."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from agents.metrics import Metrics
from agents.models import Models
from agents.playbooks import Playbooks
from schemas import model as codec
from schemas.churn import Churn
from schemas.errors import InputError
from schemas.model import Model, new_model
from stream.churn.kinds import KINDS
from stream.churn.signals import signals_of
from stream.churn.stacked import Stacked
from stream.engine import Engine
from tests.hotel import HOTEL, NOON, GivenRisk, happened

TOPIC = "cx.churn.models.v1"


def learned(number: int, horizon_days: float = 90.0) -> Model:
    """A model that has learned something, and other things under each number."""
    scorer = Stacked(horizon_days)
    for day in range(20 + number):
        scorer.learn({"recency": float(day % 10), "frequency": 0.7}, churned=day % 10 > 5)
    return new_model(number, horizon_days * 86_400, 20 + number, {0: number}, scorer.snapshot(), {})


class Worker:
    """A worker whose playbook has the churn risk learned, or has not."""

    def __init__(self, churn: Churn | None) -> None:
        self.registry = CollectorRegistry()
        metrics = Metrics(self.registry, [])
        playbook = msgspec.structs.replace(HOTEL, churn=churn)
        self.models = Models("127.0.0.1:1", TOPIC, metrics)
        shipped = Engine(playbook, GivenRisk(0.25), "cdnow-2026.11")
        self.playbooks = Playbooks(shipped, metrics, learned=self.models)

    def hear(self, *models: Model, current: str | None = None) -> str:
        """Read models of the topic, of which the last is in force, or another; the version scored by."""
        for model in models:
            self.put(model.version, codec.encode(model))
        self.put("current", (current or models[-1].version).encode())
        asyncio.run(self.models.judge())
        return self.engine.model

    def put(self, key: str, value: bytes | None) -> None:
        """Read a record of the topic."""
        self.models._shelf.put(key.encode(), value, NOON, None)

    @property
    def engine(self) -> Engine:
        """What decides."""
        return self.playbooks.engine

    def shown(self) -> list[str]:
        """The versions on the metrics page."""
        return [
            sample.labels["version"]
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == "cx_model_info"
        ]


QUARTER = Churn("90d")


def test_it_scores_by_the_model_in_force() -> None:
    """Risk, snapshots and decisions are of the model of the topic from then on, with its signals."""
    worker = Worker(QUARTER)
    before = worker.engine.model
    one, two = learned(1), learned(2)
    bought = happened("order.placed", NOON, amount=10.0)

    assert (before, worker.hear(one), worker.hear(two)) == ("cdnow-2026.11", one.version, two.version)
    assert worker.shown() == [two.version]
    profile = worker.engine.step(None, bought, NOON).profile
    scorer = Stacked()
    scorer.restore(two.scorer)
    assert profile.risk == scorer.predict(signals_of(profile, NOON))
    assert two.version.encode() in profile.pending[0]


def of_kind(kind: str, number: int) -> Model:
    """A model of a kind."""
    scorer = KINDS[kind](90.0)
    for day in range(300):
        scorer.learn({"recency": float(day % 10), "frequency": 0.7}, churned=day % 10 > 5)
    return new_model(number, 90 * 86_400.0, 300, {0: 300}, scorer.snapshot(), {}, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_any_kind_is_scored_by(kind: str) -> None:
    """What is published says of which kind it is, and workers score by it as by any other, and go back."""
    worker = Worker(QUARTER)
    one, other = learned(1), of_kind(kind, 2)
    bought = happened("order.placed", NOON, amount=10.0)
    scorer = KINDS[kind](90.0)
    scorer.restore(other.scorer)

    assert (worker.hear(one), worker.hear(other)) == (one.version, other.version)
    profile = worker.engine.step(None, bought, NOON).profile
    assert profile.risk == scorer.predict(signals_of(profile, NOON))
    assert worker.hear(current=one.version) == one.version


def test_a_model_from_before_there_were_kinds_is_of_the_default_one() -> None:
    """It says none, and is read and scored by as it was."""
    worker = Worker(QUARTER)
    one = learned(1)
    older = {
        name: value for name, value in msgspec.to_builtins(one).items() if name not in ("kind", "figures")
    }
    worker.put(one.version, msgspec.msgpack.encode(older))
    worker.put("current", one.version.encode())
    asyncio.run(worker.models.judge())

    assert "kind" not in older
    assert worker.engine.model == one.version


def test_a_model_of_a_kind_that_is_not_known_is_refused() -> None:
    """One of a later program is one line, and the one before goes on; so is one that is not what it says."""
    worker = Worker(QUARTER)
    one = learned(1)
    worker.hear(one)
    later = msgspec.structs.replace(learned(2), kind="oracle")
    liar = msgspec.structs.replace(learned(3), kind="logistic")
    with capture_logs() as logs:
        after = worker.hear(later), worker.hear(liar)

    assert after == (one.version, one.version)
    known = ", ".join(KINDS)
    assert [line["reason"] for line in logs] == [
        f"{TOPIC} {later.version} can't be used: it is of the kind 'oracle', and there are {known}",
        f"{TOPIC} {liar.version} can't be used: a snapshot of kind 'stacked', not 'logistic-newton'",
    ]


def test_a_challenger_is_not_scored_by_before_it_is_in_force() -> None:
    """It stands on the topic, and under a key of its own which it is; workers go on."""
    worker = Worker(QUARTER)
    one, other = learned(1), of_kind("logistic", 2)
    worker.hear(one)
    worker.put(other.version, codec.encode(other))
    worker.put("challenger", other.version.encode())
    asyncio.run(worker.models.judge())
    before = worker.engine.model, worker.models._shelf.challenger

    assert before == (one.version, other.version)
    assert worker.hear(current=other.version) == other.version


def test_a_playbook_that_has_nothing_learned_goes_on_with_the_model_that_ships() -> None:
    """So does one that asks for another horizon than was learned."""
    assert Worker(None).hear(learned(1)) == "cdnow-2026.11"
    assert Worker(Churn("60d")).hear(learned(1)) == "cdnow-2026.11"


def test_a_model_that_cannot_be_used_is_refused() -> None:
    """One that holds what is no number, and one that is not there: the one before goes on."""
    worker = Worker(QUARTER)
    one = learned(1)
    worker.hear(one)
    broken = msgspec.structs.replace(learned(2), scorer={**one.scorer, "weights": [float("inf")]})
    with capture_logs() as logs:
        after = worker.hear(broken)
        worker.hear(broken)
        gone = worker.hear(current="learned-9@00000000")

    assert (after, gone) == (one.version, one.version)
    assert worker.registry.get_sample_value("cx_model_refused_total") == 2
    assert [line["event"] for line in logs] == ["a model was refused, the one before goes on"] * 2


def test_a_pinned_model_is_had_from_the_topic() -> None:
    """What a partition was decided by before a newer model came in decides on what is read once more."""
    worker = Worker(QUARTER)
    one, two = learned(1), learned(2)
    worker.hear(one)
    worker.hear(two)
    fresh = Worker(QUARTER)
    for model in (one, two):
        fresh.put(model.version, codec.encode(model))
    book = worker.engine.playbook_version

    made = fresh.playbooks._made(book, one.version)
    assert made.model == one.version
    bought = happened("order.placed", NOON, amount=10.0)
    kept = asyncio.run(_pinned(worker.playbooks, book, one.version))
    assert made.step(None, bought, NOON) == kept.step(None, bought, NOON)
    with pytest.raises(InputError, match=r"model learned-9@0 is not on cx.churn.models.v1"):
        fresh.playbooks._made(book, "learned-9@0")


async def _pinned(playbooks: Playbooks, playbook: str, model: str) -> Engine:
    return await playbooks.pinned(playbook, model)


def test_what_is_in_force_again_is_the_same_engine() -> None:
    """A model that is taken back is no other engine than it was: nothing is pinned anew without need."""
    worker = Worker(QUARTER)
    one, two = learned(1), learned(2)
    worker.hear(one)
    before = worker.engine
    worker.hear(two)
    worker.hear(current=one.version)

    assert worker.engine is before
