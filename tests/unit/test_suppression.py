"""Suppression: promotions stop with the first open issue and go on after the last."""

from __future__ import annotations

from schemas.families.suppression import Suppression
from schemas.timestamp import DAY
from schemas.touchpoint import Touchpoint
from schemas.trigger import Trigger
from stream.outcome import Outcome
from tests.hotel import NOON, engine, happened, reasons, run

PLAY = "hold-promotions"


def complaint(issue: str, at: int = NOON) -> Touchpoint:
    """An issue is opened."""
    return happened("complaint.opened", at, {"issue": issue}, id_=f"open-{issue}-{at}")


def settled(issue: str, at: int = NOON) -> Touchpoint:
    """An issue is closed."""
    return happened("complaint.closed", at, {"issue": issue}, id_=f"close-{issue}-{at}")


def orders(outcome: Outcome) -> list[Trigger]:
    """The suppression triggers of an outcome."""
    return [trigger for trigger in outcome.triggers if trigger.family == "suppression"]


def test_starts_with_an_issue_and_ends_with_it() -> None:
    """The order to hold back names the issue, and so does the order to go on."""
    opened, closed = run([complaint("i1"), settled("i1", NOON + 1)])
    (start,), (end,) = orders(opened), orders(closed)

    assert start.data.content == Suppression("start", "open-issue", "i1", 1)
    assert (start.correlation, start.expires) == ("i1", NOON + 14 * DAY)
    assert end.data.content == Suppression("end", "open-issue", "i1", 0)
    assert end.correlation == "i1"


def test_several_issues_are_one_suppression() -> None:
    """It starts once and ends when the last issue is closed, in whichever order."""
    outcomes = run([complaint("i1"), complaint("i2"), settled("i1"), settled("i2")])

    assert [reasons(outcome)[PLAY] for outcome in outcomes] == [
        "fired",
        "already-suppressed",
        "other-issue-open",
        "fired",
    ]
    assert [len(orders(outcome)) for outcome in outcomes] == [1, 0, 0, 1]


def test_order_that_ran_out_is_renewed() -> None:
    """After fourteen days the first order is void: another issue makes a new one."""
    first, early, late = run(
        [complaint("i1"), complaint("i2", NOON + 14 * DAY - 1), complaint("i3", NOON + 14 * DAY)]
    )

    assert [len(orders(outcome)) for outcome in (first, early, late)] == [1, 0, 1]
    assert orders(late)[0].data.content == Suppression("start", "open-issue", "i3", 3)


def test_nothing_opened_or_closed_is_no_candidate() -> None:
    """The same issue opened again, or one that was never open closed, changes nothing."""
    _, again = run([complaint("i1"), complaint("i1", NOON + 1)])
    (unknown,) = run([settled("i9")])

    assert PLAY not in reasons(again)
    assert (unknown.triggers, unknown.decision) == ([], None)


def test_closing_that_names_no_issue() -> None:
    """The order to go on names the one issue that was open."""
    _, closed = run([complaint("i1"), happened("complaint.closed", NOON + 1)])

    (end,) = orders(closed)
    assert end.data.content == Suppression("end", "open-issue", "i1", 0)
    assert end.correlation == "i1"


def test_late_word_of_an_issue_counts() -> None:
    """The customer is still angry, however late we hear of it; and the end is the end."""
    opened = engine().step(None, complaint("i1"), NOON + DAY)
    closed = engine().step(opened.profile, settled("i1"), NOON + DAY)

    assert opened.late
    assert [len(orders(outcome)) for outcome in (opened, closed)] == [1, 1]


def test_starts_again_after_the_end() -> None:
    """A new issue after the last one was closed holds back anew."""
    outcomes = run([complaint("i1"), settled("i1"), complaint("i2", NOON + 1)])

    assert [len(orders(outcome)) for outcome in outcomes] == [1, 1, 1]
