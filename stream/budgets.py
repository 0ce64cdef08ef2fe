"""Budgets: the ledger's arithmetic. Money is reserved, then committed or released, or it expires.

What is committed and what is reserved never exceed the budget together, whatever is repeated, late or
lost: each reservation has an id, is opened once and settled once. One that nobody settles is given
back by itself. A commit that comes after that takes the money again if it is still there; else it is
counted as uncovered, as it was spent and nobody may promise it twice.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.budget import Budget, thousandths
from schemas.duration import millis_of
from schemas.ledger import Ledger, Reservation, Totals
from schemas.timestamp import DAY, SECOND

GRANTED = "granted"
REPEATED = "repeated"
"""What becomes of a reservation that was asked for before."""

SPENT = "spent"
"""There is not as much left in the period."""

USED = "used"
"""It was used as often as it may be in the period."""

FULL = "full"
"""More is open than a ledger keeps in mind."""

OVER = "over"
"""It would have run out already, or its period is so long ago that nobody knows what is left of it."""

GONE = "gone"
"""The playbook has the budget no more."""

_EPOCH = date(1970, 1, 1).toordinal()
_DIGEST = 8


class Limits(NamedTuple):
    """How much a ledger keeps in mind.

    Attributes:
        open: reservations that are open; beyond them none is granted.
        periods: periods that are remembered.
        settled: reservations remembered after they are settled.
    """

    open: int
    periods: int
    settled: int


OWN = Limits(16, 2, 0)
"""Of a customer's own budget: it is asked by the customer's own step alone, which happens once."""

SHARED = Limits(1_000, 32, 1_024)
"""Of a shared one. A thousand offers whose outcome is open are some 40 kB, written with each run of
touchpoints that changes one; the 1,024 settled last, another 8 kB, are more than a crash repeats."""


class Terms:
    """What a budget allows, made ready to be asked.

    Args:
        budget: as the playbook says it.
        zone: time zone of the property where the budget is a property's.
    """

    def __init__(self, budget: Budget, zone: str | None = None) -> None:
        self.amount = thousandths(budget.amount)
        self.count = budget.count
        self._length = millis_of(budget.period)
        self._days, rest = divmod(self._length, DAY)
        if rest:
            self._days = 0
        self._zone = ZoneInfo(budget.zone or zone or "UTC")
        self._is_utc = self._zone.key == "UTC"

    def period_of(self, time: int) -> int:
        """The number of the period that a time (ms) is in.

        >>> day = Terms(Budget(10, "programme", "1d", zone="Asia/Seoul"))
        >>> day.period_of(1_773_489_600_000), day.period_of(1_773_500_400_000)
        (20526, 20527)
        """
        if not self._days:
            return time // self._length
        if self._is_utc:
            # Most budgets are of customers, whose days are those of UTC.
            return time // DAY // self._days
        day = datetime.fromtimestamp(time / SECOND, self._zone).toordinal() - _EPOCH
        return day // self._days


def reserve(
    ledger: Ledger, id_: str, amount: int, time: int, expires: int, terms: Terms, limits: Limits
) -> tuple[Ledger, str]:
    """Promise money.

    Args:
        ledger: the account.
        id_: the reservation's id, sixteen hexadecimal digits.
        amount: how much, in thousandths.
        time: when it is asked for, in ms; that decides the period.
        expires: from when on it is given back by itself, in ms.
        terms: what the budget allows.
        limits: how much the ledger keeps in mind.

    Returns:
        The account after it, and `GRANTED`, `REPEATED` or why it is refused.

    >>> day = Terms(Budget(10, "programme", "1d"))
    >>> ledger, answer = reserve(Ledger(), "0" * 16, 8000, 0, 60_000, day, SHARED)
    >>> answer, reserve(ledger, "1" * 16, 8000, 0, 60_000, day, SHARED)[1]
    ('granted', 'spent')
    """
    if id_ in ledger.open or is_settled(ledger, id_):
        return ledger, REPEATED
    period = terms.period_of(time)
    periods = _with_period(ledger.periods, period, limits)
    if periods is None:
        return _settled(ledger, id_, limits), OVER
    if len(ledger.open) >= limits.open or len(periods) > limits.open + limits.periods:
        return _settled(ledger, id_, limits), FULL
    totals = periods[period]
    if (refusal := _refusal(totals, amount, terms)) is not None:
        return _settled(ledger, id_, limits), refusal
    promised = Totals(totals.committed, totals.reserved + amount, totals.uses, totals.promises + 1)
    opened = {**ledger.open, id_: Reservation(amount, period, expires)}
    return Ledger(opened, {**periods, period: promised}, ledger.settled, ledger.uncovered), GRANTED


def commit(
    ledger: Ledger, id_: str, amount: int, time: int, terms: Terms | None, limits: Limits
) -> tuple[Ledger, bool]:
    """Spend what was promised; what is said of amount and time counts only where the promise has run out.

    Args:
        ledger: the account.
        id_: the reservation's id.
        amount: how much, in thousandths.
        time: when it was asked for, in ms.
        terms: what the budget allows; None where the playbook has it no more.
        limits: how much the ledger keeps in mind.

    Returns:
        The account after it, and whether the budget covers it.
    """
    if is_settled(ledger, id_):
        return ledger, True
    promise = ledger.open.get(id_)
    if promise is not None:
        given_back = release(ledger, id_, limits)
        return _spent(given_back, promise.period, promise.amount), True
    ledger = _settled(ledger, id_, limits)
    if terms is not None:
        period = terms.period_of(time)
        periods = _with_period(ledger.periods, period, limits)
        if periods is not None and _refusal(periods[period], amount, terms) is None:
            ledger = Ledger(ledger.open, periods, ledger.settled, ledger.uncovered)
            return _spent(ledger, period, amount), True
    return Ledger(ledger.open, ledger.periods, ledger.settled, ledger.uncovered + amount), False


def release(ledger: Ledger, id_: str, limits: Limits) -> Ledger:
    """Give back what was promised. One that is not known yet is not to be promised any more either."""
    if is_settled(ledger, id_):
        return ledger
    if id_ in ledger.open:
        ledger = _given_back(ledger, (id_,))
    return _settled(ledger, id_, limits)


def expire(ledger: Ledger, now: int) -> Ledger:
    """Give back all that nobody has settled in time.

    They are not noted as settled: whoever does take one up after all, it is still to be paid for.
    """
    due = [id_ for id_, promise in ledger.open.items() if promise.expires <= now]
    return _given_back(ledger, due) if due else ledger


def next_expiry(ledger: Ledger) -> int | None:
    """When the first open reservation is given back, in ms; None where none is open."""
    return min((promise.expires for promise in ledger.open.values()), default=None)


def remaining(ledger: Ledger | None, time: int, terms: Terms) -> int:
    """What may still be promised in the period of a time (ms), in thousandths; without an account, all."""
    totals = None if ledger is None else ledger.periods.get(terms.period_of(time))
    return terms.amount if totals is None else max(terms.amount - totals.committed - totals.reserved, 0)


def is_settled(ledger: Ledger, id_: str) -> bool:
    """Whether a reservation is known to be done with."""
    digest, settled = bytes.fromhex(id_), ledger.settled
    at = settled.find(digest)
    while at >= 0:
        if at % _DIGEST == 0:
            return True
        at = settled.find(digest, at + 1)
    return False


def merge(ledger: Ledger, other: Ledger, limits: Limits) -> Ledger:
    """One account of two: what both have promised and spent."""
    periods = dict(ledger.periods)
    for period, theirs in other.periods.items():
        ours = periods.get(period, Totals())
        periods[period] = Totals(
            ours.committed + theirs.committed,
            ours.reserved + theirs.reserved,
            ours.uses + theirs.uses,
            ours.promises + theirs.promises,
        )
    while len(periods) > limits.periods and not periods[earliest := min(periods)].promises:
        del periods[earliest]
    uncovered = ledger.uncovered + other.uncovered
    return Ledger({**other.open, **ledger.open}, periods, ledger.settled, uncovered)


def _refusal(totals: Totals, amount: int, terms: Terms) -> str | None:
    if totals.committed + totals.reserved + amount > terms.amount:
        return SPENT
    if terms.count is not None and totals.uses + totals.promises >= terms.count:
        return USED
    return None


def _with_period(periods: dict[int, Totals], period: int, limits: Limits) -> dict[int, Totals] | None:
    """The periods with this one among them; None where it may have been forgotten.

    Only the earliest is ever forgotten, so that one which was is known by being earlier than all.
    """
    if period in periods:
        return periods
    if len(periods) >= limits.periods:
        earliest = min(periods)
        if period < earliest:
            return None
        periods = dict(periods)
        while len(periods) >= limits.periods and not periods[earliest := min(periods)].promises:
            del periods[earliest]
    return {**periods, period: Totals()}


def _given_back(ledger: Ledger, ids: tuple[str, ...] | list[str]) -> Ledger:
    opened, periods = dict(ledger.open), dict(ledger.periods)
    for id_ in ids:
        promise = opened.pop(id_, None)
        if promise is not None:
            totals = periods[promise.period]
            periods[promise.period] = Totals(
                totals.committed, totals.reserved - promise.amount, totals.uses, totals.promises - 1
            )
    return Ledger(opened, periods, ledger.settled, ledger.uncovered)


def _spent(ledger: Ledger, period: int, amount: int) -> Ledger:
    totals = ledger.periods[period]
    after = Totals(totals.committed + amount, totals.reserved, totals.uses + 1, totals.promises)
    return Ledger(ledger.open, {**ledger.periods, period: after}, ledger.settled, ledger.uncovered)


def _settled(ledger: Ledger, id_: str, limits: Limits) -> Ledger:
    if not limits.settled:
        return ledger
    settled = (ledger.settled + bytes.fromhex(id_))[-limits.settled * _DIGEST :]
    return Ledger(ledger.open, ledger.periods, settled, ledger.uncovered)
