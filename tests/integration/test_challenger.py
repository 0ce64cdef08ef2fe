"""A challenger on Apache Kafka: promoted by hand and by the rule, taken back, and killed on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from agents.cli import main
from agents.shelf import fetch
from schemas import example as examples_codec
from schemas import model as models
from schemas.example import Example
from schemas.model import Model
from schemas.topics import Topics
from tests.cluster import READY_SECONDS, Sent, Trainer, Worker, publish, wait_for
from tests.conftest import PARTITIONS
from tests.hotel import HOTEL_YAML
from tests.integration.test_learning import SECTION
from tests.unit.test_learner import examples

LEARNED_SECONDS = 240.0
"""How long thousands of examples may take to be learned twice over: ten seconds of a processor, and a machine
under test has others to do."""


def as_records(made: list[Example]) -> list[Sent]:
    """Examples as they stand on their topic."""
    return [(each.customer.encode(), examples_codec.encode(each), []) for each in made]


def repeated(number: int, seed: int) -> list[Example]:
    """Customers of whom the same is said in six ways: who takes each for news is far too sure."""
    return [
        msgspec.structs.replace(
            each,
            data=msgspec.structs.replace(
                each.data,
                features=each.data.features
                | {f"told-{place}": each.data.features["recency"] + place / 100 for place in range(6)},
            ),
        )
        for each in examples(number, seed)
    ]


class Site:
    """The topics, a trainer that is started when asked, and `dangol model`."""

    def __init__(self, kafka: str, topics: Topics, folder: Path) -> None:
        self.kafka = kafka
        self.topics = topics
        self.folder = folder
        self.trainer = Trainer(kafka, topics, folder / "trainer")

    def start(self, *options: str) -> None:
        """Start the trainer with options."""
        folder = self.folder / "trainer"
        self.trainer = Trainer(self.kafka, self.topics, folder, "--every", "100", *options)
        self.trainer.start().wait_ready()

    def say(self, *words: str) -> Any:
        """What `dangol model …` says."""
        options = ("--bootstrap", self.kafka, "--prefix", self.topics.prefix, "--json")
        done = CliRunner().invoke(main, ["model", *words, *options])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def standing(self) -> tuple[Model | None, Model | None]:
        """The model in force, and its challenger."""
        shelf = asyncio.run(fetch(self.kafka, self.topics, self.topics.models))
        found = [shelf.editions.get(each or "") for each in (shelf.current, shelf.challenger)]
        one, other = (None if each is None else models.decode(each.text, each.version) for each in found)
        return one, other

    def teach(
        self,
        made: list[Example],
        what: str,
        until: Callable[[Model, Model], bool],
        seconds: float = READY_SECONDS,
    ) -> tuple[Model, Model]:
        """Publish examples and wait until models are as they are to be; they."""
        publish(self.kafka, self.topics.examples, as_records(made), PARTITIONS)

        def there() -> bool:
            one, other = self.standing()
            return one is not None and other is not None and until(one, other)

        wait_for(there, what, self.trainer, seconds=seconds)
        champion, challenger = self.standing()
        assert champion is not None
        assert challenger is not None
        return champion, challenger


@pytest.fixture
def site(kafka: str, topics: Topics, tmp_path: Path) -> Any:
    """The topics, and a trainer that is gone afterwards."""
    made = Site(kafka, topics, tmp_path)
    yield made
    if made.trainer.running:
        made.trainer.kill()


def learned(number: int) -> Callable[[Model, Model], bool]:
    """Whether champion and challenger have learned from so many."""
    return lambda one, other: (one.learned, other.learned) == (number, number)


def test_a_challenger_is_promoted_by_hand_and_taken_back(site: Site, tmp_path: Path) -> None:
    """Workers take on what was chosen, the trainer goes on from it, and nothing is learned twice."""
    playbook = tmp_path / "hotel.yaml"
    playbook.write_text(SECTION + HOTEL_YAML, encoding="utf-8")
    worker = Worker(site.kafka, site.topics, tmp_path / "worker", "--playbook", str(playbook))
    site.start("--challenger", "logistic")
    worker.start().wait_ready()
    try:
        first, shadow = site.teach(examples(600), "models", learned(600))
        wait_for(lambda: first.version in (worker._get("/metrics") or ""), "a worker to take it", worker)
        shown = site.say("show")
        promoted = site.say("promote")
        wait_for(lambda: shadow.version in (worker._get("/metrics") or ""), "the challenger", worker)
        second, behind = site.teach(examples(200, 2), "the next", learned(800))
        back = site.say("rollback", first.version)
        wait_for(lambda: first.version in (worker._get("/metrics") or ""), "the earlier one", worker)
        third, _ = site.teach(
            examples(300, 3), "both", lambda one, other: (one.learned, other.learned) == (900, 1_100)
        )
        site.trainer.kill()
        site.say("promote")
        site.start("--challenger", "logistic")
        fourth, last = site.teach(
            examples(100, 4), "the last", lambda one, other: (one.learned, other.learned) == (1_200, 1_000)
        )
    finally:
        worker.kill()

    assert (first.kind, shadow.kind) == ("stacked", "logistic")
    assert {row["role"]: row["version"] for row in shown["models"] if row["role"]} == {
        "in force": first.version,
        "challenger": shadow.version,
    }
    assert shown["figures"]["kinds"] == {"champion": "stacked", "challenger": "logistic"}
    assert promoted == {"version": shadow.version, "kind": "logistic", "before": first.version}
    assert (second.kind, behind.kind) == ("logistic", "stacked")
    assert back == {"version": first.version, "kind": "stacked", "before": second.version}
    assert (third.kind, third.learned) == ("stacked", 600 + 300)
    assert (fourth.kind, last.kind) == ("logistic", "stacked")
    assert sum(fourth.offsets.values()) == 600 + 200 + 300 + 100


def test_a_better_challenger_is_promoted_by_the_rule(site: Site) -> None:
    """What is in force is naive, and far too sure: after 5,000 examples the other one is, and stays so."""
    site.start("--challenger", "naive-bayes")
    site.teach(repeated(600, 1), "models", learned(600))
    site.say("promote")
    naive, _ = site.teach(repeated(100, 2), "the naive one", learned(700))
    site.trainer.stop()
    # Each publication has its price: with one for every batch, most of the time would go there.
    site.start("--challenger", "stacked", "--promote", "auto", "--every", "1000", "--seconds", "10")
    better, behind = site.teach(repeated(6_000, 3), "the better one", learned(6_700), LEARNED_SECONDS)

    assert naive.kind == "naive-bayes"
    assert (better.kind, behind.kind) == ("stacked", "naive-bayes")
    assert site.trainer.metric("cx_model_promotions_total") == 1


def test_what_cannot_be_chosen_is_one_line(site: Site) -> None:
    """Where nothing was learned there is nothing to promote, and no version that is not there."""
    options = ["--bootstrap", site.kafka, "--prefix", site.topics.prefix]
    said = [
        CliRunner().invoke(main, ["model", *words, *options])
        for words in (["show"], ["promote"], ["rollback", "learned-1@00000000"])
    ]

    models_topic = site.topics.models
    none = (
        f"dangol: no model is on {models_topic}: workers score by the one that ships; start `dangol trainer`"
    )
    no_challenger = (
        f"dangol: nothing on {models_topic} is a challenger: start the trainer with --challenger, and wait "
        "until it has published one"
    )

    assert [each.exit_code for each in said] == [2, 2, 2]
    assert [each.stderr.strip() for each in said] == [none, no_challenger, none]
