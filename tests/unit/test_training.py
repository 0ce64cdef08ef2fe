"""Training: which points there are, when their labels mature, and what the model learns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.playbook import load
from schemas.timestamp import DAY
from schemas.touchpoint import Touchpoint
from stream.churn import models
from stream.churn.features import NAMES, features_of
from stream.churn.logistic import Logistic
from stream.churn.quality import quality_of
from stream.churn.scorer import Features
from stream.churn.training import Point, Training
from stream.engine import DEFAULT_PLAYBOOK, load_engine

ROOT = Path(__file__).parents[2]
PLAYBOOK = load(DEFAULT_PLAYBOOK.read_text(encoding="utf-8"), "hotel.yaml")

MONDAY = 1_767_571_200_000
"""5 January 2026 at midnight, UTC, in ms."""

LOOKED_AT = "c13"
"""A customer whom the weekly look falls on; on `c2` to `c9` it does not."""


class Diary:
    """A Scorer that writes down what it is asked and taught, and always says 0.25."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    def predict(self, features: Features) -> float:
        """Say 0.25."""
        return 0.25

    def learn(self, features: Features, *, churned: bool) -> None:
        """Write the label down."""
        self.entries.append("churned" if churned else "stayed")

    def snapshot(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def restore(self, snapshot: Any) -> None:
        """Nothing."""


def bought(customer: str, day: float, type_: str = "order.placed") -> Touchpoint:
    """A touchpoint of a customer, so many days after MONDAY."""
    time = MONDAY + int(day * DAY)
    return Touchpoint(
        f"{customer}-{type_}-{day}", "/shop", type_, customer, time, {"amount": 20.0}, amount=20.0
    )


def points_of(*touchpoints: Touchpoint, horizon: int = 10) -> list[tuple[float, bool, bool]]:
    """Day, kind and label of every point that matured."""
    points = Training(PLAYBOOK, Diary(), horizon * DAY).run(touchpoints)
    return [((p.time - MONDAY) / DAY, p.bought, p.churned) for p in points]


def test_a_return_on_the_last_day_of_the_horizon_counts() -> None:
    """Who comes back at exactly the horizon stayed; who comes back a moment later was lost."""
    on_time = points_of(bought("c2", 0), bought("c2", 10))
    late = points_of(bought("c2", 0), bought("c2", 10.001))

    assert on_time == [(0.0, True, False)]
    assert late == [(0.0, True, True)]


def test_both_labels_wait_for_the_horizon() -> None:
    """A customer who came back after a day is learned from no earlier than one who never did."""
    diary = Diary()
    days = [bought("c2", 0), bought("c3", 0), bought("c2", 1), bought("c4", 9.9), bought("c4", 10)]
    training = Training(PLAYBOOK, diary, 10 * DAY)

    matured = [(point.churned, list(diary.entries)) for point in training.run(days)]

    assert matured == [(False, ["stayed"]), (True, ["stayed", "churned"])]


def test_points_that_can_not_mature_are_left_out() -> None:
    """The last purchases of the data have no label: nobody knows what came after."""
    assert points_of(bought("c2", 0), bought("c3", 9)) == []


def test_several_purchases_of_a_day_are_one_point() -> None:
    """Activity is a day with a purchase: three orders of one day neither give three points nor a return."""
    days = [bought("c2", 0), bought("c2", 0.25), bought("c2", 0.5), bought("c3", 12)]

    assert points_of(*days) == [(0.0, True, True)]


def test_other_touchpoints_are_no_return() -> None:
    """Reading mail changes the features and never the label."""
    days = [bought("c2", 0), bought("c2", 5, "email.opened"), bought("c3", 12)]

    assert points_of(*days) == [(0.0, True, True)]


def test_silence_is_looked_at_weekly_for_half_a_year() -> None:
    """A silent customer gives a point a week from day 13.5, until 182 days after the last purchase."""
    days = [bought(LOOKED_AT, 0), bought("c2", 400)]

    silent = [day for day, was_purchase, _ in points_of(*days) if not was_purchase]

    assert silent == [13.5 + 7 * week for week in range(25)]


def test_a_point_is_scored_before_it_is_learned_from() -> None:
    """What a label teaches shows in later risks and not in its own."""
    days = [bought("c2", 0), bought("c3", 20), bought("c4", 40), bought("c5", 60)]

    risks = [point.risk for point in Training(PLAYBOOK, Logistic(), 10 * DAY).run(days)]

    assert risks[0] == 0.5
    assert risks[1] > 0.5


def test_training_wants_order() -> None:
    """Touchpoints out of order would mature labels too early, so they are refused."""
    with pytest.raises(ValueError, match="in order of time"):
        points_of(bought("c2", 1), bought("c2", 0))


def regulars() -> Iterator[str]:
    """CSV of forty customers over a year: half come every ten days, half stop after three visits."""
    yield "customer_id,time,type,amount"
    for day in range(365):
        for number in range(40):
            if day % 10 == number % 10 and (number % 2 or day < 30 + number):
                yield f"{number},{date_of(day)},order.placed,{10 + number}"


def date_of(day: int) -> str:
    """The date so many days into 2025."""
    return (date(2025, 1, 1) + timedelta(days=day)).isoformat()


def train(folder: Path, seed: str) -> bytes:
    """The model file that the command makes, in a process with this hash seed."""
    data = folder / "regulars.csv"
    data.write_text("\n".join(regulars()) + "\n")
    out = folder / f"{seed}.json"
    done = subprocess.run(
        [sys.executable, "-m", "agents", "model", "train", "--data", data, "--version", "test", "--out", out],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return out.read_bytes()


def test_the_same_data_give_the_same_file(tmp_path: Path) -> None:
    """Two runs, with different hash seeds, write the same bytes, and the file names how it was made."""
    one, other = train(tmp_path, "1"), train(tmp_path, "2")

    assert one == other
    model = json.loads(one)
    assert model["made_by"].startswith("dangol model train --data regulars.csv (sha256 ")
    assert sorted(model["snapshot"]["weights"]) == sorted(NAMES)


def test_a_restored_model_goes_on_as_if_never_stopped() -> None:
    """The snapshot is all of the state: what is learned after it gives the same risk to the last bit."""
    days = [bought(f"c{number}", day) for day in range(0, 120, 3) for number in range(2 + day % 5, 9, 2)]
    first, second = Logistic(), Logistic()
    list(Training(PLAYBOOK, first, 10 * DAY).run(days))
    second.restore(msgspec.json.decode(msgspec.json.encode(first.snapshot())))
    features = {name: float(place) for place, name in enumerate(NAMES)}

    for scorer in (first, second):
        for label in (True, False, True):
            scorer.learn(features, churned=label)

    assert second.predict(features) == first.predict(features)
    assert second.snapshot() == first.snapshot()


def test_the_shipped_model_is_small_and_names_its_making() -> None:
    """The file of the default version is under 20 kB and says by which command it was made."""
    content = (models.FOLDER / f"{models.DEFAULT}.json").read_bytes()
    model = msgspec.json.decode(content, type=models.Model)

    assert len(content) < 20_000
    assert (model.version, model.horizon_days) == (models.DEFAULT, 90)
    assert model.made_by == "dangol model train --data cdnow --horizon-days 90 --version cdnow-2026.11"


def test_the_shipped_model_sees_who_stays_away() -> None:
    """The longer a monthly buyer is away the higher the risk, and whoever bought often is safer than once."""
    engine, model = load_engine(), models.load()
    monthly = once = None
    for day in range(0, 331, 30):
        monthly = engine.step(monthly, bought("c2", day), MONDAY + day * DAY).profile
    once = engine.step(once, bought("c3", 330), MONDAY + 330 * DAY).profile
    assert monthly is not None

    def risk(profile: Any, days_away: int) -> float:
        return model.predict(features_of(profile, MONDAY + (330 + days_away) * DAY))

    away = [risk(monthly, days) for days in (1, 15, 45, 90, 180)]
    assert away == sorted(away)
    assert away[0] < 0.3
    assert away[-1] > 0.5
    assert risk(once, 1) > risk(monthly, 1)


def test_quality_needs_both_kinds() -> None:
    """Where everyone or no one was lost, nothing can be told apart."""
    assert quality_of([0.1, 0.9], [True, True]) is None
    assert quality_of([], []) is None


def test_quality_of_equal_risks_is_guessing() -> None:
    """Equal risks share their ranks, so who says the same of all has an AUC of exactly one half."""
    quality = quality_of([0.5] * 6, [True, False, True, False, False, False])

    assert quality is not None
    assert (quality.auc, round(quality.log_loss, 6), quality.points) == (0.5, 0.693147, 6)


def test_point_is_what_it_says() -> None:
    """A point carries when, of which kind, the risk given and what came of it."""
    (point,) = Training(PLAYBOOK, Diary(), 10 * DAY).run([bought("c2", 0), bought("c3", 10)])

    assert point == Point(MONDAY, True, 0.25, True)
