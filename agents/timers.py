"""Timers: which customers' timers are due next, by partition.

A timer is part of its customer's profile (stream/timers.py); what is here is only the way to find the
next one without asking every profile: rebuilt when partitions are taken over, kept up as runs change
profiles, and bounded by the profiles that have timers. When one may fire is up to agents/intake.py.
The timers of labels stand apart, as they wait where it is not known whether there is an outage.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from agents.batches import Abandoned
from agents.tables.store import ProfileStore
from schemas.profile import Profile
from schemas.timer import Timer, timers_in
from stream.timers import CHURN

SLICE = 5_000
"""Profiles looked at in a row when partitions are taken over: some ms, so that heartbeats are answered."""

SPARE = 1_000
"""Entries called off that a heap may hold beyond as many as are valid, before it is made anew."""


def _at_once(_: int, until: int) -> int:
    return until


class Timers:
    """The earliest timer of each customer of this worker's partitions, and that of the labels.

    >>> from schemas.profile import new_profile
    >>> from schemas.timer import Timer
    >>> ann = new_profile("ann")
    >>> ann.timers = (Timer(700, "room-key", "b-1", "e-1"),)
    >>> timers = Timers()
    >>> timers.note(0, {"ann": ann})
    >>> timers.earliest(), timers.partitions_due(700), timers.take_due(0, 700, 10)
    (700, [0], ['ann'])
    """

    def __init__(self) -> None:
        self._partitions: dict[int, _Heaps] = {}

    async def rebuild(
        self, partitions: Iterable[int], store: ProfileStore, keep_trying: Callable[[], bool]
    ) -> None:
        """Find all timers of these partitions in the store, and forget all others.

        Raises:
            Abandoned: `keep_trying` said no.
        """
        self._partitions = {}
        for partition in sorted(partitions):
            heaps = self._partitions[partition] = _Heaps()
            for number, (key, stored) in enumerate(store.items(partition), start=1):
                if timers := timers_in(stored):
                    heaps.note(key.decode(), timers)
                if number % SLICE == 0:
                    await asyncio.sleep(0)
                    if not keep_trying():
                        raise Abandoned

    def read(self, partition: int, customers: Iterable[str], store: ProfileStore) -> None:
        """Take note of what the store says of these customers."""
        heaps = self._partitions.setdefault(partition, _Heaps())
        for customer in customers:
            stored = store.get(partition, customer.encode())
            heaps.note(customer, () if stored is None else timers_in(stored))

    def note(self, partition: int, profiles: Mapping[str, Profile]) -> None:
        """Take note of profiles that have changed, by customer."""
        heaps = self._partitions.get(partition)
        if heaps is None:
            heaps = self._partitions[partition] = _Heaps()
        for customer, profile in profiles.items():
            heaps.note(customer, profile.timers)

    def earliest(self, waiting: Collection[int] = ()) -> int | None:
        """When the very next timer is due, in ms; None where there is none.

        Args:
            waiting: partitions whose labels wait; theirs are left out.
        """
        return min(
            (
                at
                for partition, heaps in self._partitions.items()
                for heap in ((heaps.others,) if partition in waiting else (heaps.others, heaps.labels))
                if (at := heap.earliest()) is not None
            ),
            default=None,
        )

    def partitions_due(self, until: int, known: Callable[[int, int], int] = _at_once) -> list[int]:
        """Partitions with timers that are due at or before a time.

        Args:
            until: the time, in ms.
            known: up to when labels are known, of a partition and at that time, in ms.
        """
        return [
            partition
            for partition, heaps in self._partitions.items()
            if heaps.others.is_due(until)
            or (heaps.labels.is_due(until) and heaps.labels.is_due(known(partition, until)))
        ]

    def take_due(self, partition: int, until: int, limit: int, known: int | None = None) -> list[str]:
        """Take out customers who have a timer due at or before a time; of each kind the earliest first.

        They come back when their profile is noted again, without the timers that have fired.

        Args:
            partition: of which partition.
            until: the time, in ms.
            limit: how many customers at most.
            known: the same time for labels, where they wait.
        """
        heaps = self._partitions.get(partition)
        if heaps is None:
            return []
        taken = heaps.others.take_due(until, limit)
        return taken + heaps.labels.take_due(until if known is None else known, limit - len(taken))


class _Heaps:
    """The timers of one partition's customers: those of labels, and the earliest of the others."""

    def __init__(self) -> None:
        self.others = _Heap()
        self.labels = _Heap()

    def note(self, customer: str, timers: Sequence[Timer]) -> None:
        if not timers:
            self.others.due.pop(customer, None)
            self.labels.due.pop(customer, None)
            return
        other = label = None
        for timer in timers:
            if timer.name == CHURN:
                label = timer.due
            elif other is None:
                other = timer.due
        self.others.put(customer, other)
        self.labels.put(customer, label)


class _Heap:
    """The earliest timers of one partition's customers; entries that hold no more are passed over.

    Attributes:
        due: when each customer's earliest timer is due: only what stands here holds.
    """

    def __init__(self) -> None:
        self.due: dict[str, int] = {}
        self._entries: list[tuple[int, str]] = []

    def put(self, customer: str, at: int | None) -> None:
        if self.due.get(customer) == at:
            return
        if at is None:
            del self.due[customer]
            return
        self.due[customer] = at
        heapq.heappush(self._entries, (at, customer))
        if len(self._entries) > 2 * len(self.due) + SPARE:
            self._entries = [(at, customer) for customer, at in self.due.items()]
            heapq.heapify(self._entries)

    def earliest(self) -> int | None:
        entries, due = self._entries, self.due
        while entries and due.get(entries[0][1]) != entries[0][0]:
            heapq.heappop(entries)
        return entries[0][0] if entries else None

    def is_due(self, until: int) -> bool:
        return (at := self.earliest()) is not None and at <= until

    def take_due(self, until: int, limit: int) -> list[str]:
        taken: list[str] = []
        while len(taken) < limit and self.is_due(until):
            _, customer = heapq.heappop(self._entries)
            del self.due[customer]
            taken.append(customer)
        return taken
