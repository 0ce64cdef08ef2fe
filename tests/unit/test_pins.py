"""Pins: which engine decides on which records, as playbooks change and workers come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from agents.batches import Abandoned, Uncertain
from agents.pins import Pins
from agents.tables.memory import MemoryStore
from schemas import pin
from tests.flow.test_touchpoints import Acknowledging


class Books:
    """Playbooks whose engines are their names."""

    def __init__(self) -> None:
        self.engine = SimpleNamespace(playbook_version="a@1", model="m")

    def apply(self, version: str) -> None:
        """Put another one in force."""
        self.engine = SimpleNamespace(playbook_version=version, model="m")

    async def pinned(self, playbook: str, model: str) -> Any:
        """The engine of a playbook."""
        return SimpleNamespace(playbook_version=playbook, model=model)


class Unsure(Acknowledging):
    """A delivery whose first answer is lost."""

    async def commit(self, *told: Any) -> dict[str, int]:
        """Lose the answer once."""
        if not self.offset:
            self.offset = 1
            raise Uncertain
        return await super().commit(*told)


class Bench:
    """The pins of a worker, over a store that others take over."""

    def __init__(self, store: MemoryStore | None = None, delivery: Acknowledging | None = None) -> None:
        self.store = store or MemoryStore()
        self.store.open(0)
        self.books = Books()
        self.delivery = delivery or Acknowledging()
        self.pins = Pins(self.books, self.store, self.delivery, "cx.profiles.v1")  # type: ignore[arg-type]

    def begin(self, end: int) -> Bench:
        """Take partition 0 over, which ends there."""
        self.pins.begin({0: end})
        return self

    def taken_over(self, end: int, version: str) -> Bench:
        """Another worker that takes the partition over, with a playbook in force."""
        other = Bench(self.store)
        other.books.apply(version)
        return other.begin(end)

    def run(self, first: int, last: int, keep_trying: Callable[[], bool] = lambda: True) -> list[Any]:
        """Decide on a run: which playbook on which records. Each record's time is 10 × its offset."""
        run = [SimpleNamespace(offset=offset, timestamp=10 * offset) for offset in range(first, last + 1)]

        async def decide() -> list[Any]:
            told = []
            for part in self.pins.split(0, run):
                engine = await self.pins.engine_for(0, part, part[0].timestamp, keep_trying)
                told.append((engine.playbook_version, part[0].offset, part[-1].offset))
            return told

        return asyncio.run(decide())

    def timers(self, until: int) -> list[tuple[Any, int]]:
        """Which playbook decides on timers, up to when."""
        return [(each and each.playbook, bound) for each, bound in self.pins.timed(0, until)]

    @property
    def stored(self) -> list[tuple[int, int, str]]:
        """The pins in the partition's state."""
        value = self.store.get(0, pin.KEY)
        return [] if value is None else [(p.offset, p.at, p.playbook) for p in pin.decode(value)]


def test_the_first_run_is_pinned_before_it_is_decided_on() -> None:
    """What decides stands on the changelog first, in a transaction without an offset."""
    bench = Bench().begin(0)

    assert bench.run(0, 4) == [("a@1", 0, 4)]
    assert bench.stored == [(0, 0, "a@1")]
    (written,) = bench.delivery.records
    assert (written.topic, written.partition, written.key) == ("cx.profiles.v1", 0, pin.KEY)
    assert bench.delivery.next_offsets == [None]


def test_what_does_not_change_is_written_once() -> None:
    """Run after run, and after a restart."""
    bench = Bench().begin(0)
    bench.run(0, 4)
    bench.run(5, 9)
    again = bench.taken_over(10, "a@1")

    assert again.run(10, 12) == [("a@1", 10, 12)]
    assert (len(bench.delivery.records), again.delivery.records) == (1, [])


def test_another_playbook_decides_from_the_next_run_on() -> None:
    """And timers that were due until then are the old one's."""
    bench = Bench().begin(0)
    bench.run(0, 4)
    bench.books.apply("b@2")

    assert bench.run(5, 9) == [("b@2", 5, 9)]
    assert bench.stored == [(0, 0, "a@1"), (5, 50, "b@2")]
    assert bench.timers(40) == [("a@1", 40), ("b@2", 40)]
    assert bench.timers(70) == [("a@1", 50), ("b@2", 70)]


