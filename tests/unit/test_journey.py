"""The journey: forward by evidence, backward for one who was let down."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import Stage
from schemas.profile import MAX_TURNS, new_profile
from stream.journey import ORDER, advance
from tests.hotel import NOON, PROPERTY_TEST

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
