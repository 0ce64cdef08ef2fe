"""The pipeline of a partition: what is decided while the commit before is under way, without a broker."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from agents import pipeline
from agents.batches import Abandoned, Record
from agents.metrics import Metrics
from agents.pins import Pins
from agents.pipeline import Done, Means, Pipeline
from agents.tables.memory import MemoryStore
from agents.tables.profiles import Profiles
from agents.timers import Timers
from schemas import pin
from schemas import profile as codec
from stream.engine import Engine
from tests.flow.test_touchpoints import ANN, HOUR, TOPICS, Acknowledging, Read, happened, processor_of
from tests.hotel import NOON, engine


class Slow(Acknowledging):
    """A delivery whose commits wait until they are let go on, or fail."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()
        self.failure: Exception | None = None

    async def commit(
        self,
        partition: int,
        records: Sequence[Record],
        changes: Sequence[Record],
        next_offset: int | None,
        keep_trying: Callable[[], bool],
    ) -> dict[str, int]:
        """Keep what changes, once the gate is open."""
        self.asked.set()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return await super().commit(partition, records, changes, next_offset, keep_trying)


class Books:
    """Playbooks of which one is in force."""

    def __init__(self, decides: Engine) -> None:
        self.engine = decides

    async def pinned(self, playbook: str, model: str) -> Engine:
        """The one in force: there is but one."""
        return self.engine


class Line:
    """Ann's partition, with its pipeline and all that it works with; commits are made by `go_on`."""

    def __init__(self, room: int = 2_000) -> None:
        metrics = Metrics(CollectorRegistry(), ["complaint.opened", "page.viewed"])
        self.store = MemoryStore()
        self.store.open(ANN)
        self.delivery = Slow()
        self.timers = Timers()
        self.profiles = Profiles(self.store, metrics, self.timers)
        self.books = Books(engine())
        pins = Pins(self.books, self.store, self.delivery, TOPICS.profiles)  # type: ignore[arg-type]
        pins.begin({ANN: 0})
        self.processor = processor_of(self.profiles, self.delivery, metrics)
        means = Means(self.processor, pins, self.profiles, self.timers)
        self.acked: list[int] = []
        self.ours = True
        self.pipeline = Pipeline(ANN, means, room, lambda: self.ours, lambda: None)

    async def take(self, *run: Read) -> None:
        """Decide a run."""
        offset = run[-1].offset
        event = SimpleNamespace(ack=lambda: self.acked.append(offset))
        await self.pipeline.take(run, Done(1, offset), [event])

    async def held(self) -> asyncio.Task[None]:
        """A commit that is under way until the gate opens."""
        self.delivery.gate.clear()
        self.delivery.asked.clear()
        committing = asyncio.create_task(self.pipeline.commit())
        await self.delivery.asked.wait()
        return committing

    def sent(self, topic: str) -> list[str]:
        """Touchpoints that records of a topic are about, in order."""
        found = [msgspec.json.decode(r.value) for r in self.delivery.records if r.topic == topic and r.value]
        return [each["causationid"] for each in found]

    def decided(self) -> list[str]:
        """Ids of the touchpoints and timers on which decisions were published, in order."""
        return self.sent(TOPICS.decisions)

    def fired(self) -> list[str]:
        """Ids of the touchpoints whose triggers others have seen, in order."""
        return self.sent(TOPICS.trigger("suppression"))

    def stored(self) -> int | None:
        """How many touchpoints Ann's stored profile knows."""
        value = self.store.get(ANN, b"ann")
        return None if value is None else codec.decode(value).touchpoints


def complaint(offset: int, time: int = NOON) -> Read:
    """Ann complains; the touchpoint's id is its offset."""
    id_ = str(offset)
    return Read(offset, b"ann", happened("complaint.opened", id_, time=time, issue=f"i{id_}"), time)


def page(offset: int) -> Read:
    """Ann looks at a page."""
    return Read(offset, b"ann", happened("page.viewed", str(offset)))


