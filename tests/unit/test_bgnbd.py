"""BG/NBD: the published parameters are found again, and no data make it degenerate."""

from __future__ import annotations

from math import isfinite
from random import Random

import pytest

from stream.churn.bgnbd import BgNbd, fit

TRUE = BgNbd(r=0.6, alpha=15.0, a=0.8, b=2.5)


def lives(model: BgNbd, count: int = 3_000, days: float = 300.0) -> list[list[float]]:
    """Repeated purchases of customers drawn from the model, in days from the first one."""
    chance = Random(5)
    drawn = []
    for _ in range(count):
        rate, drop = chance.gammavariate(model.r, 1 / model.alpha), chance.betavariate(model.a, model.b)
        day, bought = 0.0, []
        while (day := day + chance.expovariate(rate or 1e-12)) < days:
            bought.append(day)
            if chance.random() < drop:
                break
        drawn.append(bought)
    return drawn


def histories(drawn: list[list[float]], until: float) -> list[tuple[float, float, float]]:
    """What is known of them on a day."""
    known = [[day for day in life if day <= until] for life in drawn]
    return [(float(len(life)), life[-1] if life else 0.0, until) for life in known]


def test_parameters_are_found_again() -> None:
    """From three thousand drawn customers, r and alpha to a fifth, and the share that drops out."""
    found = fit(histories(lives(TRUE), 300.0))

    assert found.r == pytest.approx(TRUE.r, rel=0.2)
    assert found.alpha == pytest.approx(TRUE.alpha, rel=0.2)
    assert found.a / (found.a + found.b) == pytest.approx(TRUE.a / (TRUE.a + TRUE.b), rel=0.2)


def test_silence_is_what_comes() -> None:
    """Of customers drawn from the model, as many stay silent as it says."""
    drawn = lives(TRUE)
    before = histories(drawn, 200.0)
    said = sum(TRUE.silent(*history, 100.0) for history in before) / len(before)
    silent = sum(not any(day > 200.0 for day in life) for life in drawn) / len(before)

    assert said == pytest.approx(silent, abs=0.02)


@pytest.mark.parametrize(
    "customers",
    [
        [],
        [(0.0, 0.0, 100.0)] * 500,
        [(50.0, 100.0, 100.0)] * 500,
        [(10_000.0, 364.0, 365.0)] * 40 + [(0.0, 0.0, 1.0)] * 40,
        [(3.0, 0.0, 0.0)] * 100,
    ],
    ids=["nobody", "all buy once", "nobody drops out", "resellers", "no time passed"],
)
def test_no_data_make_it_degenerate(customers: list[tuple[float, float, float]]) -> None:
    """Parameters stay finite and above 0, and what is said of anyone stays a probability."""
    found = fit(customers)

    assert all(isfinite(value) and value > 0 for value in (found.r, found.alpha, found.a, found.b))
    for history in [(0.0, 0.0, 0.0), (1e4, 364.0, 365.0), (1.0, 1.0, 1e6)]:
        assert 0.0 <= found.silent(*history, 90.0) <= 1.0
        assert all(map(isfinite, found.log_odds(*history, 90.0)))


def test_a_repeat_that_is_a_little_less_than_one_is_one() -> None:
    """Counts come back from logs: where hardly anyone stays, that is no logarithm of less than nothing."""
    model = BgNbd(r=40.0, alpha=281.0, a=3.6, b=0.0004)

    assert model.log_odds(0.9995, 7.0, 8.0, 30.0)[1] == 9.0
    assert model.alive(0.9995, 7.0, 8.0) == pytest.approx(model.alive(1, 7.0, 8.0), rel=1e-2)
