"""A ledger's arithmetic: whatever is repeated, late or lost, no budget is overdrawn and nothing leaks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.budget import Budget, thousandths
from schemas.ledger import Ledger, Totals
from schemas.timestamp import DAY, HOUR, MINUTE
from stream import budgets
from stream.budgets import FULL, GRANTED, OVER, REPEATED, SHARED, SPENT, USED, Limits, Terms
from tests.hotel import NOON, PROPERTY_TEST

HUNDRED = Terms(Budget(100, "programme", "1d"))


def id_of(number: int) -> str:
    """A reservation's id."""
    return f"{number:016x}"


def promised(
    *amounts: float, ledger: Ledger | None = None, terms: Terms = HUNDRED
) -> tuple[Ledger, list[str]]:
    """The account after reservations at noon, numbered from 0, and what became of each."""
    ledger = ledger or Ledger()
    answers = []
    for number, amount in enumerate(amounts):
        ledger, answer = budgets.reserve(
            ledger, id_of(number), thousandths(amount), NOON, NOON + HOUR, terms, SHARED
        )
        answers.append(answer)
    return ledger, answers


def totals(ledger: Ledger) -> Totals:
    """What the only period comes to."""
    (only,) = ledger.periods.values()
    return only


def test_what_is_left_is_promised_and_no_more() -> None:
    """The amount can be promised to the last cent, and not one beyond."""
    ledger, answers = promised(60.0, 39.99, 0.02, 0.01)

    assert answers == [GRANTED, GRANTED, SPENT, GRANTED]
    assert totals(ledger) == Totals(committed=0, reserved=100_000, uses=0, promises=3)


def test_sums_are_exact() -> None:
    """A thousand times ten cents are a hundred, not almost."""
    _, answers = promised(*([0.1] * 1000))

    assert answers == [GRANTED] * 1000


def test_uses_are_counted_with_what_is_promised() -> None:
    """A budget of two uses has no third, whether the first two are spent yet or not."""
    twice = Terms(Budget(100, "programme", "1d", count=2))
    ledger, answers = promised(1.0, 1.0, 1.0, terms=twice)
    ledger, _ = budgets.commit(ledger, id_of(0), 1000, NOON, twice, SHARED)

    assert answers == [GRANTED, GRANTED, USED]
    assert budgets.reserve(ledger, id_of(9), 1000, NOON, NOON + HOUR, twice, SHARED)[1] == USED


def test_a_commit_spends_and_a_release_gives_back() -> None:
    """What is accepted is gone, what is declined can be promised again."""
    ledger, _ = promised(60.0, 40.0)
    ledger, covered = budgets.commit(ledger, id_of(0), 60_000, NOON, HUNDRED, SHARED)
    ledger = budgets.release(ledger, id_of(1), SHARED)

    assert covered
    assert totals(ledger) == Totals(committed=60_000, reserved=0, uses=1, promises=0)
    assert budgets.remaining(ledger, NOON, HUNDRED) == 40_000


def test_a_repetition_does_nothing() -> None:
    """Each message may come again, in whatever place, and comes to the same."""
    ledger, _ = promised(60.0)
    assert budgets.reserve(ledger, id_of(0), 60_000, NOON, NOON + HOUR, HUNDRED, SHARED) == (ledger, REPEATED)
    ledger, _ = budgets.commit(ledger, id_of(0), 60_000, NOON, HUNDRED, SHARED)

    assert budgets.reserve(ledger, id_of(0), 60_000, NOON, NOON + HOUR, HUNDRED, SHARED) == (ledger, REPEATED)
    assert budgets.commit(ledger, id_of(0), 60_000, NOON, HUNDRED, SHARED) == (ledger, True)
    assert budgets.release(ledger, id_of(0), SHARED) == ledger


def test_a_release_that_overtakes_its_reservation_holds() -> None:
    """What is given back before it was asked for is not promised any more."""
    ledger = budgets.release(Ledger(), id_of(0), SHARED)

    assert budgets.reserve(ledger, id_of(0), 1000, NOON, NOON + HOUR, HUNDRED, SHARED) == (ledger, REPEATED)


def test_what_nobody_settles_runs_out() -> None:
    """At its end a promise is given back by itself, not before."""
    ledger, _ = promised(60.0)

    assert budgets.expire(ledger, NOON + HOUR - 1) is ledger
    assert totals(budgets.expire(ledger, NOON + HOUR)) == Totals()
    assert budgets.next_expiry(ledger) == NOON + HOUR


def test_a_commit_after_the_end_takes_what_is_still_there() -> None:
    """Money that was spent after all is counted if nobody else was promised it meanwhile."""
    ledger = budgets.expire(promised(60.0)[0], NOON + HOUR)
    ledger, covered = budgets.commit(ledger, id_of(0), 60_000, NOON, HUNDRED, SHARED)

    assert covered
    assert totals(ledger) == Totals(committed=60_000, uses=1)


def test_a_commit_after_the_end_overdraws_nothing() -> None:
    """Where it was promised to someone else, what was spent is told apart."""
    ledger = budgets.expire(promised(60.0)[0], NOON + HOUR)
    ledger, _ = budgets.reserve(ledger, id_of(7), 50_000, NOON, NOON + DAY, HUNDRED, SHARED)
    ledger, covered = budgets.commit(ledger, id_of(0), 60_000, NOON, HUNDRED, SHARED)

    assert not covered
    assert (totals(ledger), ledger.uncovered) == (Totals(reserved=50_000, promises=1), 60_000)


