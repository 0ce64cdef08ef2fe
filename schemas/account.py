"""Account: what is stated of a business customer's contract, as it is kept in a profile."""

from __future__ import annotations

from datetime import date

import msgspec


class Account(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is stated of a business customer's contract, and when each of it was, in ms; −1 is never.

    Attributes:
        plan: what was agreed, by name; None where that is not known, as in all of these.
        plan_said: when that was said last.
        seats: how many may use it.
        seats_said: when that was said last.
        renews: the day on which the contract is renewed, or ends.
        renews_said: when that was said last.
    """

    plan: str | None = None
    plan_said: int = -1
    seats: int | None = None
    seats_said: int = -1
    renews: date | None = None
    renews_said: int = -1
