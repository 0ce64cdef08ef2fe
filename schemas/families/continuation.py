"""Continue: what was begun in one channel is offered in the next."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from schemas.duration import Duration
from schemas.families.entry import EntryPlay
from schemas.families.play import Mistake
from schemas.nearest import nearest
from schemas.quantities import Name

if TYPE_CHECKING:
    from schemas.playbook import Playbook


class ContinuePlay(EntryPlay, frozen=True, kw_only=True, tag="continue"):
    """Offer to go on, in another channel, with what was begun and not ended; once for each thing.

    Attributes:
        by: the field of the touchpoints' data that says which one it is, such as `cart`.
        thing: what it is, such as `cart`.
        begun_by: types that begin it, or go on with it.
        ended_by: types that end it; one that names none of them ends all that were begun before.
        within: how long after it was left it may be offered.
    """

    by: str
    thing: Name
    begun_by: tuple[str, ...]
    ended_by: tuple[str, ...]
    within: Duration

    def mistakes(self, playbook: Playbook) -> Iterator[Mistake]:
        """What could never fire, or would never end."""
        yield from super().mistakes(playbook)
        for field in ("begun_by", "ended_by"):
            types: tuple[str, ...] = getattr(self, field)
            if not types:
                end = "it could never fire" if field == "begun_by" else "it would be offered when it is done"
                yield [field], f"`{field}` is empty, so {end}"
            for place, type_ in enumerate(types):
                if type_ not in playbook.catalogue:
                    hint = nearest(type_, playbook.catalogue)
                    yield [field, place], f"`{type_}` is not in the catalogue{hint}"
        for place, type_ in enumerate(self.ended_by):
            if type_ in self.begun_by:
                yield ["ended_by", place], f"`{type_}` would begin it and end it"


class Continue(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="family", tag="continue"):
    """Offer to go on with something where it was left.

    Attributes:
        thing: what it is.
        reference: which one, such as the cart's id.
        left_in: the channel in which it was left.
        left_at: when.
        by: type of the touchpoint that was the last of it.
        here: the channel in which the guest is now.
    """

    thing: str
    reference: str
    left_in: str
    left_at: datetime
    by: str
    here: str
