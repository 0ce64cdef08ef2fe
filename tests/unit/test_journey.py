"""The journey: forward by evidence, backward for one who was let down."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import Stage
from schemas.profile import MAX_TURNS, Profile, new_profile
from schemas.timestamp import DAY, HOUR, to_datetime
from stream.journey import ORDER, advance, dwell, merge
from stream.outcome import Outcome
from tests.hotel import NOON, PROPERTY_TEST, engine
from tests.identities import event

STAGES: tuple[Stage, ...] = ("aware", "appeal", "ask", "act", "advocate")


@pytest.mark.parametrize("evidence", STAGES)
@pytest.mark.parametrize("stage", STAGES)
def test_evidence_moves_forward_alone(stage: Stage, evidence: Stage) -> None:
    """Evidence of a later stage moves a customer there at its time; of an earlier one, nothing."""
    profile = new_profile("ann")
    profile.stage, profile.stage_since = stage, NOON
    advance(profile, evidence, 0.0, NOON + 1)

    forward = ORDER[evidence] > ORDER[stage]
    assert (profile.stage, profile.stage_since) == ((evidence, NOON + 1) if forward else (stage, NOON))


@pytest.mark.parametrize(("weight", "stage"), [(-0.29, "advocate"), (-0.3, "act"), (-1.0, "act")])
def test_advocate_who_is_let_down(weight: float, stage: str) -> None:
    """An annoyance takes an advocate back to `act`, a trifle doesn't."""
    profile = new_profile("ann")
    profile.stage, profile.stage_since = "advocate", NOON
    advance(profile, None, weight, NOON + 1)

    assert profile.stage == stage


@pytest.mark.parametrize("stage", STAGES[:-1])
def test_bad_moment_before_that_changes_nothing(stage: Stage) -> None:
    """Who is no advocate stays where they are, and a bad moment is no evidence either."""
    profile = new_profile("ann")
    profile.stage, profile.stage_since = stage, NOON
    advance(profile, "advocate", -1.0, NOON + 1)

    assert (profile.stage, profile.stage_since) == (stage, NOON)


@pytest.mark.parametrize(("evidence", "weight"), [(None, 0.0), ("aware", 0.0), (None, -1.0), ("act", 0.5)])
def test_first_touchpoint_starts_the_stage(evidence: Stage | None, weight: float) -> None:
    """Whatever comes first, good or bad, the stage has a time from then on."""
    profile = new_profile("ann")
    advance(profile, evidence, weight, NOON)

    assert profile.stage_since == NOON


STEPS = st.lists(st.sampled_from([("advocate", 0.0), (None, -0.5), ("act", 0.0), ("ask", 0.0)]), max_size=60)


@PROPERTY_TEST
@given(STEPS)
def test_stage_is_the_same_with_all_turns_and_with_those_remembered(steps: list[Any]) -> None:
    """However often a customer changes, told in order, the bound on what is remembered changes nothing."""
    profile = new_profile("ann")
    stage, since = "aware", 0
    for number, (evidence, weight) in enumerate(steps, start=1):
        advance(profile, evidence, weight, NOON + number)
        if weight and stage == "advocate":
            stage, since = "act", number
        elif not weight and ORDER[evidence] > ORDER[stage]:
            stage, since = evidence, number
        since = since or number

        assert (profile.stage, profile.stage_since) == (stage, NOON + since)
        assert len(profile.turns) <= MAX_TURNS


MOMENTS = st.lists(
    st.tuples(st.sampled_from([None, *STAGES]), st.sampled_from([0.0, -0.2, -0.5, 0.4]), st.integers(1, 400)),
    max_size=14,
)


def told(moments: list[Any]) -> Profile:
    """The profile of one to whom these happened, told in this order."""
    profile = new_profile("ann")
    for evidence, weight, at in moments:
        profile.first_seen = min(profile.first_seen or NOON + at, NOON + at)
        advance(profile, evidence, weight, NOON + at)
    return profile


@PROPERTY_TEST
@given(MOMENTS, st.randoms(use_true_random=False))
def test_time_in_each_stage_does_not_depend_on_the_order_of_arrival(moments: list[Any], dice: Any) -> None:
    """Told late, told in order, or told half of it to another id: the same time in each stage, and no gap."""
    in_order = told(sorted(moments, key=lambda moment: moment[2]))
    dice.shuffle(moments)
    profile, ours, theirs = told(moments), told(moments[::2]), told(moments[1::2])
    ours.first_seen = min((each for each in (ours.first_seen, theirs.first_seen) if each), default=0)
    merge(ours, theirs)
    end = NOON + 500

    assert dwell(profile, end) == dwell(in_order, end)
    assert dwell(ours, end) == dwell(in_order, end)
    assert sum(dwell(profile, end).values()) == (end - profile.first_seen if moments else 0)


def test_time_in_a_stage_of_a_profile_that_kept_the_furthest_alone() -> None:
    """Of a profile stored before there was evidence, what went before its stage counts as aware."""
    profile = new_profile("ann")
    profile.first_seen, profile.stage, profile.stage_since = NOON, "act", NOON + 40

    assert dwell(profile, NOON + 100) == {"aware": 40, "appeal": 0, "ask": 0, "act": 60, "advocate": 0}


def lived(*happened: tuple[str, int]) -> list[Outcome]:
    """What comes of touchpoints of one customer at hours from noon, told in this order."""
    profile, outcomes = None, []
    for number, (type_, hour) in enumerate(happened):
        at = NOON + hour * HOUR
        outcome = engine().step(profile, event(f"e-{number}", type_, "ann", at), NOON + DAY)
        profile = outcome.profile
        outcomes.append(outcome)
    return outcomes


def changes(*happened: tuple[str, int]) -> list[Any]:
    """Their changes of stage: from, to, since which hour, dwell in hours, whether back."""
    return [
        (
            data.from_,
            data.to,
            (data.since - to_datetime(NOON)).total_seconds() / 3600,
            data.dwell_s / 3600,
            data.regression,
        )
        for outcome in lived(*happened)
        if outcome.stage is not None
        for data in (outcome.stage.data,)
    ]


def test_each_change_of_the_current_stage_is_told() -> None:
    """From nowhere to the first stage, forward, and back; what changes nothing is not told."""
    assert changes(
        ("product.viewed", 0),
        ("email.opened", 1),
        ("product.shared", 4),
        ("review.read", 5),
        ("service.failed", 7),
    ) == [
        (None, "appeal", 0.0, 0.0, False),
        ("appeal", "advocate", 4.0, 4.0, False),
        ("advocate", "act", 7.0, 3.0, True),
    ]


def test_what_is_told_late_is_a_change_only_if_it_changes_what_holds_now() -> None:
    """An earlier visit changes the past alone; an order before a visit changes what holds now."""
    assert changes(("product.viewed", 5), ("email.opened", 1), ("order.placed", 3)) == [
        (None, "appeal", 5.0, 0.0, False),
        ("appeal", "act", 3.0, 0.0, False),
    ]


def test_a_change_has_the_same_id_whenever_the_step_is_repeated() -> None:
    """The id follows from customer and touchpoint, and differs from the decision's."""
    first, again = (lived(("complaint.opened", 0))[0] for _ in range(2))

    assert first.stage is not None
    assert first.stage == again.stage
    assert first.decision is not None
    assert first.stage.id != first.decision.id
