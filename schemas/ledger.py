"""Ledger: what of a budget is promised and what is spent, as it is kept in a profile.

A budget of a customer's own has its ledger in the customer's profile. One that customers share has a
profile of its own, under a reserved key, so that one writer alone counts it.
"""

from __future__ import annotations

import msgspec

MAX_CLAIMS = 16
"""Promises to one customer whose outcome is not known: more open offers at once help nobody."""


class Reservation(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Money that is promised, and neither spent nor given back.

    Attributes:
        amount: how much, in thousandths.
        period: the period that it is taken from.
        expires: from when on it is given back by itself, in ms.
    """

    amount: int
    period: int
    expires: int


class Totals(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a period comes to.

    Attributes:
        committed: spent, in thousandths.
        reserved: promised, in thousandths.
        uses: times that it was spent.
        promises: reservations that are open.
    """

    committed: int = 0
    reserved: int = 0
    uses: int = 0
    promises: int = 0


class Ledger(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The account of one budget.

    Attributes:
        open: reservations by id; how many at most, stream/budgets.py says.
        periods: what each period comes to, the latest ones.
        settled: ids of the latest reservations that are done with, eight bytes each, so that a repeated
            message does nothing.
        uncovered: spent after the reservation had run out and the money was promised to others, in
            thousandths.
    """

    open: dict[str, Reservation] = {}
    periods: dict[int, Totals] = {}
    settled: bytes = b""
    uncovered: int = 0


class Claim(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What one trigger promises to a customer, or is to promise, out of one budget or several.

    Attributes:
        amount: how much, in thousandths.
        time: when it was asked for, in ms: that decides the period.
        expires: until when it may be taken up, in ms.
        own: budgets of the customer's own that it is reserved in.
        shared: keys of the shared ledgers that it is reserved in, or asked of.
        waiting: those of them that have not answered.
        refused: the budget that had not enough left; empty for none.
        trigger: id of the trigger that promises it; empty until it goes out.
    """

    amount: int
    time: int
    expires: int
    own: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    refused: str = ""
    trigger: str = ""
