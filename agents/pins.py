"""Pins: which engine decides on which records of a partition, also when they are read once more.

Triggers are on their topics before a run's profiles and offset are committed. A worker that dies in
between leaves the run to another, who has to come to the same, whatever playbook is in force by then. So
another playbook or model holds from an offset on that nobody has decided on yet, and which offset that is
stands in the partition's changelog before the first record behind it is decided on.

Nobody can have decided on what is at or behind the partition's end as of when it was taken over. What is
before it may have been decided on by whoever had it then, and is decided by what was pinned then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from agents.batches import Abandoned, Record, Uncertain
from agents.delivery import Delivery
from agents.playbooks import Playbooks
from agents.tables.store import ProfileStore
from schemas import pin
from schemas.pin import Pin
from stream.engine import Engine

log = structlog.get_logger("dangol.pins")


class Pins:
    """What decides on the partitions of this worker.

    Args:
        playbooks: the engine in force, and those of before.
        store: where the partitions' state is held.
        delivery: what publishes.
        changelog: the changelog topic.
    """

    def __init__(self, playbooks: Playbooks, store: ProfileStore, delivery: Delivery, changelog: str) -> None:
        self._playbooks = playbooks
        self._store = store
        self._delivery = delivery
        self._changelog = changelog
        self._partitions: dict[int, _Partition] = {}

    def begin(self, ends: Mapping[int, int]) -> None:
        """Take over partitions, and forget all others.

        Args:
            ends: the end of each on the touchpoint topic, as of when nobody else could go on with it.

        Raises:
            StateError: a newer program has written a partition's pins, or they can't be read.
        """
        self._partitions = {
            partition: _Partition(self._stored(partition), end) for partition, end in ends.items()
        }

    def _stored(self, partition: int) -> tuple[Pin, ...]:
        stored = self._store.get(partition, pin.KEY)
        if stored is None:
            return ()
        try:
            return pin.decode(stored)
        except msgspec.DecodeError as error:
            log.error(  # noqa: TRY400 - the error is the line
                "what decided on a partition can't be read: if a run is repeated, it is decided anew",
                partition=partition,
                reason=str(error),
            )
            return ()

    def split(self, partition: int, run: Sequence[Any]) -> list[Sequence[Any]]:
        """Parts of a run that each have one engine: where one may end, another part begins."""
        held = self._partitions[partition]
        borders = {each.offset for each in held.pins} | {held.free}
        inside = sorted(border for border in borders if run[0].offset < border <= run[-1].offset)
        parts, rest = [], run
        for border in inside:
            parts.append([record for record in rest if record.offset < border])
            rest = [record for record in rest if record.offset >= border]
        return [part for part in (*parts, rest) if part]

    def is_due(self, partition: int, part: Sequence[Any]) -> bool:
        """Whether another engine than before is to be pinned before a part is decided on.

        All before it has to be committed then: of two pins, the earlier goes with a third.
        """
        held = self._partitions[partition]
        return self._is_outdated(held) and (not held.pins or part[0].offset >= held.free)

    async def engine_for(
        self, partition: int, part: Sequence[Any], at: int, keep_trying: Callable[[], bool]
    ) -> Engine:
        """What decides on a part of a run; if that is another than before, it is pinned first.

        Args:
            partition: whose run it is.
            part: what `split` gave.
            at: timers due at or before it have fired, in ms.
            keep_trying: whether a publish that fails should be tried again.

        Raises:
            Abandoned: `keep_trying` said no.
        """
        held = self._partitions[partition]
        first = part[0].offset
        if self.is_due(partition, part):
            await self._pin(partition, held, first, at, keep_trying)
        held.tried = max(held.tried, part[-1].offset)
        return await self.engine_of(held.governing(first))

    def timed(self, partition: int, until: int) -> list[tuple[Pin | None, int]]:
        """What decides on timers due by `until` (ms): pins, each with the time up to which they are its."""
        pins = self._partitions[partition].pins
        bounds = (*(min(each.at, until) for each in pins[1:]), until)
        return list(zip(pins or (None,), bounds, strict=True))

    async def engine_of(self, pinned: Pin | None) -> Engine:
        """The engine of a pin; where there is none, the one in force."""
        if pinned is None:
            return self._playbooks.engine
        return await self._playbooks.pinned(pinned.playbook, pinned.model)

    def outdated(self) -> list[int]:
        """Partitions that are pinned to another engine than the one in force."""
        return [p for p, held in self._partitions.items() if held.pins and self._is_outdated(held)]

    async def renew(self, partition: int, at: int, keep_trying: Callable[[], bool]) -> None:
        """Pin a partition of which everything has been taken to what is in force.

        Args:
            partition: which.
            at: timers due at or before it have fired, in ms.
            keep_trying: whether a publish that fails should be tried again.

        Raises:
            Abandoned: `keep_trying` said no.
        """
        held = self._partitions[partition]
        if self._is_outdated(held):
            await self._pin(partition, held, held.free, at, keep_trying)

    def _is_outdated(self, held: _Partition) -> bool:
        engine, last = self._playbooks.engine, held.pins[-1] if held.pins else None
        return last is None or (last.playbook, last.model) != (engine.playbook_version, engine.model)

    async def _pin(
        self, partition: int, held: _Partition, first: int, at: int, keep_trying: Callable[[], bool]
    ) -> None:
        """Have what is in force decide from an offset on, once that stands on the changelog."""
        engine = self._playbooks.engine
        # The very first has nothing before it: all timers are its.
        new = Pin(first, at if held.pins else 0, engine.playbook_version, engine.model)
        # What is before the latest pin is done.
        pins = (*held.pins[-1:], new)
        stored = pin.encode(pins)
        record = Record(self._changelog, partition, pin.KEY, stored, [])
        while True:
            try:
                offsets = await self._delivery.commit(partition, [], [record], None, keep_trying)
                break
            except Uncertain:
                # To write the same once more does no harm.
                log.info("an answer was lost: pinning once more", partition=partition)
        if not keep_trying():
            raise Abandoned
        self._store.write(partition, {pin.KEY: stored}, offsets[self._changelog])
        held.pins = pins


class _Partition:
    """What is known of a partition.

    Attributes:
        pins: its pins, the oldest first.
        tried: offset of the last record that we have begun to decide on; -1 for none.
    """

    def __init__(self, pins: Sequence[Pin], end: int) -> None:
        self.pins = tuple(pins)
        self.tried = -1
        self._end = end

    @property
    def free(self) -> int:
        """The first offset that nobody has decided on."""
        return max(self._end, self.tried + 1, self.pins[-1].offset if self.pins else 0)

    def governing(self, offset: int) -> Pin:
        """What decides on a record."""
        return next((each for each in reversed(self.pins) if each.offset <= offset), self.pins[0])
