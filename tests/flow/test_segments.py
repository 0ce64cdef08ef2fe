"""Segments on their way: noted when a customer is looked at, on the example, and in the trainer's figures."""

from __future__ import annotations

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from agents.trainer import Trainer
from agents.training_metrics import TrainingMetrics
from schemas import example
from schemas.example import Example
from schemas.playbook import Playbook, load
from schemas.profile import Profile, decode, encode
from schemas.timestamp import DAY
from schemas.touchpoint import Touchpoint
from stream import merger
from stream.churn.learner import BATCH
from stream.engine import Engine
from tests.flow.test_learning_restart import Record
from tests.hotel import HOTEL_YAML, NOON, GivenRisk

TEN = """
  new-guest: profile.active_days <= 1
  regular: profile.active_days >= 2 && !in_segment("quiet")
  quiet: days_since("order.placed") >= 7
"""
"""A guest is new, or a regular unless long away."""


def playbook(segments: str = TEN, churn: str = "{horizon: 30d, every: 4000d}") -> Playbook:
    """The test hotel's, without plays, which has the churn risk learned."""
    loaded = load(f"churn: {churn}\nsegments: {segments}\n{HOTEL_YAML}", "hotel.yaml")
    return msgspec.structs.replace(loaded, plays=())


def bought(day: int, customer: str = "ann") -> Touchpoint:
    """A purchase on a day."""
    return Touchpoint(f"{customer}-{day}", "/shop", "order.placed", customer, NOON + day * DAY, amount=20.0)


def lived(*touchpoints: Touchpoint, by: Playbook) -> Profile:
    """The profile after touchpoints, as it is read from its bytes."""
    engine, profile = Engine(by, GivenRisk(0.25), "m1"), None
    for touchpoint in touchpoints:
        profile = engine.step(profile, touchpoint, touchpoint.time).profile
    assert profile is not None
    return decode(encode(profile))


def learned(profile: Profile, by: Playbook, until: int = 99) -> list[Example]:
    """The examples that are known by a day."""
    return list(Engine(by, GivenRisk(0.25), "m1").fire(profile, NOON + until * DAY).examples)


def told(known: list[Example]) -> list[tuple[int, tuple[str, ...] | None]]:
    """On which days examples were seen, and in which segments."""
    first = example.decode(example.encode(known[0])).data.seen
    return [
        ((data.seen - first).days, data.segments)
        for data in (example.decode(example.encode(each)).data for each in known)
    ]


def test_the_segment_at_the_look_counts() -> None:
    """Who was new when looked at is so in the example, though a regular by the time the label is known."""
    by = playbook()
    profile = lived(bought(0), bought(5), by=by)

    assert told(learned(profile, by)) == [(0, ("new-guest",)), (5, ("regular",))]


def test_a_look_while_nothing_happens_notes_them_too() -> None:
    """By the profile's timer, as of when it was due: by then the customer has been away for long."""
    by = playbook(churn='{horizon: 30d, every: "10d"}')
    profile = lived(bought(0), by=by)

    assert told(learned(profile, by, until=41)) == [(0, ("new-guest",)), (10, ("new-guest", "quiet"))]


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (TEN, ("new-guest",)),
        (TEN.replace("active_days <= 1", "active_days <= 2"), ("new-guest",)),
        (TEN.replace("new-guest", "newcomer"), None),
        (f"{TEN}  vip: profile.spent >= 900\n", None),
        ("{}", None),
    ],
    ids=["the same", "another condition", "another name", "one more", "none"],
)
def test_another_playbook_by_the_end_of_the_horizon(after: str, said: tuple[str, ...] | None) -> None:
    """Names are those of then, if the playbook still has the same ones; else nothing is said of any."""
    profile = lived(bought(0), by=playbook())

    assert told(learned(profile, playbook(after))) == [(0, said)]


def test_where_there_were_no_segments_none_are_made_up() -> None:
    """What was seen before the playbook had any says nothing; who is in none is in none."""
    before = lived(bought(0), by=playbook("{}"))
    in_none = lived(bought(0), by=playbook("{vip: profile.spent >= 900}"))

    assert len(in_none.pending[0]) - len(before.pending[0]) == 3
    assert told(learned(before, playbook())) == [(0, None)]
    assert told(learned(in_none, playbook("{vip: profile.spent >= 900}"))) == [(0, ())]


def test_a_segment_that_can_not_be_told_is_none() -> None:
    """A condition about a booking of one who has none, or an account of a guest, holds for nobody."""
    by = playbook("{seoul: \"booking.property == 'seoul'\", spender: profile.spent >= 20}")

    assert told(learned(lived(bought(0), by=by), by)) == [(0, ("spender",))]


def test_of_twenty_segments_the_first_sixteen_are_told() -> None:
    """A playbook may have more; those are not noted."""
    by = playbook("".join(f"\n  of-{number}: profile.spent >= {number}" for number in range(20)))
    (seen,) = learned(lived(bought(0), by=by), by)

    assert seen.data.segments == tuple(f"of-{number}" for number in range(16))


def test_two_ids_that_are_one_customer_keep_what_each_was() -> None:
    """Looks at either are read with the kinds and the segments of then."""
    by = playbook()
    ann, other = lived(bought(0), by=by), lived(bought(1, "eve"), bought(3, "eve"), by=by)
    merger.merge(ann, other)

    assert told(learned(ann, by)) == [(0, ("new-guest",)), (1, ("new-guest",)), (3, ("regular",))]


def test_the_trainer_tells_how_good_risks_are_by_segment() -> None:
    """Of 240 guests half come back, half of those once more: figures of new guests and of regulars."""
    by = playbook()
    known: list[Example] = []
    for number in range(240):
        days = (0, 5, 10)[: 1 + (number % 2 == 0) + (number % 4 == 0)]
        known += learned(lived(*(bought(day, f"c{number}") for day in days), by=by), by)
    known.sort(key=lambda each: (each.time, each.id))
    trainer = Trainer(TrainingMetrics(CollectorRegistry()))
    records = [Record(0, offset, example.encode(each)) for offset, each in enumerate(known)]
    for start in range(0, len(records), BATCH):
        trainer.take(records[start : start + BATCH])
    said = trainer.model().figures["segments"]["said"]

    assert len(known) == 240 + 120 + 60
    assert {name: (its["points"], its["churned"]) for name, its in said.items()} == {
        "new-guest": (240, 0.5),
        "regular": (180, pytest.approx(2 / 3)),
    }
    # To everyone the same risk of .25 was said.
    assert said["new-guest"]["auc"] == 0.5
    assert said["new-guest"]["brier"] == pytest.approx(0.5 * 0.75**2 + 0.5 * 0.25**2)
    assert said["regular"]["calibration_error"] == pytest.approx(2 / 3 - 0.25, abs=0.05)
