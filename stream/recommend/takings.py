"""Takings: how often each item was bought in the past; a playbook's `popularity` is made of it."""

from __future__ import annotations

from collections import Counter

from schemas.families.recommendation import EVERYONE, MAX_ITEMS_RANKED, RecommendationPlay
from schemas.touchpoint import Touchpoint
from stream import items
from stream.engine import Engine
from stream.outcome import Outcome
from stream.plays.conditions import Conditions
from stream.plays.context import Context


class Takings:
    """Counts what is bought, for everyone and for each segment that something is recommended by.

    What buys, and where an item's name stands, the playbook's recommendation plays say; a customer is in the
    segments of the moment after the purchase. An item counts once for each purchase, however many were taken.

    Args:
        engine: the engine that the touchpoints are run through.

    Attributes:
        purchases: purchases that named an item.
    """

    def __init__(self, engine: Engine) -> None:
        playbook = engine.playbook
        self.purchases = 0
        self._plays = [play for play in playbook.plays if isinstance(play, RecommendationPlay)]
        named = {play.segment for play in self._plays} | playbook.popularity.keys()
        self._segments = [name for name in playbook.segments if name in named]
        self._conditions = Conditions(playbook)
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in (EVERYONE, *self._segments)}

    @property
    def bought_by(self) -> list[str]:
        """The types that buy something; none where the playbook recommends nothing."""
        return sorted({type_ for play in self._plays for type_ in play.bought_by})

    def take(self, touchpoint: Touchpoint, outcome: Outcome) -> None:
        """Count what a touchpoint buys; nothing if it was seen before, or its customer erased after it."""
        if outcome.duplicate or outcome.erased:
            return
        names = {
            name
            for play in self._plays
            if touchpoint.type in play.bought_by
            for name in items.named(touchpoint.data.get(play.item))
        }
        if not names:
            return
        self.purchases += 1
        tables = (EVERYONE, *(name for name in self._of(touchpoint, outcome) if name in self._segments))
        for table in tables:
            self._counts[table].update(names)

    def tables(self, most: int = MAX_ITEMS_RANKED) -> dict[str, dict[str, int]]:
        """The most popular items of each table, the most popular first; a table without any is left out.

        Args:
            most: how many items of each.
        """
        found = {}
        for table, counts in self._counts.items():
            ranked = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
            if ranked:
                found[table] = dict(ranked[:most])
        return found

    def _of(self, touchpoint: Touchpoint, outcome: Outcome) -> tuple[str, ...]:
        if not self._segments:
            return ()
        context = Context(
            outcome.profile,
            touchpoint,
            touchpoint.time,
            late=False,
            weight=0.0,
            opened=None,
            closed=None,
            plays=frozenset(),
            playbook_version="",
            model="",
            triggers=[],
            candidates=[],
        )
        return self._conditions.segments_of(context)
