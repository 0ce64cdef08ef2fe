"""Rescoring: many customers at once come to what each comes to alone."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.kinds import Kind, kinds_of
from schemas.profile import VERSION, Profile
from schemas.timestamp import DAY
from stream.churn import models
from stream.churn.adaptive_tree import AdaptiveTree
from stream.churn.columns import Columns
from stream.churn.features import features_of
from stream.churn.logistic import Logistic
from stream.churn.rescoring import AT_ONCE, risks_of
from stream.churn.scorer import Scorer
from stream.churn.signals import signals_of
from stream.churn.stacked import Stacked
from tests.customers import KINDS, profiles
from tests.hotel import NOON, PROPERTY_TEST

EXACT = 1e-12
"""What numpy's logarithms and Python's may differ by in the end."""

MANY = settings(PROPERTY_TEST, max_examples=50)


def customer(chance: Random) -> Profile:
    """A customer such as there are in a shop."""
    days = chance.randint(1, 30)
    first = NOON - chance.randint(300, 600) * DAY
    last = first + chance.randint(1, 290) * DAY
    return Profile(
        VERSION,
        f"c-{chance.randint(0, 10**9)}",
        first_seen=first,
        last_seen=last,
        touchpoints=days * 3,
        kinds=kinds_of({kind: Kind(days, last, 0.5 * days) for kind in KINDS if chance.random() < 0.5}),
        decayed=(1.0, 2.0, 3.0),
        active_days=days,
        last_active=last,
        spent=days * chance.uniform(5.0, 90.0),
        last_amount=20.0,
        gap_mean=(last - first) / DAY / max(days - 1, 1) if days > 1 else 0.0,
        gap_m2=50.0 * days if days > 1 else 0.0,
        active_decayed=(1.0, 1.5, 2.5),
        spent_decayed=30.0,
    )


def taught(scorer: Scorer, count: int = 400, days: int = 0) -> Scorer:
    """A scorer that has learned from such customers, within so many days, who of them does not come back."""
    chance = Random(5)
    for number in range(count):
        signals = signals_of(customer(chance), NOON + number * days * DAY // count)
        scorer.learn(signals, churned=signals["recency"] + chance.gauss(0.0, 1.0) > 4.5)
    return scorer


STACKED = taught(Stacked(90.0))
SEASONED = taught(Stacked(90.0), days=500)
TREE = taught(AdaptiveTree())


@MANY
@given(st.lists(profiles(), min_size=1, max_size=8), st.integers(-30, 400))
def test_signals_are_those_of_each_alone(them: list[Profile], days: int) -> None:
    """Whatever a profile holds, at whatever time: column by column what `signals_of` says, to rounding."""
    now = NOON + days * DAY
    columns = Columns(them)
    table = columns.signals(slice(0, len(them)), now, columns.kinds)
    for place, profile in enumerate(them):
        alone = signals_of(profile, now)

        assert set(alone) <= set(table)
        assert {name: float(column[place]) for name, column in table.items()} == pytest.approx(
            {name: alone.get(name, 0.0) for name in table}, rel=EXACT, abs=EXACT
        )


@pytest.mark.parametrize("scorer", [STACKED, SEASONED, TREE])
@MANY
@given(st.lists(profiles(), min_size=1, max_size=8), st.integers(0, 400))
def test_risks_are_those_of_each_alone(scorer: Scorer, them: list[Profile], days: int) -> None:
    """A scorer of signals, whether it can score many at once or not, says of each what it says of one."""
    now = NOON + days * DAY
    risks = risks_of(scorer, Columns(them), now, signals=True)

    assert risks.tolist() == pytest.approx(
        [scorer.predict(signals_of(profile, now)) for profile in them], rel=0.0, abs=EXACT
    )


@MANY
@given(st.lists(profiles(), min_size=1, max_size=8), st.integers(0, 400))
def test_risks_of_the_model_that_ships(them: list[Profile], days: int) -> None:
    """So does the one that ships, which has learned from features."""
    now = NOON + days * DAY
    scorer = models.load()
    risks = risks_of(scorer, Columns(them), now, signals=False)

    assert risks.tolist() == pytest.approx(
        [scorer.predict(features_of(profile, now)) for profile in them], rel=0.0, abs=EXACT
    )


def test_more_than_are_made_together() -> None:
    """Where one part ends and the next begins nobody is left out, and everyone keeps their own moments."""
    chance = Random(3)
    them = [customer(chance) for _ in range(100)]
    many = [them[place % 100] for place in range(AT_ONCE + 150)]
    risks = risks_of(STACKED, Columns(many), NOON, signals=True)

    assert len(set(np.round(risks[:100], 12))) == 100
    assert risks.tolist() == pytest.approx(
        [risks[place % 100] for place in range(len(many))], rel=0.0, abs=EXACT
    )


def test_silence_alone_makes_risks_grow() -> None:
    """Of customers who do nothing the risk is higher in the end than at first, for all of them."""
    chance = Random(4)
    columns = Columns(customer(chance) for _ in range(50))
    before, after = (risks_of(STACKED, columns, NOON + days * DAY, signals=True) for days in (0, 120))

    assert len(columns.customers) == 50
    assert bool((after > before).all())


def test_nobody_at_all() -> None:
    """Without any customer there are no risks."""
    assert risks_of(Logistic(), Columns([]), NOON, signals=True).tolist() == []
