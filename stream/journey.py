"""The journey: which of Kotler's five A's a customer has reached.

Evidence moves a customer forward. Backward there is one way: a bad moment takes an advocate
back to `act`, because nobody recommends what has just let them down.
"""

from __future__ import annotations

from schemas.playbook import Stage
from schemas.profile import Profile

ORDER: dict[str, int] = {"aware": 0, "appeal": 1, "ask": 2, "act": 3, "advocate": 4}

REGRESSION = -0.3
"""Weight of a moment from which an advocate is none: an annoyance, not a trifle."""


def advance(profile: Profile, evidence: Stage | None, weight: float, time: int) -> None:
    """Move a customer's stage by a touchpoint's evidence and weight, at its time (ms)."""
    if profile.stage_since == 0:
        profile.stage_since = time
    if weight <= REGRESSION:
        if profile.stage == "advocate":
            profile.stage = "act"
            profile.stage_since = time
    elif evidence is not None and ORDER[evidence] > ORDER[profile.stage]:
        profile.stage = evidence
        profile.stage_since = time
