"""Drivers: contributions add up to the risk, are told in words, and cost nothing where nobody asks."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.families.retention_offer import MAX_DRIVERS, Driver, RetentionOffer
from schemas.issue import Issue
from schemas.kinds import Kind, kinds_of
from schemas.moment import Moment
from schemas.profile import VERSION, Profile
from schemas.timestamp import DAY, HOUR
from stream.churn import models
from stream.churn.adaptive_tree import AdaptiveTree
from stream.churn.drivers import Asked, drivers_of, grouped
from stream.churn.features import features_of
from stream.churn.logistic import Logistic
from stream.churn.outlook import Outlook
from stream.churn.river_scorer import MOST_FEATURES
from stream.churn.scorer import ExplainedScorer, Features, probability
from stream.churn.signals import NAMES, signals_of
from stream.churn.stacked import Stacked
from stream.churn.value import Value
from stream.engine import Engine
from tests.customers import profiles
from tests.hotel import HOTEL, NOON, PROPERTY_TEST, GivenRisk, after, happened

EXACT = 1e-9

REGULAR = Profile(
    VERSION,
    "ann",
    first_seen=NOON - 400 * DAY,
    last_seen=NOON - 3 * DAY,
    touchpoints=1_234,
    kinds=kinds_of({"order.returned": Kind(3, NOON - 4 * DAY, 1.0), "*": Kind(1, NOON, 1.0)}),
    active_days=7,
    last_active=NOON - 41 * DAY,
    spent=700.0,
    last_amount=20.0,
    gap_mean=12.4,
    days=b"".join((NOON // DAY - back).to_bytes(2) for back in (89, 71, 41)),
    moments=(Moment(NOON - 60 * DAY, 0.5, "chat.rated", "m"), Moment(NOON, -1.0, "chat.rated", "n")),
    issues=(Issue("i", NOON, "complaint.opened"), Issue("j", NOON, "complaint.opened")),
)


def asked(profile: Profile) -> Asked:
    """Of whom it is told, at noon."""
    return Asked(profile, NOON, Value(None), "EUR")


def taught(scorer: Stacked | AdaptiveTree, count: int = 600) -> Stacked | AdaptiveTree:
    """A scorer that has learned who is lost: those long away."""
    chance = Random(2)
    for number in range(count):
        features = {name: chance.uniform(0.0, 3.0) for name in NAMES}
        features["order.returned:decayed"] = float(number % 3)
        scorer.learn(features, churned=features["recency"] + chance.gauss(0.0, 0.3) > 1.5)
    return scorer


STACKED = taught(Stacked(90.0))
LOGISTIC = models.load()
TREE = taught(AdaptiveTree(), 2_000)


def beyond_average(scorer: ExplainedScorer, features: Features) -> float:
    """By how much the log odds of a customer are above those of the average customer."""
    risk = scorer.predict(features)
    assume(1e-5 < risk < 1.0 - 1e-5)
    return log(risk / (1.0 - risk)) - scorer.average_log_odds


@PROPERTY_TEST
@given(profiles(), st.integers(0, 400))
def test_contributions_to_the_model_that_ships_add_up(profile: Profile, days: int) -> None:
    """Together they are the log odds of the risk, beyond those of the average customer."""
    assert isinstance(LOGISTIC, Logistic)
    features = features_of(profile, NOON + days * DAY)

    assert sum(LOGISTIC.contributions(features).values()) == pytest.approx(
        beyond_average(LOGISTIC, features), abs=EXACT
    )


@PROPERTY_TEST
@given(profiles(), st.integers(0, 400))
def test_contributions_to_a_learned_model_add_up(profile: Profile, days: int) -> None:
    """So do those of BG/NBD, lines, bends, crosses and calibration, and they do so when told together."""
    assert isinstance(STACKED, Stacked)
    features = signals_of(profile, NOON + days * DAY)
    contributions = STACKED.contributions(features)
    beyond = beyond_average(STACKED, features)

    assert sum(contributions.values()) == pytest.approx(beyond, abs=EXACT)
    assert sum(grouped(contributions).values()) == pytest.approx(beyond, abs=EXACT)


def test_nothing_contributes_to_the_average_customer() -> None:
    """Who is average in everything has the average risk, and no reason for another one."""
    assert isinstance(LOGISTIC, Logistic)
    means = {name: term[1] for term in LOGISTIC._compile() if isinstance(name := term[0], str)}

    assert set(LOGISTIC.contributions(means).values()) == {0.0}
    assert LOGISTIC.predict(means) == pytest.approx(probability(LOGISTIC.average_log_odds), abs=1e-15)


class CountingTree(AdaptiveTree):
    """A tree that counts how often it is asked for a score."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def predict(self, features: Features) -> float:
        """As ever, and counted."""
        self.asked += 1
        return super().predict(features)


def test_a_tree_is_asked_with_one_feature_replaced_at_a_time() -> None:
    """Without weights there is the difference that each feature makes, at a score for each and one more."""
    tree = CountingTree()
    tree.restore(TREE.snapshot())
    contributions = tree.contributions(dict.fromkeys(NAMES, 1.5) | {"recency": 2.9})

    assert max(contributions, key=lambda name: abs(contributions[name])) == "recency"
    assert contributions["recency"] > 0.5
    assert tree.asked <= len(NAMES) + 2 <= MOST_FEATURES + 1


def test_a_tree_that_has_learned_nothing_gives_no_reasons() -> None:
    """Where everyone's risk is the same there is nothing to tell."""
    assert AdaptiveTree().contributions(dict.fromkeys(NAMES, 1.0)) == {}


