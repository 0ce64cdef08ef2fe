"""Budget: what may be spent on customers to put things right, as a playbook says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from schemas.duration import Duration
from schemas.nearest import nearest
from schemas.quantities import Amount, Name

if TYPE_CHECKING:
    from schemas.families.play import Mistake, PlayBase
    from schemas.playbook import Playbook

RESERVED = "dangol/"
"""What the keys of dangol's own begin with: no customer's id does."""

LEDGER = f"{RESERVED}budget/"
"""What the keys of ledgers begin with; the budget's name and its scope follow, as in
`dangol/budget/goodwill/seoul`."""

EVERYONE = "all"
"""The scope of a budget that all customers share."""

THOUSANDTHS = 1000
"""Money is counted in thousandths, as whole numbers: sums are exact, and no coin is smaller."""


class Budget(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How much may be promised and spent within a period, whoever decides on it.

    Attributes:
        amount: the most that may be spent within a period, in the shop's currency.
        per: whose it is: each `customer` has one, or each `property`, or all share one (`programme`).
        period: how long it lasts. Whole days are those of the calendar; periods are counted from 1970.
        count: how often it may be used within a period; None for as often as the amount allows.
        within: the budget that this one is part of: what is taken from one is taken from the other as well.
        zone: IANA time zone at whose midnight a period of whole days ends; by default the property's own for
            `per: property`, else UTC.
    """

    amount: Amount
    per: Literal["customer", "property", "programme"]
    period: Duration
    count: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    within: Name | None = None
    zone: str | None = None


def ledger_key(name: str, scope: str) -> str:
    """The key under which a shared budget's ledger is kept.

    >>> ledger_key("goodwill", "seoul")
    'dangol/budget/goodwill/seoul'
    """
    return f"{LEDGER}{name}/{scope}"


def budget_of(key: str) -> tuple[str, str]:
    """The budget's name and the scope that a ledger's key says; both empty where it says none.

    >>> budget_of("dangol/budget/goodwill/seoul"), budget_of("dangol/other")
    (('goodwill', 'seoul'), ('', ''))
    """
    if not key.startswith(LEDGER):
        return "", ""
    name, _, scope = key[len(LEDGER) :].partition("/")
    return name, scope


def is_ledger(key: str) -> bool:
    """Whether a profile under this key is a shared budget's ledger, and no customer's.

    >>> is_ledger("dangol/budget/goodwill/seoul"), is_ledger("ann")
    (True, False)
    """
    return key.startswith(LEDGER)


def thousandths(amount: float) -> int:
    """An amount of money as a whole number of thousandths.

    >>> thousandths(12.35)
    12350
    """
    return round(amount * THOUSANDTHS)


def chain_of(name: str, budgets: Mapping[str, Budget]) -> tuple[str, ...]:
    """A budget and those that it is part of; it ends where one is missing, or comes again."""
    chain: list[str] = []
    following: str | None = name
    while following is not None and following in budgets and following not in chain:
        chain.append(following)
        following = budgets[following].within
    return tuple(chain)


def mistakes_of(budgets: Mapping[str, Budget]) -> Iterator[tuple[list[str | int], str]]:
    """What is wrong with budgets that types can't say: where, below the section, and what."""
    for name, budget in budgets.items():
        if budget.within is None:
            continue
        if budget.within not in budgets:
            known = nearest(budget.within, budgets)
            yield [name, "within"], f"budgets.{name}.within: there is no budget `{budget.within}`{known}"
        elif budgets[chain_of(name, budgets)[-1]].within is not None:
            yield [name, "within"], f"budgets.{name}.within: the budgets are part of one another in a circle"


def mistakes_in(play: PlayBase, playbook: Playbook) -> Iterator[Mistake]:
    """What is wrong with the budget that a play names."""
    name = play.budget
    if name is None:
        return
    offers = [offer for offer in getattr(play, "offers", ()) if offer in playbook.offers]
    if name not in playbook.budgets:
        yield ["budget"], f"there is no budget `{name}`{nearest(name, playbook.budgets)}"
    elif not offers:
        yield ["budget"], f"it makes no offer, so nothing could be taken from budget `{name}`"
    for each in chain_of(name, playbook.budgets):
        most = playbook.budgets[each].amount
        for offer in offers:
            if (amount := playbook.offers[offer].amount) > most:
                why = f"offer `{offer}` of {amount:g} is more than the {most:g} of budget `{each}`"
                yield ["budget"], f"{why}, so it could never be made"
