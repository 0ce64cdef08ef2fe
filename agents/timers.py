"""Timers: which customers' timers are due next, by partition.

A timer is part of its customer's profile (stream/timers.py); what is here is only the way to find the
next one without asking every profile: rebuilt when partitions are taken over, kept up as runs change
profiles, and bounded by the profiles that have timers. When one may fire is up to agents/app.py.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable, Mapping

from agents.batches import Abandoned
from agents.tables.store import ProfileStore
from schemas.profile import Profile, first_due

SLICE = 5_000
"""Profiles looked at in a row when partitions are taken over: some ms, so that heartbeats are answered."""

SPARE = 1_000
"""Entries called off that a heap may hold beyond as many as are valid, before it is made anew."""


class Timers:
    """The earliest timer of each customer of this worker's partitions.

    >>> from schemas.profile import Timer, new_profile
    >>> ann = new_profile("ann")
    >>> ann.timers = (Timer(700, "room-key", "b-1", "e-1"),)
    >>> timers = Timers()
    >>> timers.note(0, {"ann": ann})
    >>> timers.earliest(), timers.partitions_due(700), timers.take_due(0, 700, 10)
    (700, [0], ['ann'])
    """

    def __init__(self) -> None:
        self._partitions: dict[int, _Heap] = {}

    async def rebuild(
        self, partitions: Iterable[int], store: ProfileStore, keep_trying: Callable[[], bool]
    ) -> None:
        """Find all timers of these partitions in the store, and forget all others.

        Raises:
            Abandoned: `keep_trying` said no.
        """
        self._partitions = {}
        for partition in sorted(partitions):
            heap = self._partitions[partition] = _Heap()
            for number, (key, stored) in enumerate(store.items(partition), start=1):
                if (due := first_due(stored)) is not None:
                    heap.put(key.decode(), due)
                if number % SLICE == 0:
                    await asyncio.sleep(0)
                    if not keep_trying():
                        raise Abandoned

    def read(self, partition: int, customers: Iterable[str], store: ProfileStore) -> None:
        """Take note of what the store says of these customers."""
        heap = self._partitions.setdefault(partition, _Heap())
        for customer in customers:
            stored = store.get(partition, customer.encode())
            due = None if stored is None else first_due(stored)
            if due is None:
                heap.due.pop(customer, None)
            else:
                heap.put(customer, due)

    def note(self, partition: int, profiles: Mapping[str, Profile]) -> None:
        """Take note of profiles that have changed, by customer."""
        heap = self._partitions.get(partition)
        for customer, profile in profiles.items():
            if profile.timers:
                if heap is None:
                    heap = self._partitions[partition] = _Heap()
                heap.put(customer, profile.timers[0].due)
            elif heap is not None:
                heap.due.pop(customer, None)

    def earliest(self) -> int | None:
        """When the very next timer is due, in ms; None where there is none."""
        return min(
            (at for heap in self._partitions.values() if (at := heap.earliest()) is not None), default=None
        )

    def partitions_due(self, until: int) -> list[int]:
        """Partitions with timers that are due at or before a time, in ms."""
        return [
            p for p, heap in self._partitions.items() if (at := heap.earliest()) is not None and at <= until
        ]

    def take_due(self, partition: int, until: int, limit: int) -> list[str]:
        """Take out customers whose earliest timer is due at or before a time (ms), the earliest first.

        They come back when their profile is noted again, without the timers that have fired.
        """
        heap = self._partitions.get(partition)
        taken: list[str] = []
        while heap is not None and len(taken) < limit and (at := heap.earliest()) is not None and at <= until:
            taken.append(heap.pop())
        return taken


class _Heap:
    """The earliest timers of one partition's customers; entries that hold no more are passed over.

    Attributes:
        due: when each customer's earliest timer is due: only what stands here holds.
    """

    def __init__(self) -> None:
        self.due: dict[str, int] = {}
        self._entries: list[tuple[int, str]] = []

    def put(self, customer: str, at: int) -> None:
        if self.due.get(customer) == at:
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

    def pop(self) -> str:
        """The customer of the earliest timer, who is taken out."""
        _, customer = heapq.heappop(self._entries)
        del self.due[customer]
        return customer
