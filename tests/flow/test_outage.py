"""Two weeks without any touchpoint, through a partition's pipeline, without a broker.

Customers come, nobody does for two weeks, and they come again. Labels that were to be known meanwhile wait,
and what is decided is the same wherever the worker was stopped, and what a replay says.
"""

from __future__ import annotations

import asyncio
from random import Random
from types import SimpleNamespace

import msgspec
import pytest
import structlog.testing
from prometheus_client import CollectorRegistry

from agents.metrics import Metrics
from agents.partitioner import partition_of
from agents.pins import Pins
from agents.pipeline import Done, Means, Pipeline
from agents.tables.memory import MemoryStore
from agents.tables.profiles import Profiles
from agents.timers import Timers
from schemas import example, ingestion
from schemas import profile as codec
from schemas.churn import Churn
from schemas.example import ExampleEvent
from schemas.ingestion import STEADY, Ingestion
from schemas.timestamp import DAY, to_millis
from schemas.touchpoint import decode
from stream.churn.prequential import Prequential
from stream.engine import Engine
from stream.replay import Replay
from tests.flow.test_pipeline import Books
from tests.flow.test_touchpoints import ANN, TOPICS, Acknowledging, Read, happened, processor_of
from tests.hotel import HOTEL, NOON, GivenRisk

HOUR = 3_600_000

PLAYBOOK = msgspec.structs.replace(HOTEL, plays=(), churn=Churn("30d", every="9d"))

OUT = NOON + 40 * DAY
"""From when on nothing comes; the last touchpoint is some minutes older."""

BACK = OUT + 14 * DAY

END = BACK + 60 * DAY

CUSTOMERS = [
    name for name in (f"c{number}" for number in range(400)) if partition_of(name.encode(), 4) == ANN
]
"""Those of Ann's partition."""


def lives() -> list[tuple[str, int]]:
    """Who buys when: every three to twenty days, until some don't any more."""
    draw = Random(5)
    bought = []
    for customer in CUSTOMERS:
        at, between = NOON + draw.randrange(20 * DAY), draw.uniform(3, 20) * DAY
        while at < END and draw.random() > 0.06:
            bought.append((customer, at))
            at += int(between * draw.uniform(0.5, 1.5))
    return sorted(bought, key=lambda each: each[1])


LIVES = lives()

GONE = [(customer, at) for customer, at in LIVES if not OUT <= at < BACK]
"""What is left of it if what happened in the two weeks is never told."""


def reads(bought: list[tuple[str, int]], told: dict[tuple[str, int], int] | None = None) -> list[Read]:
    """Records, each of the time of its purchase, or of when it was told."""
    sent = sorted(((told or {}).get(each, each[1]), *each) for each in bought)
    return [
        Read(
            offset,
            customer.encode(),
            happened("order.placed", f"{customer}@{at}", customer, at, amount=20.0),
            time,
        )
        for offset, (time, customer, at) in enumerate(sent)
    ]


