"""Stake: an offer is worth at most a share of what is lost if the customer does not come back."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest

from schemas.families.recovery_offer import RecoveryOffer, RecoveryOfferPlay
from schemas.families.retention_offer import RetentionOffer, RetentionOfferPlay
from schemas.families.sizing import Sizing
from schemas.playbook import Playbook
from schemas.profile import Profile
from schemas.timestamp import DAY
from stream.plays.offers import Choice
from stream.plays.stake import sized, stake_of, yearly_value
from tests.hotel import HOTEL, NOON, after, engine, happened, run

OFFERS = (Choice("gold", 90, 0.7, 1000), Choice("silver", 30, 0.5, 200), Choice("bronze", 5, 0.0, 0.0))
REGULAR = Profile(1, "ann", spent=1200.0, active_days=5, gap_mean=36.5, risk=0.5)
"""Spends 2,400 a year, and it is even whether she comes back."""


@pytest.mark.parametrize(
    ("spent", "days", "gap", "value"),
    [
        (1200.0, 5, 36.5, 2400.0),
        (1200.0, 5, 0.1, 87_600.0),
        (1200.0, 1, 0.0, 1200.0),
        (0.0, 0, 0.0, 0.0),
        (-20.0, 2, 10.0, 0.0),
    ],
)
def test_yearly_value(spent: float, days: int, gap: float, value: float) -> None:
    """Money a purchase by purchases a year; one purchase is worth itself, and what was paid back nothing."""
    profile = Profile(1, "ann", spent=spent, active_days=days, gap_mean=gap)

    assert yearly_value(profile) == pytest.approx(value)


def test_stake_is_severity_by_value_by_risk() -> None:
    """Each of the three counts in full."""
    assert stake_of(0.5, 2400.0, 0.5) == 600.0
    assert stake_of(0.25, 2400.0, 0.5) == 300.0
    assert stake_of(0.5, 2400.0, 0.1) == 120.0


@pytest.mark.parametrize(
    ("severity", "share", "offer", "stake"),
    [
        (0.8, None, "gold", None),
        (0.8, 0.1, "gold", 960.0),
        (0.8, 0.09, "silver", 960.0),
        (0.8, 0.01, "bronze", 960.0),
        (0.8, 0.001, "bronze", 960.0),
        (0.6, 1.0, "silver", 720.0),
        (0.4, 1.0, "bronze", 480.0),
    ],
)
def test_sized(severity: float, share: float | None, offer: str, stake: float | None) -> None:
    """The ladder and its floors stay; the share says how far up it goes, and the least is always made."""
    chosen, at_stake = sized(OFFERS, severity, REGULAR, None if share is None else Sizing(share), 1.0)

    assert chosen is not None
    assert (chosen.name, at_stake) == (offer, stake)


def test_nothing_for_who_meets_no_floor() -> None:
    """Sizing makes no offer whose floor is not met."""
    assert sized(OFFERS[:2], 0.2, REGULAR, Sizing(1.0), 1.0) == (None, 240.0)


@pytest.mark.parametrize(("share", "offer"), [(0.25, "gold"), (0.2, "silver"), (0.05, "bronze")])
def test_sized_by_the_horizon(share: float, offer: str) -> None:
    """Where the horizon is what counts, 900 to be expected at 50 % are 360 at a severity of 0.8."""
    chosen, at_stake = sized(OFFERS, 0.8, REGULAR, Sizing(share, "horizon"), 900.0)

    assert chosen is not None
    assert (chosen.name, at_stake) == (offer, 360.0)


def sizing(share: float, value: Literal["year", "horizon"] = "year") -> Playbook:
    """The hotel's playbook with sizing."""
    plays = tuple(
        msgspec.structs.replace(play, sizing=Sizing(share, value))
        if isinstance(play, RecoveryOfferPlay | RetentionOfferPlay)
        else play
        for play in HOTEL.plays
    )
    return msgspec.structs.replace(HOTEL, plays=plays)


def customer(amount: float) -> Profile:
    """Bought for this amount, twice, 73 days apart."""
    return after(
        [
            happened("order.placed", NOON - 90 * DAY, amount=amount),
            happened("order.placed", NOON - 17 * DAY, amount=amount),
        ]
    )


@pytest.mark.parametrize(("amount", "offer"), [(500.0, "free-night"), (300.0, "dinner-for-two")])
def test_recovery_offer_says_what_was_at_stake(amount: float, offer: str) -> None:
    """Of 1,000 spent, 2,500 a year at 25 % risk: 500 at stake at a severity of 0.8, of which 40 %."""
    (outcome,) = run([happened("complaint.opened")], customer(amount), engine(playbook=sizing(0.4)))
    content = next(t.data.content for t in outcome.triggers if isinstance(t.data.content, RecoveryOffer))

    assert (content.offer, content.stake) == (offer, amount)


def test_retention_offer_is_sized() -> None:
    """A customer who is about to go gets what keeping them is worth."""
    outcomes = [
        run([happened("page.viewed")], customer(500.0), engine(0.8, sizing(share)))[0]
        for share in (0.1, 0.01)
    ]
    contents = [o.triggers[0].data.content for o in outcomes]

    assert [(c.offer, c.stake) for c in contents if isinstance(c, RetentionOffer)] == [
        ("suite-upgrade", 2000.0),
        ("free-delivery", 2000.0),
    ]


@pytest.mark.parametrize(("share", "offer"), [(0.3, "suite-upgrade"), (0.2, "free-delivery")])
def test_retention_offer_is_sized_by_value_at_risk(share: float, offer: str) -> None:
    """1.243 purchases in 120.9 days make 0.925 of 500 within 90 days; at 80 %, 370 are at risk."""
    (outcome,) = run([happened("page.viewed")], customer(500.0), engine(0.8, sizing(share, "horizon")))
    content = outcome.triggers[0].data.content

    assert isinstance(content, RetentionOffer)
    assert (content.offer, content.stake, content.value_at_risk) == (offer, 370.12, 370.12)
