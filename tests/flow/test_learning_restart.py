"""Worker and trainer are restarted while 40,000 looks at customers wait for what comes of them.

What they keep goes through what it is kept as: profiles through their bytes and a store on disk, what was
learned through a published model, from which the trainer reads its topic once more. What comes after that
is what would have come without it, to the bit.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from agents import models
from agents.shelf import Shelf
from agents.tables.rocks import RocksStore
from agents.timers import Timers
from agents.trainer import Trainer
from agents.training_metrics import TrainingMetrics
from schemas import decision, example, trigger
from schemas import model as codec
from schemas import profile as profiles
from schemas.churn import Churn
from schemas.edition import CURRENT
from schemas.playbook import Playbook
from schemas.profile import Profile
from schemas.timestamp import DAY, HOUR
from schemas.touchpoint import Touchpoint
from stream.churn.learner import BATCH
from stream.churn.models import DEFAULT, load
from stream.engine import Engine
from stream.outcome import Outcome
from tests.hotel import HOTEL, NOON

PLAYBOOK: Playbook = msgspec.structs.replace(HOTEL, churn=Churn("30d", every="36h"))

CUSTOMERS = 2_100
"""Each is looked at twenty times within the horizon, and on each day of a purchase."""

CUT = NOON + 41 * DAY
"""When they are restarted: eleven days after the first labels, half-way between two models."""

END = NOON + 48 * DAY

PUBLISHED = 60 * HOUR
"""Between two models: what the trainer had learned since the last of them, it learns once more."""


class Record(NamedTuple):
    """A record of the examples' topic."""

    partition: int
    offset: int
    value: bytes


class Course:
    """A worker and a trainer without a broker, in order of time.

    Args:
        kept: the worker's profiles.
        timers: which of them are due when.
        topic: the examples so far.
        shelf: the models so far.

    Attributes:
        risks: whose risk was said, and what it was, in order.
        came: triggers, decisions and examples, in order.
        published: models, in order, without how good they were: what that is told by is gathered anew.
    """

    def __init__(self, kept: dict[str, Profile], timers: Timers, topic: list[Record], shelf: Shelf) -> None:
        self.kept, self.timers, self.topic, self.shelf = kept, timers, topic, shelf
        self.risks: list[tuple[str, str]] = []
        self.came: list[bytes] = []
        self.published: list[codec.Model] = []
        self.trainer = Trainer(TrainingMetrics(CollectorRegistry()), self._in_force())
        self.engine = self._engine()

    def live(self, happened: list[Touchpoint], start: int, end: int) -> None:
        """Let time pass, with what happens in it, with a new model every so often."""
        place = 0
        for until in range(start + HOUR, end + 1, HOUR):
            while place < len(happened) and happened[place].time < until:
                touchpoint = happened[place]
                self._fire(touchpoint.time)
                before = self.kept.get(touchpoint.customer)
                self._keep(self.engine.step(before, touchpoint, touchpoint.time))
                place += 1
            self._fire(until - 1)
            self._learn()
            if (until - NOON) % PUBLISHED == 0 and self.trainer.unpublished:
                self._publish()

    def pending(self) -> int:
        """How many looks wait for what comes of them."""
        return sum(len(profile.pending) for profile in self.kept.values())

    def _fire(self, until: int) -> None:
        while due := self.timers.take_due(0, until, 1):
            self._keep(self.engine.fire(self.kept[due[0]], until))

    def _keep(self, outcome: Outcome) -> None:
        profile = outcome.profile
        self.kept[profile.customer] = profile
        self.timers.note(0, {profile.customer: profile})
        self.risks.append((profile.customer, profile.risk.hex()))
        self.came += [trigger.encode(each) for each in outcome.triggers]
        self.came += [decision.encode(each) for each in outcome.decisions]
        for each in outcome.examples:
            self.topic.append(Record(0, len(self.topic), example.encode(each)))
            self.came.append(self.topic[-1].value)

    def _learn(self) -> None:
        # Cut at the same places whenever it is read.
        while len(self.topic) - (at := self.trainer.offsets.get(0, 0)) >= BATCH:
            self.trainer.take(self.topic[at : at + BATCH])

    def _publish(self) -> None:
        model = self.trainer.model()
        self.trainer.number, self.trainer.unpublished = model.number, 0
        self.published.append(msgspec.structs.replace(model, figures={}))
        self.shelf.put(model.version.encode(), codec.encode(model), 0, None)
        self.shelf.put(CURRENT, model.version.encode(), 0, None)
        self.engine = self._engine()

    def _in_force(self) -> codec.Model | None:
        return None if self.shelf.current is None else models.read(self.shelf, self.shelf.current, "models")

    def _engine(self) -> Engine:
        engine = Engine(PLAYBOOK, load(DEFAULT), DEFAULT)
        if self.shelf.current is None:
            return engine
        learned = models.learned(self.shelf, self.shelf.current, "models")
        return engine.scored_by(learned.scorer, learned.version)


