"""Value: what a customer may be expected to spend, guarded against refunds, newcomers and resellers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.profile import Profile
from schemas.timestamp import DAY
from stream.churn.bgnbd import BgNbd
from stream.churn.outlook import Outlook
from stream.churn.signals import signals_of
from stream.churn.stacked import Stacked
from stream.churn.value import CREDIBILITY, Value, history_of
from tests.customers import profiles
from tests.hotel import NOON, PROPERTY_TEST


class Own:
    """A scorer that has learned from customers who spend 40 a purchase, and buy as they are given to."""

    def __init__(
        self, bgnbd: BgNbd, horizon_days: float = 30.0, mean_amount: float = 3.713572066704308
    ) -> None:
        self.bgnbd = bgnbd
        self.horizon_days = horizon_days
        self.mean_amount = mean_amount

    def average(self, feature: str) -> float:
        """The mean of the logs of money a purchase."""
        assert feature == "mean_amount"
        return self.mean_amount


OWN = Value(Own(BgNbd(r=1.0, alpha=30.0)))
ONCE = Profile(1, "bob", spent=400.0, active_days=1, last_active=NOON)
REGULAR = Profile(1, "ann", spent=1_000.0, active_days=10, last_active=NOON, gap_mean=30.0)


def test_purchases_of_a_regular() -> None:
    """Nine more in 270 days, and one in 30 as everyone: ten in 300, so one within 30 days."""
    assert OWN.purchases(REGULAR, NOON) == pytest.approx(1.0)
    assert OWN.purchases(REGULAR, NOON + 100 * DAY) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("spent", "days", "amount"),
    [
        (1_000.0, 10, (1_000 + 0.44 * 40) / 10.44),
        (400.0, 1, (400 + 0.44 * 40) / 1.44),
        (0.0, 5, 0.0),
        (-50.0, 5, 0.0),
        (0.0, 0, 0.0),
    ],
)
def test_money_of_a_purchase_is_drawn_to_that_of_everyone(spent: float, days: int, amount: float) -> None:
    """The fewer purchases there were, the more; and who was paid back what was spent is worth nothing."""
    profile = Profile(1, "ann", spent=spent, active_days=days, last_active=NOON)

    assert CREDIBILITY == 0.44
    assert OWN.amount(profile) == pytest.approx(amount)


def test_another_business_tells_nothing_of_money() -> None:
    """With the model that ships the customer's own mean counts, and how often CDNOW's customers buy."""
    value = Value(None)

    assert (value.amount(ONCE), value.horizon_days, value.typical) == (400.0, 90.0, 0.0)
    assert value.purchases(ONCE, NOON) == pytest.approx(90.0 * 0.243 / 30.9)
    assert value.purchases(ONCE, NOON + 90 * DAY) == pytest.approx(90.0 * 0.243 / 120.9)


def test_who_resells() -> None:
    """Ten thousand orders are counted by day: of nobody more than a purchase a day is expected."""
    reseller = Profile(1, "eve", spent=5e6, active_days=10_000, last_active=NOON, gap_mean=1.0)
    in_one_day = Profile(1, "eve", spent=5e6, active_days=1, last_active=NOON)
    frantic = Value(Own(BgNbd(r=400.0, alpha=0.02)))

    assert OWN.expected(reseller, NOON) == pytest.approx(30.0 * 500.0, rel=0.01)
    assert OWN.expected(in_one_day, NOON) == pytest.approx((5e6 + 17.6) / 1.44)
    assert frantic.purchases(in_one_day, NOON) == 30.0


@PROPERTY_TEST
@given(profiles(), st.integers(-10, 400), st.floats(0.0, 1.0))
def test_value_at_risk_is_money_for_everyone(profile: Profile, days: int, risk: float) -> None:
    """Whatever was spent and paid back: never below nothing, never more than a purchase a day is worth."""
    now = NOON + days * DAY
    outlook = Outlook(Stacked(30.0), signals_of, "EUR")
    most = 30.0 * max(profile.spent, 0.0)

    assert 0.0 <= outlook.value_at_risk(profile, now, risk) <= round(most, 2)


def test_a_learned_model_brings_its_own_customers() -> None:
    """The mean of what it has learned from is what customers spend typically, whoever resells among them."""
    scorer = Stacked(30.0)
    for number in range(100):
        scorer.learn({"mean_amount": 3.713572066704308, "recency": number % 7}, churned=number % 3 == 0)
    value = Value(scorer)

    assert value.typical == pytest.approx(40.0)
    assert (value.horizon_days, value.bgnbd) == (30.0, BgNbd())
    assert Value(Stacked(30.0)).typical == 0.0


def test_history_of_one_who_never_bought() -> None:
    """There is none, and nothing to be expected."""
    assert history_of(Profile(1, "bob"), NOON)[0] == -1.0
    assert OWN.expected(Profile(1, "bob"), NOON) == 0.0
