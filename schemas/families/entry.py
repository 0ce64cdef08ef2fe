"""Entry: when a play is entered whose family has no cause of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from schemas.duration import Duration
from schemas.families.play import Mistake, PlayBase
from schemas.nearest import nearest

if TYPE_CHECKING:
    from schemas.playbook import Playbook


class EntryPlay(PlayBase, frozen=True, kw_only=True):
    """A play that is entered by what happened.

    Attributes:
        touchpoints: the types that enter it.
        valid_for: how long the trigger may be acted on.
    """

    touchpoints: tuple[str, ...]
    valid_for: Duration

    def mistakes(self, playbook: Playbook) -> Iterator[Mistake]:
        """Types that there are not."""
        catalogue = playbook.catalogue
        for place, type_ in enumerate(self.touchpoints):
            if type_ not in catalogue:
                yield ["touchpoints", place], f"`{type_}` is not in the catalogue{nearest(type_, catalogue)}"