WORDS = [
    ("overdue", 41.0, "has not bought for 41 days, usually buys every 12 days"),
    ("bgnbd_lost", 0.482, "of those who bought as often and as lately, 48% don't within 90 days"),
    ("rate", 7.0, "bought on 7 days within 400 days"),
    ("gap_std", 12.4, "usually buys every 12 days, the last time after 30 days"),
    ("trend_7_28", 3.0, "bought on 0 days of the last 28, on 3 days of the last 90"),
    ("tenure", 400.0, "first seen 400 days ago"),
    ("last_amount", 100.0, "spends 100.00 EUR on a day with a purchase, lately 20.00"),
    ("decayed_28", 1_234.0, "1,234 touchpoints so far, the latest 3 days ago"),
    ("silence", 3.0, "last heard of 3 days ago"),
    ("bad_moments", -0.875, "1 good and 1 bad moments of late"),
    ("open_issues", 2.0, "2 open issues"),
    ("half_year_cos", 73.0, "the time of year, 14 March"),
    ("order.returned:closeness", 3.0, "order.returned: 3 times, the latest 4 days ago"),
    ("*:count", 1.0, "other touchpoints: 1 time, the latest today"),
    ("order.damaged:count", 0.0, "order.damaged: never"),
]


@pytest.mark.parametrize(("feature", "value", "words"), WORDS)
def test_words(feature: str, value: float, words: str) -> None:
    """Each signal is told by what a person knows of the customer, and by its figure."""
    (driver,) = drivers_of({feature: 0.25}, asked(REGULAR))

    assert (driver.value, driver.contribution, driver.words) == (value, 0.25, words)


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        ("recency", "has not bought yet, first seen 41 days ago"),
        ("bgnbd", "has not bought yet"),
        ("frequency", "bought on 0 days within 41 days"),
        ("gap_mean", "has no rhythm of buying yet"),
        ("mean_amount", "has not spent anything yet"),
        ("experience", "no good or bad moments of late"),
        ("open_issues", "no open issue"),
    ],
)
def test_words_of_who_has_done_nothing_yet(feature: str, words: str) -> None:
    """Who has not bought has no rhythm and no money to tell of."""
    newcomer = Profile(VERSION, "bob", first_seen=NOON - 41 * DAY, last_seen=NOON, touchpoints=1)

    assert drivers_of({feature: -1.0}, asked(newcomer))[0].words == words


@pytest.mark.parametrize(
    ("days", "gap", "words"),
    [
        (1, 0.0, "bought on one day alone, 1 day ago"),
        (2, 5.0, "has not bought for 1 day, after two times 5 days apart"),
        (3, 5.0, "has not bought for 1 day, usually buys every 5 days"),
    ],
)
def test_what_is_usual_takes_two_gaps(days: int, gap: float, words: str) -> None:
    """One purchase has no rhythm, and two have none that could be called usual."""
    bob = Profile(VERSION, "bob", active_days=days, last_active=NOON - DAY, gap_mean=gap)

    assert drivers_of({"recency": 1.0}, asked(bob))[0].words == words


def test_the_most_telling_come_first_and_are_few() -> None:
    """What is told together is added up; what hardly counts, and calibration, is left out."""
    contributions = {
        "recency": 2.0,
        "late": -1.5,
        "tenure": -1.0,
        "frequency": 0.3,
        "silence": 0.2,
        "open_issues": 0.1,
        "calibration": 3.0,
    }
    drivers = drivers_of(contributions, asked(REGULAR))

    assert [(driver.feature, driver.contribution) for driver in drivers] == [
        ("tenure", -1.0),
        ("recency", 0.5),
        ("frequency", 0.3),
        ("silence", 0.2),
    ]
    assert len(drivers) == MAX_DRIVERS
    assert drivers_of({"tenure": 0.049}, asked(REGULAR)) == ()


def test_a_scorer_that_gives_no_reasons() -> None:
    """Of a risk that came from elsewhere nothing is told, and there is no average."""
    outlook = Outlook(GivenRisk(0.5), features_of, "EUR")

    assert (outlook.drivers(REGULAR, NOON), outlook.average_log_odds()) == ((), None)


class Counting(Logistic):
    """The model that ships, and how often it was asked for reasons."""

    def __init__(self) -> None:
        super().__init__()
        self.restore(models.load().snapshot())
        self.asked = 0

    def contributions(self, features: Mapping[str, float]) -> dict[str, float]:
        """As ever, and counted."""
        self.asked += 1
        return super().contributions(features)


def test_reasons_are_looked_for_when_a_trigger_fires_and_not_before() -> None:
    """Ten steps below the threshold ask for none; the one that makes an offer asks once."""
    scorer = Counting()
    engine = Engine(HOTEL, scorer, "counted")
    bought = [happened("order.placed", NOON - back * DAY, amount=50.0) for back in (50, 30, 10)]
    profile = after(bought)
    for number in range(10):
        at = NOON + number * HOUR
        profile = engine.step(profile, happened("page.viewed", at), at).profile
    asked_before = scorer.asked
    late = NOON + 400 * DAY
    outcome = engine.step(profile, happened("page.viewed", late), late)

    assert (asked_before, scorer.asked) == (0, 1)
    (content,) = [trigger.data.content for trigger in outcome.triggers]
    assert isinstance(content, RetentionOffer)
    assert content.drivers == engine.outlook.drivers(outcome.profile, late)
    assert content.drivers[0] == Driver(
        "recency",
        410.0,
        content.drivers[0].contribution,
        "has not bought for 410 days, usually buys every 20 days",
    )