def run(story: Callable[[Line], Coroutine[Any, Any, Any]], room: int = 2_000) -> Any:
    """What comes of a story."""

    async def told() -> Any:
        async with asyncio.timeout(20):
            return await story(Line(room))

    return asyncio.run(told())


def test_triggers_do_not_wait_for_the_commit_before() -> None:
    """While the first run's commit is under way, the second one's trigger is seen, its decision not yet."""

    async def story(line: Line) -> tuple[Any, ...]:
        await line.take(page(0))
        committing = await line.held()
        await line.take(complaint(1))
        seen = line.fired(), line.decided(), line.stored(), list(line.acked)
        line.delivery.gate.set()
        await committing
        return *seen, line.fired(), line.decided(), line.stored(), line.acked

    assert run(story) == (["1"], [], None, [], ["1"], ["1"], 2, [0, 1])


def test_a_run_knows_what_was_decided_before_it() -> None:
    """Also where that is not committed: the second touchpoint counts on top of the first, once."""

    async def story(line: Line) -> tuple[Any, ...]:
        await line.take(page(0))
        await line.take(page(1), page(2))
        ahead = line.profiles.get(ANN, "ann")
        before = line.stored()
        await line.pipeline.commit()
        return ahead and ahead.touchpoints, before, line.stored()

    assert run(story) == (3, None, 3)


def test_what_was_decided_meanwhile_is_committed_together() -> None:
    """One commit for all of it, with each profile once and the last offset; then all is acked."""

    async def story(line: Line) -> tuple[Any, ...]:
        await line.take(page(0))
        committing = await line.held()
        for offset in (1, 2, 3):
            await line.take(page(offset))
        line.delivery.gate.set()
        await committing
        changes = [r.key for r in line.delivery.records if r.topic == TOPICS.profiles and r.key != pin.KEY]
        return line.delivery.next_offsets, changes, line.acked, line.stored()

    # The very first is the pin of what decides.
    assert run(story) == ([None, 1, 4], [b"ann", b"ann"], [0, 1, 2, 3], 4)


def test_it_knows_since_when_it_waits_for_an_answer() -> None:
    """From the moment that a commit was handed over until it is answered, and not before or after."""

    async def story(line: Line) -> tuple[Any, ...]:
        began = time.monotonic()
        await line.take(page(0))
        before = line.pipeline.waits_since
        committing = await line.held()
        since = line.pipeline.waits_since
        line.delivery.gate.set()
        await committing
        known = since is not None and began <= since <= time.monotonic()
        return before, known, line.pipeline.waits_since

    assert run(story) == (None, True, None)


def test_what_is_given_up_leaves_no_trace() -> None:
    """Where a commit is given up, all decided behind it is, and state is as it was before."""

    async def story(line: Line) -> tuple[Any, ...]:
        await line.take(page(0))
        await line.pipeline.commit()
        await line.take(page(1))
        line.delivery.failure = Abandoned()
        with pytest.raises(Abandoned):
            await line.pipeline.commit()
        line.pipeline.break_off()
        with pytest.raises(Abandoned):
            await line.take(page(2))
        line.delivery.failure = None
        await line.pipeline.commit()
        known = line.profiles.get(ANN, "ann")
        return known and known.touchpoints, line.stored(), line.acked, line.pipeline.done

    assert run(story) == (1, 1, [0], Done(1, 0))


def test_timers_of_what_is_given_up_are_found_again() -> None:
    """One that was taken out to fire is due as before; one that was set by what is given up is not there."""

    async def story(line: Line) -> tuple[Any, ...]:
        await line.take(complaint(0))
        await line.pipeline.commit()
        due = line.timers.earliest()
        await line.pipeline.fire(NOON + HOUR)
        fired = line.timers.earliest()
        line.pipeline.break_off()
        line.pipeline.find_timers()
        return due == line.timers.earliest(), fired

    assert run(story) == (True, None)


def test_a_timer_knows_what_was_decided_before_it() -> None:
    """A complaint that was closed by what is not committed yet is not made good any more."""

    async def story(line: Line) -> list[str]:
        await line.take(complaint(0))
        await line.pipeline.commit()
        closed = happened("complaint.closed", "1", time=NOON + 1, issue="i0")
        await line.take(Read(1, b"ann", closed, NOON + 1))
        await line.pipeline.fire(NOON + HOUR)
        await line.pipeline.commit()
        return line.decided()

    assert run(story) == ["0", "1"]


