"""Churn: when a customer counts as lost, and how often one is looked at to learn who will be."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from schemas.duration import Duration, millis_of
from schemas.families.play import Mistake
from schemas.nearest import nearest
from schemas.timestamp import DAY, HOUR

MOST_LOOKS = 24
"""Looks at a customer within a horizon: what is seen waits in the profile until it is known what came."""


class Churn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How the churn risk is learned while touchpoints come in; without this section nothing is learned.

    Attributes:
        horizon: a customer who does not come back for so long is lost; a return at the very end still counts.
        every: how often a customer is looked at, besides each day on which one comes back.
        activity: touchpoint types that count as coming back; by default those with the effect `activity`, and
            bookings.
        cancellation: touchpoint types by which customers leave. With these alone nobody is lost who has not
            left so; with `activity` as well, those are who stay away too.
    """

    horizon: Duration
    every: Duration = "7d"
    activity: tuple[str, ...] = ()
    cancellation: tuple[str, ...] = ()

    def mistakes(self, types: Collection[str]) -> Iterator[Mistake]:
        """What is wrong with it, and in which field.

        Args:
            types: the touchpoint types of the catalogue.
        """
        if millis_of(self.horizon) < DAY:
            yield ["horizon"], "a horizon of less than a day: who comes back is counted in days"
        if millis_of(self.every) < HOUR:
            yield ["every"], "to look at customers more than once an hour shows nothing new"
        elif millis_of(self.horizon) > MOST_LOOKS * millis_of(self.every):
            most = f"{MOST_LOOKS} looks at a customer within a horizon are the most"
            yield ["every"], f"{most}: make it longer"
        for field in ("activity", "cancellation"):
            for type_ in getattr(self, field):
                if type_ not in types:
                    yield [field], f"there is no touchpoint type `{type_}`{nearest(type_, types)}"
                if type_ in self.activity and type_ in self.cancellation:
                    yield [field], f"`{type_}` can't be both, coming back and leaving"
