"""Consent: what a customer said to being asked, as it is kept in a profile."""

from __future__ import annotations

import msgspec

MAX_CONSENTS = 32
"""Words on consent kept, each on a purpose and a channel, those said last: eight purposes on four channels
are more than a privacy notice can explain."""


class Consent(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """The latest word on a purpose that a customer was asked to agree to.

    The later one is the greater one, and of two at the same time the withdrawal.

    Attributes:
        time: when it was said, in ms.
        withdrawn: whether the customer took consent back; else it was granted.
        purpose: the purpose.
        channel: the channel that it is about; empty for all of them.
    """

    time: int
    withdrawn: bool
    purpose: str
    channel: str = ""
