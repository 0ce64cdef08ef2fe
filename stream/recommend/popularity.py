"""Popularity: what most of a segment take. Whatever recommends better has to beat it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b

import msgspec

from schemas.families.recommendation import EVERYONE
from schemas.profile import Profile


class Popularity:
    """Counts of items by segment; a segment without a table has that of everyone.

    Args:
        counts: how often each item was taken, by segment.

    >>> popularity = Popularity({"everyone": {"robe": 3, "soap": 1}})
    >>> list(popularity.recommend(Profile(1, "ann"), "families"))
    [('robe', 0.75), ('soap', 0.25)]
    """

    because = "popular"

    def __init__(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        self.counts = {segment: dict(items) for segment, items in counts.items()}
        self._ranked: dict[str, tuple[tuple[str, float], ...]] = {}
        self._version: str | None = None

    @property
    def version(self) -> str:
        """`popularity@` and a digest of the counts."""
        if self._version is None:
            counts = msgspec.json.encode(self.counts, order="deterministic")
            self._version = f"popularity@{blake2b(counts, digest_size=4).hexdigest()}"
        return self._version

    def among(self, segment: str) -> str:
        """The table that a segment goes by."""
        return segment if segment in self.counts else EVERYONE

    def recommend(self, profile: Profile, segment: str) -> Iterator[tuple[str, float]]:
        """Items with their share of the table, the most popular first; of two alike the lesser name."""
        table = self.among(segment)
        if table not in self._ranked:
            counts = self.counts.get(table, {})
            total = sum(counts.values())
            ranked = sorted((entry for entry in counts.items() if entry[1] > 0), key=lambda e: (-e[1], e[0]))
            self._ranked[table] = tuple((item, round(count / total, 6)) for item, count in ranked)
        yield from self._ranked[table]

    def observe(self, item: str, segment: str) -> None:
        """Count an item for a segment, and for everyone."""
        for table in {segment, EVERYONE}:
            counts = self.counts.setdefault(table, {})
            counts[item] = counts.get(item, 0) + 1
        self._ranked.clear()
        self._version = None
