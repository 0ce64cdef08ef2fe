"""Cap: how many triggers a customer gets at most within some time."""

from __future__ import annotations

from typing import Annotated

import msgspec

from schemas.duration import Duration
from schemas.quantities import Name

MAX_AT_MOST = 16
"""The most that a cap may let through: half of the triggers that a profile remembers, and far more
than anyone reads."""


class Cap(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """At most so many triggers to a customer within some time before and after each of them.

    Attributes:
        channel: the channel that it is about; all of them if left out.
        category: the category that it is about; all of them if left out.
        at_most: how many.
        within: how long; it rolls with the clock and knows no calendar days.
    """

    at_most: Annotated[int, msgspec.Meta(ge=1, le=MAX_AT_MOST)]
    within: Duration
    channel: Name | None = None
    category: Name | None = None