def test_a_period_ends_at_midnight_where_the_budget_is() -> None:
    """In Seoul the day is over at three in the afternoon UTC, and the money is there again."""
    seoul = Terms(Budget(100, "property", "1d"), "Asia/Seoul")
    ledger, _ = promised(100.0, terms=seoul)
    ledger, _ = budgets.commit(ledger, id_of(0), 100_000, NOON, seoul, SHARED)

    assert budgets.remaining(ledger, NOON + 3 * HOUR - 1, seoul) == 0
    assert budgets.remaining(ledger, NOON + 3 * HOUR, seoul) == 100_000


def test_a_clock_that_is_turned_makes_no_day_longer_than_itself() -> None:
    """On 29 March 2026 a day in Lisbon has 23 hours."""
    lisbon = Terms(Budget(100, "property", "1d"), "Europe/Lisbon")
    midnight = NOON + 15 * DAY - 12 * HOUR

    assert [lisbon.period_of(midnight + hour * HOUR) for hour in (-1, 0, 22, 23)] == [
        20540,
        20541,
        20541,
        20542,
    ]


def test_what_is_spent_counts_where_it_was_promised() -> None:
    """A promise of yesterday that is accepted today is yesterday's."""
    ledger, _ = promised(60.0)
    ledger, _ = budgets.commit(ledger, id_of(0), 60_000, NOON + DAY, HUNDRED, SHARED)

    assert budgets.remaining(ledger, NOON, HUNDRED) == 40_000
    assert budgets.remaining(ledger, NOON + DAY, HUNDRED) == 100_000


def test_a_ledger_keeps_only_so_much_in_mind() -> None:
    """Beyond the open reservations and the periods that are kept, it refuses and doesn't guess."""
    tight = Limits(open=2, periods=2, settled=2)
    minute = Terms(Budget(100, "programme", "1m"))
    ledger, answers = Ledger(), []
    for number, at in enumerate((0, 1, 2, 0, 1)):
        ledger, answer = budgets.reserve(
            ledger, id_of(number), 1000, NOON + at * MINUTE, NOON + DAY, minute, tight
        )
        answers.append(answer)
        if at == 0:
            ledger = budgets.release(ledger, id_of(number), tight)

    assert answers == [GRANTED, GRANTED, GRANTED, OVER, FULL]
    assert len(ledger.settled) == 2 * 8


@st.composite
def messages(draw: st.DrawFn) -> list[tuple[str, int, int, int]]:
    """Kind, number, amount, and time of messages to a ledger, some again and some never."""
    kinds = st.sampled_from(["reserve", "reserve", "commit", "release"])
    return draw(
        st.lists(
            st.tuples(kinds, st.integers(0, 12), st.integers(1, 60_000), st.integers(0, 300)), max_size=60
        )
    )


@PROPERTY_TEST
@given(messages(), st.sampled_from([None, 1, 3]))
def test_no_order_of_messages_overdraws_or_leaks(
    told: list[tuple[str, int, int, int]], count: int | None
) -> None:
    """Whatever comes in whatever order: never more than the amount, and nothing reserved at the end."""
    terms = Terms(Budget(100, "programme", "1h", count=count))
    ledger, now = Ledger(), NOON
    spent: dict[str, int] = {}
    for kind, number, amount, minutes in told:
        id_, asked = id_of(number), NOON + minutes * MINUTE
        now = max(now, asked)
        ledger = budgets.expire(ledger, now)
        before = ledger
        if kind == "reserve":
            ledger, answer = budgets.reserve(ledger, id_, amount, asked, now + HOUR, terms, SHARED)
            assert (answer == GRANTED) == (id_ in ledger.open and id_ not in before.open)
        elif kind == "commit":
            worth = before.open[id_].amount if id_ in before.open else amount
            was_settled = budgets.is_settled(before, id_)
            ledger, covered = budgets.commit(ledger, id_, amount, asked, terms, SHARED)
            if covered and not was_settled:
                assert id_ not in spent
                spent[id_] = worth
        else:
            ledger = budgets.release(ledger, id_, SHARED)
        for period in ledger.periods.values():
            assert period.committed + period.reserved <= terms.amount
            assert min(period.committed, period.reserved, period.uses, period.promises) >= 0
            assert terms.count is None or period.uses + period.promises <= terms.count
        assert sum(p.reserved for p in ledger.periods.values()) == sum(r.amount for r in ledger.open.values())
        assert sum(p.promises for p in ledger.periods.values()) == len(ledger.open)
    ledger = budgets.expire(ledger, now + DAY)

    assert ledger.open == {}
    assert sum(period.reserved for period in ledger.periods.values()) == 0
    assert sum(period.committed for period in ledger.periods.values()) == sum(spent.values())


def test_two_accounts_of_one_customer_become_one() -> None:
    """What both have promised and spent counts for the customer that they are."""
    mine, _ = promised(60.0)
    theirs, _ = budgets.reserve(Ledger(), id_of(5), 30_000, NOON, NOON + HOUR, HUNDRED, SHARED)
    theirs, _ = budgets.commit(theirs, id_of(5), 30_000, NOON, HUNDRED, SHARED)

    both = budgets.merge(mine, theirs, SHARED)

    assert totals(both) == Totals(committed=30_000, reserved=60_000, uses=1, promises=1)
    assert both.open == mine.open