def test_only_so_much_is_decided_ahead() -> None:
    """Beyond the room, a run waits until something is committed."""

    async def story(line: Line) -> tuple[bool, bool]:
        line.delivery.gate.set()
        await line.take(page(0), page(1))
        waiting = asyncio.create_task(line.take(page(2)))
        await asyncio.sleep(0.05)
        before = waiting.done()
        await line.pipeline.commit()
        await waiting
        return before, line.pipeline.decided == Done(1, 2)

    assert run(story, room=2) == (False, True)


def test_who_waits_for_room_waits_for_no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits are apart as long as nobody waits for them; a run that does is let in at once."""
    monkeypatch.setattr(pipeline, "PACE_SECONDS", 3600.0)
    monkeypatch.setattr(pipeline, "LULL_SECONDS", 3600.0)

    async def story(line: Line) -> tuple[int | None, int | None]:
        await line.take(page(0), page(1))
        await line.pipeline.commit()
        await line.take(page(2), page(3))
        committing = asyncio.create_task(line.pipeline.commit())
        await asyncio.sleep(0.05)
        before = line.stored()
        await line.take(page(4), page(5))
        line.pipeline.hurry()
        await committing
        await line.pipeline.commit()
        return before, line.stored()

    assert run(story, room=2) == (2, 6)


def test_where_nothing_more_comes_a_commit_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits are apart where more is being decided, on whatever partition; in a lull there is no need."""
    monkeypatch.setattr(pipeline, "PACE_SECONDS", 3600.0)

    async def story(line: Line) -> tuple[bool, int | None]:
        await line.take(page(0))
        await line.pipeline.commit()
        await line.take(page(1))
        committing = asyncio.create_task(line.pipeline.commit())
        # Something was just decided, however long a step takes here.
        line.processor.decided_at = math.inf
        await asyncio.sleep(4 * pipeline.LULL_SECONDS)
        before = committing.done()
        line.processor.decided_at = time.monotonic()
        await committing
        return before, line.stored()

    assert run(story) == (False, 2)


def test_another_playbook_waits_until_all_before_it_is_committed() -> None:
    """Its pin names the offset from which on it decides, and what is before that is done by then."""

    async def story(line: Line) -> tuple[Any, ...]:
        await line.take(page(0))
        other = engine()
        other.playbook_version = "other@1"
        line.books.engine = other
        waiting = asyncio.create_task(line.take(page(1)))
        await asyncio.sleep(0.05)
        before = waiting.done(), list(line.delivery.next_offsets)
        await line.pipeline.commit()
        await waiting
        stored = pin.decode(line.store.get(ANN, pin.KEY) or b"")
        return *before, [(each.offset, each.playbook == "other@1") for each in stored]

    assert run(story) == (False, [None], [(0, False), (1, True)])


def test_a_run_is_decided_once_though_it_is_read_again() -> None:
    """What is read again in other runs, because some were lost, is left out as far as it is decided."""

    async def story(line: Line) -> tuple[Any, ...]:
        await line.take(page(0), page(1), Read(2, b"ann", b"no json"))
        await line.take(page(0), page(1))
        await line.take(Read(2, b"ann", b"no json"), page(3))
        await line.pipeline.commit()
        letters = [r.key for r in line.delivery.records if r.topic == TOPICS.dead_letters]
        return line.stored(), letters, line.delivery.next_offsets, line.acked, line.pipeline.done

    assert run(story) == (3, [b"ann"], [None, 4], [2, 1, 3], Done(1, 3))


def test_nothing_is_begun_where_the_partition_is_not_ours() -> None:
    """With its state gone there is nothing to decide on, and nothing is published."""

    async def story(line: Line) -> list[Record]:
        line.ours = False
        line.store.drop([ANN])
        with pytest.raises(Abandoned):
            await line.take(page(0))
        return line.delivery.records

    assert run(story) == []