class Worker:
    """One worker after another on Ann's partition: what is committed is kept, and nothing else."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.store.open(ANN)
        self.delivery = Acknowledging()
        self.registry = CollectorRegistry()
        self.books = Books(Engine(PLAYBOOK, GivenRisk(0.25), "m1"))
        self.start()

    def start(self) -> None:
        """Begin with what is committed."""
        metrics = Metrics(CollectorRegistry(), [])
        self.timers = Timers()
        self.profiles = Profiles(self.store, metrics, self.timers)
        pins = Pins(self.books, self.store, self.delivery, TOPICS.profiles)  # type: ignore[arg-type]
        pins.begin({ANN: 0})
        processor = processor_of(self.profiles, self.delivery, metrics)
        self.metrics = metrics
        self.pipeline = Pipeline(
            ANN, Means(processor, pins, self.profiles, self.timers), 9_999, lambda: True, lambda: None
        )

    async def restart(self) -> None:
        """Be killed, and begin anew."""
        self.start()
        await self.timers.rebuild([ANN], self.store, lambda: True)

    @property
    def next(self) -> int:
        """Offset of the record to be read next."""
        return max((each for each in self.delivery.next_offsets if each is not None), default=0)

    async def live(self, records: list[Read], until: int, *, crashes: frozenset[int] = frozenset()) -> None:
        """Let time pass, six hours at a time, with what is read in it; die after some of the steps.

        Every other one of those deaths is after something was decided and before it is committed.
        """
        for step, end in enumerate(range(NOON + 6 * HOUR, until + 1, 6 * HOUR)):
            for last in (False, True) if step in crashes else (True,):
                run = [each for each in records[self.next :] if each.timestamp < end]
                if run:
                    ack = SimpleNamespace(ack=lambda: None)
                    await self.pipeline.take(run, Done(1, run[-1].offset), [ack])
                await self.pipeline.fire(end - 1)
                if last or step % 2:
                    self.pipeline.hurry()
                    await self.pipeline.commit()
                if not last:
                    await self.restart()

    def examples(self) -> dict[str, bytes]:
        """What was published of labels, by id: each of them once."""
        found: dict[str, bytes] = {}
        for record in self.delivery.records:
            if record.topic == TOPICS.examples and record.value is not None:
                id_ = example.decode(record.value).id
                assert id_ not in found
                found[id_] = record.value
        return found

    def known(self) -> list[ExampleEvent]:
        """The same, read."""
        return [example.decode(each) for each in self.examples().values()]

    def state(self) -> dict[bytes, bytes]:
        """All that is committed, but for what tells where it was read."""
        kept = {
            key: codec.encode(msgspec.structs.replace(codec.decode(value), applied={}))
            for key, value in self.store.items(ANN)
        }
        return {**kept, ingestion.KEY: self.store.get(ANN, ingestion.KEY) or b""}


def lived(records: list[Read], until: int = END, crashes: frozenset[int] = frozenset()) -> Worker:
    """A worker that has lived through it."""
    worker = Worker()
    with structlog.testing.capture_logs():
        asyncio.run(worker.live(records, until, crashes=crashes))
    return worker


def labels(worker: Worker) -> dict[tuple[str, int], bool]:
    """Labels by customer and when they were seen."""
    return {(each.subject, to_millis(each.data.seen)): each.data.churned for each in worker.known()}


def latest(worker: Worker) -> int:
    """When the last horizon ended of which a label was published, in ms."""
    return max(to_millis(each.time) for each in worker.known())


@pytest.fixture(scope="module")
def whole() -> Worker:
    """A worker without any outage."""
    return lived(reads(LIVES))


@pytest.fixture(scope="module")
def gone() -> Worker:
    """A worker that is never told of the two weeks."""
    return lived(reads(GONE))


def test_labels_wait_while_nothing_comes() -> None:
    """From a day after the last touchpoint on no label is known; before and after it they are."""
    last = max(at for _, at in GONE if at < OUT)
    silent = lived(reads(GONE), BACK - 12 * HOUR)
    known = silent.profiles.ingestion(ANN)

    assert (known.latest <= last, known.hours >= 200, known.outages) == (True, True, ())
    assert latest(silent) <= last + 2 * DAY
    assert silent.timers.partitions_due(BACK - 13 * HOUR, silent.profiles.known) == []
    assert silent.timers.partitions_due(BACK - 13 * HOUR) == [ANN]
    assert (silent.timers.earliest() or 0) < OUT + 2 * DAY
    assert (silent.timers.earliest({ANN}) or END) > BACK - 12 * HOUR


def test_time_stood_still(whole: Worker, gone: Worker) -> None:
    """What waited is known as much later, and of those who would be taken for lost, half are not.

    The others came in the two weeks for the last time: nobody can know.
    """
    (outage,) = gone.profiles.ingestion(ANN).outages
    truth, said = labels(whole), labels(gone)
    delays = {
        (each.subject, to_millis(each.data.seen)): to_millis(each.time) - to_millis(each.data.seen) - 30 * DAY
        for each in gone.known()
    }
    late = [each for each in truth if delays.get(each)]
    without = [
        all(other != customer or at // DAY <= time // DAY or at > time + 30 * DAY for other, at in GONE)
        for customer, time in late
    ]

    assert set(delays.values()) == {0, outage.end - outage.start}
    assert len(late) > 100
    lost = sum(truth[each] for each in late)
    assert sum(without) - lost > 2 * (sum(said[each] for each in late) - lost) > 0


def test_what_is_told_afterwards_counts_as_if_it_had_been_told(whole: Worker) -> None:
    """Two weeks of purchases come at once, with their own times: labels are late, and right."""
    told = {
        each: BACK + number for number, each in enumerate(each for each in LIVES if OUT <= each[1] < BACK)
    }
    worker = lived(reads(LIVES, told))
    truth, said = labels(whole), labels(worker)
    common = truth.keys() & said.keys()

    assert len(common) > 500
    assert [each for each in common if truth[each] != said[each]] == []


@pytest.mark.parametrize("crashes", [range(150, 240), range(0, 456, 7)])
def test_wherever_the_worker_dies_it_comes_to_the_same(gone: Worker, crashes: range) -> None:
    """Killed again and again on the way, each label is published once with the same bytes; so is state."""
    killed = lived(reads(GONE), crashes=frozenset(crashes))

    assert killed.examples() == gone.examples()
    assert killed.state() == gone.state()


def test_a_replay_comes_to_the_same(gone: Worker) -> None:
    """By the time of touchpoints alone, with the partitions that there were, the labels are the same."""
    replay = Replay(Engine(PLAYBOOK, GivenRisk(0.25), "m1"), lambda each: partition_of(each.encode(), 4))
    outcomes = [each for read in reads(GONE) for each in replay.take(decode(read.value or b""))]
    made = [each for outcome in (*outcomes, *replay.finish()) for each in outcome.examples]
    known = {each.id: example.encode(each) for each in made if each.time < GONE[-1][1]}

    assert len(known) > 500
    assert known == {
        each.id: gone.examples()[each.id] for each in gone.known() if to_millis(each.time) < GONE[-1][1]
    }


def test_an_evaluation_comes_to_the_same(gone: Worker) -> None:
    """Of each purchase the label that an evaluation goes by is the worker's, through the outage too."""
    evaluated = Prequential(PLAYBOOK, [GivenRisk(0.25)], 30 * DAY)
    expected = {
        point.time: point.churned for point in evaluated.run(decode(each.value) for each in reads(GONE))
    }
    said = {seen: churned for (_, seen), churned in labels(gone).items() if seen in expected}

    assert evaluated.outages == 1
    assert len(expected) > 500
    assert said == expected


def test_what_is_kept_of_it_survives_and_what_can_not_be_read_is_learned_anew() -> None:
    """Another worker knows what the one before knew; of bytes that are none it begins anew, and says so."""
    worker = lived(reads(GONE), OUT)
    known = worker.profiles.ingestion(ANN)
    asyncio.run(worker.restart())

    assert worker.profiles.ingestion(ANN) == known != STEADY
    assert worker.store.size() == len(worker.state()) - 1

    worker.store.write(ANN, {ingestion.KEY: b"\xc1"}, 0)
    asyncio.run(worker.restart())
    with structlog.testing.capture_logs() as logs:
        assert worker.profiles.ingestion(ANN) == Ingestion()
    assert [each["event"] for each in logs] == [
        "when touchpoints came can't be read: which silences are usual is learned anew"
    ]
