"""Recovery offer: sized by the harm and the customer; the second time a person calls."""

from __future__ import annotations

import msgspec
import pytest

from schemas.families.recovery_offer import RecoveryOffer, RecoveryOfferPlay
from schemas.profile import Profile
from schemas.timestamp import DAY, HOUR
from stream.outcome import Outcome
from stream.plays.offers import Choice, choose
from tests.hotel import HOTEL, NOON, after, engine, happened, reasons, run

PLAY = "make-it-right"
OFFERS = (Choice("gold", 90, 0.7, 1000), Choice("silver", 30, 0.5, 200), Choice("bronze", 5, 0.0, 0.0))


def spent(amount: float) -> Profile:
    """A customer who has spent so much, a while ago."""
    return after([happened("order.placed", NOON - 90 * DAY, amount=amount)])


def offered(outcome: Outcome) -> RecoveryOffer:
    """What the one recovery trigger of an outcome offers."""
    (content,) = (t.data.content for t in outcome.triggers if t.family == "recovery-offer")
    assert isinstance(content, RecoveryOffer)
    return content


@pytest.mark.parametrize(
    ("severity", "money", "offer"),
    [
        (0.7, 1000, "gold"),
        (0.69, 1000, "silver"),
        (0.7, 999.99, "silver"),
        (0.5, 200, "silver"),
        (0.49, 5000, "bronze"),
        (1.0, 0, "bronze"),
        (1.0, -50, None),
    ],
)
def test_first_offer_whose_floors_are_met(severity: float, money: float, offer: str | None) -> None:
    """Both the harm and the money must reach a floor; who is below all of them gets nothing."""
    chosen = choose(OFFERS, severity, money)

    assert (chosen.name if chosen else None) == offer


@pytest.mark.parametrize(
    ("type_", "money", "offer", "amount", "severity"),
    [
        ("complaint.opened", 1500, "free-night", 180, 0.8),
        ("complaint.opened", 300, "dinner-for-two", 60, 0.8),
        ("service.failed", 1500, "dinner-for-two", 60, 0.6),
        ("wait.long", 1500, "voucher", 15, 0.4),
        ("complaint.opened", 10, "voucher", 15, 0.8),
    ],
)
def test_tiers_of_the_hotel(type_: str, money: float, offer: str, amount: float, severity: float) -> None:
    """The worse the moment and the better the customer, the more it is put right with."""
    (outcome,) = run([happened(type_)], spent(money))

    assert offered(outcome) == RecoveryOffer("offer", type_, severity, 1, offer, amount, "EUR")


@pytest.mark.parametrize(("stars", "fires"), [(1, True), (2, True), (2.2, True), (2.3, False), (5, False)])
def test_bad_answer_is_a_bad_moment(stars: float, fires: bool) -> None:
    """A rating weighs by its answer, and below the playbook's severity nothing is done."""
    (outcome,) = run([happened("chat.rated", data={"rating": stars})])

    assert reasons(outcome) == ({PLAY: "fired"} if fires else {})


@pytest.mark.parametrize(
    "type_", ["order.returned", "app.failed", "page.viewed", "order.delivered", "spa.visited"]
)
def test_lesser_moments_are_left_alone(type_: str) -> None:
    """What is not bad enough, or not bad, or not known, is no candidate."""
    (outcome,) = run([happened(type_)])

    assert (outcome.triggers, outcome.decision) == ([], None)


def test_second_bad_moment_calls_a_person() -> None:
    """Within the window a second bad moment escalates, within the cooldown too: the offer didn't help."""
    first, second, third = run([happened("wait.long", NOON + n * HOUR) for n in range(3)])

    assert [offered(o).action for o in (first, second, third)] == ["offer", "escalate", "escalate"]
    assert [offered(o).bad_moments for o in (first, second, third)] == [1, 2, 3]


@pytest.mark.parametrize(("gap", "action"), [(30 * DAY, "escalate"), (30 * DAY + 1, "offer")])
def test_window_of_the_escalation(gap: int, action: str) -> None:
    """After thirty days a bad moment is a first one again."""
    outcome = run([happened("wait.long"), happened("wait.long", NOON + gap)])[-1]

    assert offered(outcome).action == action


@pytest.mark.parametrize(("gap", "reason"), [(DAY - 1, "cooldown"), (DAY, "fired")])
def test_cooldown(gap: int, reason: str) -> None:
    """A first bad moment soon after an offer is made no second offer."""
    profile = msgspec.structs.replace(spent(0), fired={PLAY: NOON - gap})
    (outcome,) = run([happened("wait.long")], profile)

    assert reasons(outcome) == {PLAY: reason}
    assert len(outcome.triggers) == (reason == "fired")


def test_late_bad_moment_is_entered_and_not_answered() -> None:
    """Yesterday's wait is no reason to apologise now, but the next one is the second."""
    late = engine().step(None, happened("wait.long", NOON - DAY), NOON)
    (next_one,) = run([happened("wait.long", NOON + 1)], late.profile)

    assert (late.late, late.triggers, reasons(late)) == (True, [], {PLAY: "late"})
    assert offered(next_one).action == "escalate"


def test_no_offer_for_who_meets_no_floor() -> None:
    """Where the playbook has nothing for a customer, the decision says so."""
    play = next(play for play in HOTEL.plays if isinstance(play, RecoveryOfferPlay))
    playbook = msgspec.structs.replace(HOTEL, plays=(msgspec.structs.replace(play, offers=("free-night",)),))
    (outcome,) = run([happened("wait.long")], engine=engine(playbook=playbook))

    assert (outcome.triggers, reasons(outcome)) == ([], {PLAY: "no-offer"})


def test_correlation_is_the_issue_or_what_the_touchpoint_says() -> None:
    """A complaint's offer belongs to its issue; another bad moment to its own order, not to that issue."""
    complaint, delay = run(
        [
            happened("complaint.opened", data={"issue": "i1"}, correlation="chat-1"),
            happened("order.delayed", NOON + 1, correlation="order-7"),
        ]
    )

    assert complaint.triggers[0].correlation == "i1"
    assert delay.triggers[0].correlation == "order-7"
