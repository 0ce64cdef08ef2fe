"""Recommender: what everything that recommends has to be able to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from schemas.profile import Profile


class Recommender(Protocol):
    """Recommends items; it learns from what was taken, but never while the engine decides.

    So the same version says the same of the same profile, whenever and wherever it is asked.
    """

    @property
    def version(self) -> str:
        """Which one it is, and of which data; stands on every trigger that it led to."""
        ...

    @property
    def because(self) -> str:
        """Why it recommends what it does, in one word that may be said to the customer."""
        ...

    def among(self, segment: str) -> str:
        """Among whom it is so, of what it recommends to a segment."""
        ...

    def recommend(self, profile: Profile, segment: str) -> Iterator[tuple[str, float]]:
        """Items with a score from 0 to 1, the best one first, without end but that of what it knows.

        It is the caller's to leave out what the customer does not want, and to stop when there are enough.

        Args:
            profile: the customer's.
            segment: the segment that the customer is in.
        """
        ...

    def observe(self, item: str, segment: str) -> None:
        """Learn that someone of a segment took an item."""
        ...
