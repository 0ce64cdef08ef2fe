"""Population: a bounded sample of customers, for what is fitted to all of them without labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zlib import crc32

from schemas.profile import Profile
from schemas.timestamp import DAY

MOST = 4_096
"""Customers kept: enough to tell four parameters to a few percent, in some 400 kB."""


class Population:
    """When the customers of a sample bought: repeats, latest and age, as BG/NBD takes them.

    The sample is chosen by a hash of the customer's id: it doesn't depend on the order in which customers
    come, nor on which worker sees them. When it is full, half of the hashes go.

    >>> from schemas.profile import new_profile
    >>> ann = new_profile("ann")
    >>> ann.active_days, ann.last_active, ann.gap_mean = 3, 20 * DAY, 10.0
    >>> population = Population()
    >>> population.see(ann)
    >>> population.histories(25 * DAY)
    [(2.0, 20.0, 25.0)]
    """

    def __init__(self) -> None:
        self._below = 1 << 32
        self._seen: dict[str, tuple[int, float, int]] = {}

    def see(self, profile: Profile) -> None:
        """Note a customer who was active just now."""
        customer = profile.customer
        if customer not in self._seen and crc32(customer.encode()) >= self._below:
            return
        repeats = profile.active_days - 1
        self._seen[customer] = (repeats, profile.gap_mean * repeats, profile.last_active)
        while len(self._seen) > MOST:
            self._below //= 2
            self._seen = {
                name: seen for name, seen in self._seen.items() if crc32(name.encode()) < self._below
            }

    def histories(self, now: int) -> list[tuple[float, float, float]]:
        """For each customer of the sample repeats, days from the first to the latest, and until now."""
        return [
            (float(repeats), latest, latest + max(now - last_active, 0) / DAY)
            for repeats, latest, last_active in self._seen.values()
        ]

    def snapshot(self) -> dict[str, Any]:
        """The sample, as plain numbers."""
        return {"below": self._below, "seen": {name: list(seen) for name, seen in self._seen.items()}}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take on a snapshot."""
        self._below = snapshot["below"]
        self._seen = {
            name: (repeats, latest, last) for name, (repeats, latest, last) in snapshot["seen"].items()
        }
