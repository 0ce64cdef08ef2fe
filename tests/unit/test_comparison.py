"""Two playbooks on the same past: what is told to be otherwise, and what is not."""

from __future__ import annotations

from schemas.playbook import load
from schemas.timestamp import MINUTE
from schemas.touchpoint import Touchpoint
from stream import services
from stream.arbitration import critical
from stream.comparison import NOT_A_CANDIDATE, Change, Comparison
from tests.hotel import HOTEL_YAML, NOON, engine, happened


def compared(*replaced: tuple[str, str], on: list[Touchpoint], examples: int = 10) -> Comparison:
    """The test's hotel, and the same with something replaced, on touchpoints of the past."""
    text = HOTEL_YAML
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new, 1)
    comparison = Comparison(engine(), engine(playbook=load(text, "new.yaml")), examples)
    for touchpoint in on:
        comparison.take(touchpoint)
    comparison.finish()
    return comparison


def told(change: Change) -> tuple[str, str, str | None, str | None]:
    """A change in short."""
    before, after = change.before, change.after
    return change.play, change.type, before and before.reason, after and after.reason


ANGER = happened("complaint.opened", data={"issue": "i-1"})
RECOVERED = {"fired": 1}


def test_the_same_playbook_changes_nothing() -> None:
    """Two engines with one playbook decide alike."""
    same = compared(on=[ANGER])

    assert same.changed == 0
    assert {name: dict(tally.before) for name, tally in same.plays.items()} == {
        "make-it-right": {"fired": 1},
        "hold-promotions": {"fired": 1},
    }
    assert same.examples(10) == []


def test_what_would_have_been_done_otherwise_is_a_change() -> None:
    """It fires in both, and what it says is another thing."""
    other = compared(("voucher: {amount: 15}", "voucher: {amount: 20}"), on=[ANGER])
    (change,) = other.examples(10)

    assert told(change) == ("make-it-right", "complaint.opened", "fired", "fired")
    assert (change.customer, change.time, change.touchpoint) == ("ann", NOON, ANGER.id)
    assert [getattr(v and v.content, "amount", None) for v in (change.before, change.after)] == [15, 20]


def test_how_long_it_holds_is_a_change() -> None:
    """The same content with another expiry."""
    other = compared(("valid_for: 14d", "valid_for: 7d"), on=[ANGER])

    assert [told(each)[0] for each in other.examples(10)] == ["hold-promotions"]


def test_a_candidate_that_is_none_any_more_is_a_change() -> None:
    """By reason: it fired before, and is not considered after."""
    other = compared(("min_severity: 0.4\n", "min_severity: 0.9\n"), on=[ANGER])
    tally = other.plays["make-it-right"]

    assert (dict(tally.before), dict(tally.after)) == ({"fired": 1}, {NOT_A_CANDIDATE: 1})
    assert told(other.examples(1)[0]) == ("make-it-right", "complaint.opened", "fired", None)


def test_each_goes_on_from_what_it_did() -> None:
    """Who was offered nothing the first time is not cooling down the second time."""
    again = happened("app.failed", NOON + MINUTE)
    other = compared(("min_severity: 0.4\n", "min_severity: 0.3\n"), on=[again, ANGER])

    assert [told(each) for each in other.examples(10)] == [
        ("make-it-right", "complaint.opened", "fired", "fired"),
        ("make-it-right", "app.failed", None, "fired"),
    ]


def test_timers_are_compared_too() -> None:
    """What is due at another time is another decision: the one is gone, the other new."""
    other = compared(
        ("answer_within: 30m", "answer_within: 60m"), on=[ANGER, happened("page.viewed", NOON + 90 * MINUTE)]
    )

    assert [
        (each.type, each.time - NOON, bool(each.before), bool(each.after)) for each in other.examples(10)
    ] == [
        ("timer.due", 30 * MINUTE, True, False),
        ("timer.due", 60 * MINUTE, False, True),
    ]


def test_examples_are_bounded_and_of_every_play() -> None:
    """One play that changes a thousand times does not hide another that changes once."""
    many = [happened("complaint.opened", NOON + n * MINUTE, {"issue": f"i-{n}"}) for n in range(50)]
    other = compared(
        ("valid_for: 2h", "valid_for: 3h"), ("valid_for: 14d", "valid_for: 7d"), on=many, examples=3
    )
    shown = other.examples(3)

    assert other.changed > 20
    assert len(shown) == 3
    assert {each.play for each in shown} == {"make-it-right", "hold-promotions"}
    assert [len(tally.examples) for tally in other.plays.values()] == [3, 1]


def test_what_must_not_wait_is_a_service() -> None:
    """Whatever is exempt from caps and quiet hours is missed when its last play is gone."""
    assert sorted(critical.FAMILIES - services.WITHOUT.keys()) == []
