"""Issue: complaints and faults that are not settled, as they are kept in a profile."""

from __future__ import annotations

import msgspec

MAX_ISSUES = 8
"""Open issues kept, the newest: whether there is one decides, not whether there are nine."""

MAX_CLOSED = 8
"""Closed issues remembered, those closed last: as many as may be open. An opening that is told after
its closing opens nothing."""

MAX_REOPENED = 4
"""Further openings of an open issue remembered, the latest: which of them a closing leaves open."""


class Issue(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A complaint or fault that is not settled yet.

    Attributes:
        id: the issue's id.
        opened: when, in ms.
        type: type of the touchpoint that opened it.
    """

    id: str
    opened: int
    type: str
