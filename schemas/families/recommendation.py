"""Recommendation: what a guest may like next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec

from schemas.duration import Duration
from schemas.families.entry import EntryPlay
from schemas.families.play import Mistake
from schemas.nearest import nearest

if TYPE_CHECKING:
    from schemas.playbook import Playbook

EVERYONE = "everyone"
"""The popularity table that stands in where a play has no segment."""

MAX_ITEMS_RANKED = 200
"""Items of a popularity table: the tail is never recommended, and a playbook has to fit into a record."""

Items = Annotated[int, msgspec.Meta(ge=1, le=10)]
"""More than ten is a page, not a recommendation."""


class RecommendationPlay(EntryPlay, frozen=True, kw_only=True, tag="recommendation"):
    """Recommend what is popular in the play's segment, but for what the guest declined or just bought.

    Attributes:
        items: how many.
        item: the field of the touchpoints' data that names an item, or several.
        bought_by: types that buy it.
        declined_by: types that say no to it.
        rest: how long after it was bought an item is not recommended.
    """

    items: Items = 3
    item: str
    bought_by: tuple[str, ...]
    declined_by: tuple[str, ...] = ()
    rest: Duration

    @property
    def table(self) -> str:
        """Name of the popularity table that it goes by."""
        return self.segment or EVERYONE

    def mistakes(self, playbook: Playbook) -> Iterator[Mistake]:
        """What could never fire."""
        yield from super().mistakes(playbook)
        for field in ("bought_by", "declined_by"):
            types: tuple[str, ...] = getattr(self, field)
            for place, type_ in enumerate(types):
                if type_ not in playbook.catalogue:
                    hint = nearest(type_, playbook.catalogue)
                    yield [field, place], f"`{type_}` is not in the catalogue{hint}"
        if self.table not in playbook.popularity and EVERYONE not in playbook.popularity:
            yield (
                ["family"],
                f"`popularity` has neither `{self.table}` nor `{EVERYONE}`, so it could never fire",
            )


class Recommended(msgspec.Struct, frozen=True):
    """One item.

    Attributes:
        item: its name.
        share: its share of what the table counts, 0 to 1.
    """

    item: str
    share: float


class Recommendation(
    msgspec.Struct, frozen=True, omit_defaults=True, tag_field="family", tag="recommendation"
):
    """Show these items, the first one first.

    Attributes:
        items: what to show.
        because: why; `popular`.
        among: the segment in which it is.
        recommender: version of what was asked for it.
    """

    items: tuple[Recommended, ...]
    because: str
    among: str
    recommender: str
