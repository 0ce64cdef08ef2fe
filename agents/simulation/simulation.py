"""Simulation: all records of the history and of the day, and what must become of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

import msgspec

from agents.simulation import flaws
from agents.simulation.customer import Customer
from agents.simulation.day import live_day
from agents.simulation.happening import DAY_START
from agents.simulation.record import Record, record_of
from schemas.timestamp import DAY

CUSTOMERS = 2_000


class Expected(msgspec.Struct, frozen=True):
    """What must become of the records.

    Attributes:
        records: all that are published.
        applied: those that change a profile.
        rejected: those that go to the dead letters, by reason code.
        duplicates: those that were seen before.
        rekeyed: those among the applied that reach their customer's partition by a second way.
    """

    records: int
    applied: int
    rejected: dict[str, int]
    duplicates: int
    rekeyed: int


class Simulation:
    """A hotel group and its shop: the 18 months before a day, and the day.

    Args:
        seed: the same seed gives the same records, byte for byte.
        customers: how many there are.

    Attributes:
        seed: as given.
        customers: as given.
        history: the import from shop and hotels, in order of time.
        day: the day's records, in order of time; a small share of them is flawed.
        expected: what must become of all of them.

    >>> simulation = Simulation(seed=1, customers=20)
    >>> simulation.day == Simulation(seed=1, customers=20).day
    True
    """

    def __init__(self, seed: int = 1, customers: int = CUSTOMERS) -> None:
        self.seed = seed
        self.customers = customers
        self.history: list[Record] = []
        self.day: list[Record] = []
        for number in range(customers):
            customer = Customer(number, seed)
            customer.live_history()
            live_day(customer)
            for happening in customer.happenings:
                if happening.time < DAY_START:
                    self.history.append(record_of(happening))
                elif happening.time < DAY_START + DAY:
                    self.day.append(record_of(happening))
        rejects, duplicates, rekeyed = self._spoil(Random(f"{seed}/flaws"))
        self.history.sort(key=_order)
        self.day.sort(key=_order)
        records = len(self.history) + len(self.day)
        self.expected = Expected(
            records,
            records - sum(rejects.values()) - duplicates,
            dict(sorted(rejects.items())),
            duplicates,
            rekeyed,
        )

    def __iter__(self) -> Iterator[Record]:
        """All records in order of time."""
        yield from self.history
        yield from self.day

    def _spoil(self, random: Random) -> tuple[Counter[str], int, int]:
        """Put the flaws into the day; how many of which there are."""
        rejects: Counter[str] = Counter()
        duplicates = rekeyed = 0
        spoilt: list[Record] = []
        for record in self.day:
            chance = random.random()
            if chance < flaws.DUPLICATES:
                spoilt += record, flaws.duplicate(record, random)
                duplicates += 1
            elif chance < flaws.DUPLICATES + flaws.REJECTS:
                code, broken = flaws.rejected(record, random)
                spoilt += record, broken
                rejects[code] += 1
            elif record.type in flaws.HARMLESS and chance < flaws.DUPLICATES + flaws.REJECTS + flaws.MISKEYED:
                spoilt.append(flaws.miskeyed(record, random))
                rekeyed += 1
            else:
                spoilt.append(record)
        self.day = spoilt
        return rejects, duplicates, rekeyed


def _order(record: Record) -> tuple[int, str]:
    # By id where times are equal, so that the order does not hang on how customers were made.
    return record.at, record.id
