"""Calendar: the hours in which customers are left alone, by their own clocks."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from schemas.duration import Duration

Clock = Annotated[str, msgspec.Meta(pattern=r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]$")]
"""A time of day, such as `22:00`; in YAML it is written in quotes."""

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Calendar(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Hours in which nothing goes out.

    Attributes:
        from_: when they begin; the field is called `from`.
        to: when they end, on the next day if that is not after their beginning.
        spread: over how long after their end what was held goes out, each customer at a moment of his own,
            so that not all of it comes at once.
        days: the days on which they begin; all of them if left out.
    """

    from_: Clock = msgspec.field(name="from")
    to: Clock
    spread: Duration | None = None
    days: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
