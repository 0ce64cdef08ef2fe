"""Pipeline: the way of a partition's runs, in two stages that overlap.

First a run is decided: its triggers are published, and seen at once. Then what it changes is committed with
its offset, together with all that was decided while the commit before was under way. A transaction takes
some 30 ms and a decision far less, so nobody's trigger waits for the transaction of others, and there may be
fewer of them. What is decided and not committed yet is at hand for what comes behind it
(`Profiles.anticipate`); where a commit is given up, all behind it is given up as well.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from math import ceil
from typing import Any, NamedTuple

from agents.batches import ASK_SECONDS, Abandoned
from agents.pins import Pins
from agents.tables.profiles import Profiles
from agents.timers import Timers
from agents.touchpoints import TouchpointProcessor
from agents.work import Work

TIMERS_AT_ONCE = 500
"""Customers whose timers fire in one go: a run of touchpoints behind them waits for some 20 ms."""


PACE_SECONDS = 0.25
"""How far commits of a partition are apart where triggers don't wait for them. A commit takes some
ten requests, so at a hundred a second they would take more of a core than the touchpoints; and a crash
publishes the triggers of so long a time once more."""

GOLDEN = 0.618_034
"""Multiples of the golden ratio, without their whole part, lie evenly however many there are."""

LULL_SECONDS = 0.05
"""Where the whole worker has had nothing to decide for so long, a commit need not wait for more."""


class Done(NamedTuple):
    """How far a partition is.

    Attributes:
        epoch: the seek that it was read after.
        offset: of the last record.
    """

    epoch: int
    offset: int


class Means(NamedTuple):
    """What the pipelines of a worker work with.

    Attributes:
        processor: what decides and publishes.
        pins: which engine decides on what.
        profiles: the state.
        timers: whose timers are due when; None where the clock fires none.
    """

    processor: TouchpointProcessor
    pins: Pins
    profiles: Profiles
    timers: Timers | None


class Pipeline:
    """One partition's.

    Args:
        partition: of the touchpoint topic.
        means: what it works with.
        room: records that may be decided and not committed before no more are.
        keep_trying: whether the partition is still ours.
        ready: called when there is something to commit.
        done: how far the partition is.

    Attributes:
        decided: how far runs are decided.
        done: how far they are committed.
        broken: whether it was given up.
        still_ours: whether the partition is.
    """

    def __init__(
        self,
        partition: int,
        means: Means,
        room: int,
        keep_trying: Callable[[], bool],
        ready: Callable[[], None],
        done: Done | None = None,
    ) -> None:
        self.partition = partition
        self.decided = self.done = done
        self.broken = False
        self._given_up: list[str] = []
        self._processor, self._pins, self._profiles, self._timers = means
        self._room = room
        self.still_ours = keep_trying
        self._ready = ready
        self._works: list[Work] = []
        self._ends: list[tuple[Done, Sequence[Any]]] = []
        self._committing = 0
        self._commit_at = 0.0
        self._reached = -1 if done is None else done.offset
        self._waits: list[float] = []
        self._moved = asyncio.Event()
        self._hurry = asyncio.Event()
        self._taken: list[str] = []

    @property
    def has_decided(self) -> bool:
        """Whether there is something to commit."""
        return bool(self._works or self._ends)

    @property
    def waits_since(self) -> float | None:
        """Since when it awaits an answer of the broker, by the monotonic clock in s; None: it does not."""
        return min(self._waits, default=None)

    def keep_trying(self) -> bool:
        """Whether what it is about is still to be done."""
        return not self.broken and self.still_ours()

    async def take(self, run: Sequence[Any], done: Done, events: Iterable[Any]) -> None:
        """Decide a run; that it is committed follows.

        Args:
            run: consecutive records; those that were decided before are left out.
            done: how far the partition is after it.
            events: what to ack once it is committed.

        Raises:
            Abandoned: the partition is not ours any more, or a commit before was given up.
            Uncertain: see `agents.batches.Uncertain`.
            StateError: state can't be read.
        """
        left = [record for record in run if record.offset > self._reached]
        for part in self._pins.split(self.partition, left) if left else ():
            await self._until(self._has_room)
            # All before it is decided, so timers that were due when it was written overtake nothing.
            until = min(part[0].timestamp, _now())
            await self.fire(until)
            if self._pins.is_due(self.partition, part):
                await self._until(self._is_idle)
            engine = await self._pins.engine_for(self.partition, part, until, self.keep_trying)
            self._check()
            await self._announce(self._processor.apply(engine, self.partition, part))
            # Not to be had from `decided`: what is read again may end before what is decided by now.
            self._reached = part[-1].offset
        self.decided = done
        self._ends.append((done, tuple(events)))
        self._ready()

    async def fire(self, until: int) -> None:
        """Fire all timers that are due at or before a time, in ms.

        Raises:
            Abandoned: the partition is not ours any more, or a commit before was given up.
            StateError: state can't be read.
        """
        timers = self._timers
        if timers is None:
            return
        for pinned, bound in self._pins.timed(self.partition, until):
            self._check()
            known = self._profiles.known(self.partition, bound)
            while customers := timers.take_due(self.partition, bound, TIMERS_AT_ONCE, known):
                self._taken = customers
                engine = await self._pins.engine_of(pinned)
                self._check()
                fired = self._processor.apply_timers(engine, self.partition, customers, bound, _now())
                await self._announce(fired)
                self._taken = []

    async def renew(self, until: int) -> None:
        """Have what is in force decide from here on; timers due by `until` (ms) have fired.

        Raises:
            Abandoned: the partition is not ours any more, or a commit before was given up.
        """
        if self.partition in self._pins.outdated():
            await self._until(self._is_idle)
            await self._pins.renew(self.partition, until, self.keep_trying)

    async def commit(self) -> None:
        """Commit what is decided, until nothing is left.

        Raises:
            Abandoned: the partition is not ours any more.
            Uncertain: only the changelog can tell whether timers have fired.
        """
        while self._works or self._ends:
            if self._processor.announces:
                await self._paced()
                self._commit_at = next_turn(self.partition, time.monotonic())
            works, self._works = self._works, []
            ends, self._ends = self._ends, []
            self._committing = _size(works)
            if works:
                # Also where it is broken by now: what is under way may go through, and state has to know.
                with self._waiting():
                    await self._processor.commit(works, self.still_ours)
            self._committing = 0
            for done, events in ends:
                self.done = done
                for event in events:
                    event.ack()
            self._moved.set()

    def hurry(self) -> None:
        """Commit what is decided without waiting for more."""
        self._hurry.set()

    async def _paced(self) -> None:
        """Wait until the next commit may be, or somebody waits for it, or nothing more comes to wait for."""
        while (left := self._commit_at - time.monotonic()) > 0 and not self._hurry.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), min(left, LULL_SECONDS))
            if time.monotonic() - self._processor.decided_at >= LULL_SECONDS:
                break
        self._hurry.clear()

    def break_off(self) -> None:
        """Give up what is not committed, and let nothing more be decided."""
        if self.broken:
            return
        self.broken = True
        self._works, self._ends = [], []
        self._given_up = [*self._taken, *self._profiles.retract(self.partition)]
        self._moved.set()

    def find_timers(self) -> None:
        """After it was broken off, look anew when the timers of those are due of whom something was given up.

        Raises:
            StateError: state can't be read.
        """
        if self._timers is not None:
            self._timers.read(self.partition, self._given_up, self._profiles.store)

    async def _announce(self, work: Work) -> None:
        """Have others see what it sends them; then it may be committed."""
        with self._waiting():
            await self._processor.announce(work, self.keep_trying)
        self._check()
        self._profiles.anticipate(self.partition, work.profiles, work.ingestion)
        self._works.append(work)
        self._ready()

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        since = time.monotonic()
        self._waits.append(since)
        try:
            yield
        finally:
            self._waits.remove(since)

    def _check(self) -> None:
        """Go on only where the state is ours."""
        if not self.keep_trying():
            raise Abandoned

    def _has_room(self) -> bool:
        return self._committing + _size(self._works) < self._room

    def _is_idle(self) -> bool:
        return not (self._works or self._committing)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._check()
            self._moved.clear()
            self.hurry()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), ASK_SECONDS)


def next_turn(partition: int, now: float) -> float:
    """When a partition may commit next: between half and one and a half times `PACE_SECONDS` from now.

    Each partition has its own moment of the pace. If all committed at once, a trigger would have to wait for
    all of their commits, of which each takes 5 ms of the worker.

    >>> [round(next_turn(partition, 100.0) - 100.0, 3) for partition in range(4)]
    [0.25, 0.155, 0.309, 0.214]

    Args:
        partition: whose turn.
        now: in seconds, by any clock.
    """
    phase = partition * GOLDEN % 1.0
    return (ceil(now / PACE_SECONDS + 0.5 - phase) + phase) * PACE_SECONDS


def _size(works: Iterable[Work]) -> int:
    # A run of duplicates changes nobody, and what timers change is no run.
    return sum(max(len(work.run), len(work.profiles)) for work in works)


def _now() -> int:
    return int(time.time() * 1000)
