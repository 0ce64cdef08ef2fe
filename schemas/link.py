"""Link: what is said of a customer's other ids, as it is kept in a profile."""

from __future__ import annotations

import msgspec

MAX_ALIASES = 64
"""Other ids of a customer that are kept, the first in order: browsers, devices and cards of a lifetime;
more is a till where everyone logs in."""

MAX_LINKS = 64
"""Words on other ids that are kept, of those said to be no alias the latest: as many as `MAX_ALIASES`."""

MAX_HEARD = 128
"""Other ids of which the last number heard is kept, the latest: twice as many as can be linked, as those
that were unlinked may still have sent something."""


class Link(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The latest word on whether another id is an alias of this one.

    Attributes:
        time: when it was said, in ms.
        unlinked: whether it is none any more, or was refused.
        first: number of the first claim that is not answered yet; 0 for none.
        last: number of the last one; 0 for none.
    """

    time: int
    unlinked: bool
    first: int = 0
    last: int = 0