def lives() -> list[Touchpoint]:
    """Customers who buy every two to forty days until they don't any more, and complain now and then."""
    draw = Random(11)
    happened = []
    for number in range(CUSTOMERS):
        customer, at, between = f"c{number}", NOON + draw.randrange(5 * DAY), draw.uniform(2, 40) * DAY
        while at < END:
            type_ = "complaint.opened" if draw.random() < 0.1 else "order.placed"
            amount = None if type_ == "complaint.opened" else round(draw.uniform(5, 90), 2)
            data = {"issue": f"{customer}-{at}"} if amount is None else {}
            happened.append(Touchpoint(f"{customer}@{at}", "/shop", type_, customer, at, data, amount=amount))
            if draw.random() < 0.1:
                break
            at += int(between * draw.uniform(0.3, 1.7))
    return sorted(happened, key=lambda each: each.time)


def restarted(course: Course, folder: Path) -> Course:
    """Another worker and another trainer, which know what those before them have kept."""
    written = RocksStore(folder)
    written.open(0)
    stored = {name.encode(): profiles.encode(profile) for name, profile in course.kept.items()}
    written.write(0, stored, len(stored))
    written.close()
    store = RocksStore(folder)
    store.open(0)
    kept = {name.decode(): profiles.decode(value) for name, value in store.items(0)}
    timers = Timers()
    asyncio.run(timers.rebuild([0], store, lambda: True))
    store.close()
    shelf = Shelf()
    for version, edition in course.shelf.editions.items():
        shelf.put(version.encode(), edition.text, 0, None)
    shelf.put(CURRENT, (course.shelf.current or "").encode(), 0, None)
    return Course(kept, timers, list(course.topic), shelf)


@pytest.fixture(scope="module")
def courses(tmp_path_factory: pytest.TempPathFactory) -> tuple[Course, Course, int, int]:
    """One that went on and one that was restarted; how many looks waited, and what was learned again."""
    happened = lives()
    cut = next(place for place, each in enumerate(happened) if each.time >= CUT)
    whole = Course({}, Timers(), [], Shelf())
    whole.live(happened[:cut], NOON, CUT)
    other = restarted(whole, tmp_path_factory.mktemp("state"))
    again = whole.trainer.offsets[0] - other.trainer.offsets[0]
    waiting = whole.pending()
    for course in (whole, other):
        course.risks, course.came, course.published = [], [], []
        course.live(happened[cut:], CUT, END)
    return whole, other, waiting, again


def test_a_restart_in_mid_stream_changes_no_bit(courses: tuple[Course, Course, int, int]) -> None:
    """Risks, labels, decisions, weights and profiles are those of who was never stopped."""
    whole, other, waiting, again = courses

    assert waiting >= 40_000
    assert again >= BATCH
    assert whole.risks == other.risks
    assert whole.came == other.came
    assert whole.published == other.published
    assert {name: profiles.encode(each) for name, each in whole.kept.items()} == {
        name: profiles.encode(each) for name, each in other.kept.items()
    }
    assert whole.trainer.learner.snapshot() == other.trainer.learner.snapshot()
    assert len(whole.published) == 3
    assert len(whole.risks) > 10_000
