"""Outcome: what a step of the engine comes to."""

from __future__ import annotations

import msgspec

from schemas.decision import Decision
from schemas.erasure import Erasure
from schemas.example import Example
from schemas.profile import Profile
from schemas.service_context import ServiceRecord
from schemas.stage import StageChange
from schemas.trigger import Trigger
from stream.forward import Forward
from stream.timers import TIMER_DUE


class Outcome(msgspec.Struct, gc=False):
    """What a touchpoint led to, after the timers that were due before it; or those timers alone.

    Attributes:
        profile: the profile afterwards; the very same one as before for a duplicate.
        triggers: what is to be done, in order.
        decisions: each timer's and then the touchpoint's, where there was any candidate.
        duplicate: whether the touchpoint was seen before and nothing was done.
        late: whether it was too old for anything to be done about it.
        forwards: touchpoints for other customers, in order.
        erased: whether it is of a time up to which the customer was erased, and nothing was done.
        erasure: the proof, where the touchpoint asked for the customer to be erased.
        stage: the change of stage that the touchpoint has made known; not to be published where there is a
            proof, as it names who was erased.
        service: the customer's service record, where it is to be renewed.
        examples: what is known by now to have come of what was seen, in order.
    """

    profile: Profile
    triggers: list[Trigger] = []
    decisions: list[Decision] = []
    duplicate: bool = False
    late: bool = False
    forwards: list[Forward] = []
    erased: bool = False
    erasure: Erasure | None = None
    stage: StageChange | None = None
    service: ServiceRecord | None = None
    examples: tuple[Example, ...] = ()

    @property
    def decision(self) -> Decision | None:
        """The decision on the touchpoint itself; None where there was no candidate."""
        last = self.decisions[-1] if self.decisions else None
        return None if last is None or last.data.touchpoint_type == TIMER_DUE else last