def test_a_run_that_was_begun_is_decided_as_it_was() -> None:
    """It was given up and is read again after a change: only what nobody has seen is the new one's."""
    bench = Bench().begin(0)
    bench.run(0, 4)
    bench.run(5, 9)
    bench.books.apply("b@2")

    assert bench.run(5, 7) == [("a@1", 5, 7)]
    assert bench.run(8, 12) == [("a@1", 8, 9), ("b@2", 10, 12)]


def test_whoever_takes_over_decides_as_before_up_to_the_end() -> None:
    """Up to what was there when the partition was taken over, the one before may have come, and crashed."""
    bench = Bench().begin(0)
    bench.run(0, 4)
    other = bench.taken_over(8, "b@2")

    assert other.run(5, 6) == [("a@1", 5, 6)]
    assert other.stored == [(0, 0, "a@1")]
    assert other.run(7, 11) == [("a@1", 7, 7), ("b@2", 8, 11)]
    assert other.stored == [(0, 0, "a@1"), (8, 80, "b@2")]


def test_a_crash_behind_a_change_repeats_both() -> None:
    """A third one, with a third playbook, decides each record as it was decided."""
    bench = Bench().begin(0)
    bench.run(0, 4)
    bench.books.apply("b@2")
    bench.run(5, 9)
    third = bench.taken_over(12, "c@3")

    assert third.run(3, 13) == [("a@1", 3, 4), ("b@2", 5, 11), ("c@3", 12, 13)]


def test_changes_back_and_forth_are_changes() -> None:
    """The same playbook again is another pin."""
    bench = Bench().begin(0)
    bench.run(0, 0)
    for first, version in ((1, "b@2"), (2, "a@1")):
        bench.books.apply(version)
        bench.run(first, first)

    assert bench.stored == [(1, 10, "b@2"), (2, 20, "a@1")]


def test_an_idle_partition_is_pinned_without_a_run() -> None:
    """Its timers are the new playbook's from then on, and the next record too."""
    bench = Bench().begin(3)
    bench.run(0, 4)
    idle = bench.pins.outdated()
    bench.books.apply("b@2")
    outdated = bench.pins.outdated()
    asyncio.run(bench.pins.renew(0, 1_000, lambda: True))

    assert (idle, outdated, bench.pins.outdated()) == ([], [0], [])
    assert bench.stored == [(0, 0, "a@1"), (5, 1_000, "b@2")]
    assert bench.run(5, 6) == [("b@2", 5, 6)]
    assert bench.timers(2_000) == [("a@1", 1_000), ("b@2", 2_000)]


def test_a_partition_that_was_never_decided_on_waits_for_its_first_run() -> None:
    """Nothing is written for topics on which nothing happens."""
    bench = Bench().begin(0)

    assert (bench.pins.outdated(), bench.timers(5), bench.stored) == ([], [(None, 5)], [])


def test_another_model_is_another_pin() -> None:
    """What was scored by one is scored by it again."""
    bench = Bench().begin(0)
    bench.run(0, 4)
    bench.books.engine = SimpleNamespace(playbook_version="a@1", model="n")

    bench.run(5, 6)

    value = bench.store.get(0, pin.KEY)
    assert [each.model for each in pin.decode(value or b"")] == ["m", "n"]


def test_a_lost_answer_is_asked_for_by_writing_again() -> None:
    """Written twice it says the same."""
    bench = Bench(delivery=Unsure()).begin(0)

    assert bench.run(0, 1) == [("a@1", 0, 1)]
    assert bench.stored == [(0, 0, "a@1")]


def test_nothing_is_decided_on_once_the_partition_has_gone() -> None:
    """Without the pin there is no decision."""
    bench = Bench().begin(0)

    with pytest.raises(Abandoned):
        bench.run(0, 1, lambda: False)
    assert bench.stored == []


def test_pins_that_cannot_be_read_are_told() -> None:
    """The worker goes on by what is in force, and pins it anew."""
    bench = Bench()
    bench.store.write(0, {pin.KEY: b"\xc1"}, 0)
    with capture_logs() as logs:
        bench.begin(5)

    assert [line["log_level"] for line in logs] == ["error"]
    assert bench.run(3, 4) == [("a@1", 3, 4)]
    assert bench.stored == [(3, 0, "a@1")]


def test_records_are_what_they_were() -> None:
    """To split a run changes neither its records nor their order."""
    bench = Bench().begin(4)
    run: Sequence[Any] = [SimpleNamespace(offset=offset, timestamp=0) for offset in (1, 3, 5, 9)]
    parts = bench.pins.split(0, run)

    assert [[record.offset for record in part] for part in parts] == [[1, 3], [5, 9]]
