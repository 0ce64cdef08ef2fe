"""Context: what a play is given to decide on, and the pieces its decision is made of."""

from __future__ import annotations

import msgspec

from schemas.cloudevents import deterministic_id
from schemas.decision import Candidate
from schemas.playbook import Playbook
from schemas.profile import Profile
from schemas.touchpoint import Touchpoint
from schemas.trigger import Content, Trigger, TriggerData

FIRED = "fired"
LATE = "late"


class Context(msgspec.Struct, gc=False):
    """One touchpoint under decision.

    Attributes:
        profile: the profile with the touchpoint already applied; plays may note on it that they fired.
        touchpoint: what happened.
        now: time of the decision, in ms.
        late: whether the touchpoint is too old for anything to be done about it.
        weight: how good or bad a moment it was, −1 to 1.
        opened: whether it opened an issue that was not open.
        closed: whether it closed an issue that was open.
        playbook: the playbook that decides.
        playbook_version: its version.
        model: version of the model that scored the risk.
        triggers: what has fired so far on this touchpoint.
    """

    profile: Profile
    touchpoint: Touchpoint
    now: int
    late: bool
    weight: float
    opened: bool
    closed: bool
    playbook: Playbook
    playbook_version: str
    model: str
    triggers: list[Trigger]

    def fire(
        self, play: str, family: str, content: Content, valid_for: int, correlation: str | None
    ) -> Candidate:
        """Make the trigger, note on the profile that the play fired, and say so.

        Args:
            play: the play's name.
            family: its trigger family.
            content: what is to be done.
            valid_for: how long from now it may be acted on, in ms.
            correlation: what it belongs to.
        """
        profile, touchpoint = self.profile, self.touchpoint
        id_ = deterministic_id(
            profile.customer, play, touchpoint.source, touchpoint.id, str(len(self.triggers))
        )
        data = TriggerData(
            play, content, profile.stage, round(profile.risk, 6), self.model, self.playbook_version
        )
        self.triggers.append(
            Trigger(
                id_,
                family,
                profile.customer,
                self.now,
                touchpoint.id,
                self.now + valid_for,
                data,
                correlation or touchpoint.correlation,
            )
        )
        profile.fired = {**profile.fired, play: self.now}
        return Candidate(play, family, FIRED, trigger=id_)

    def cooling(self, play: str, cooldown: int) -> bool:
        """Whether the play fired within `cooldown` ms before now."""
        last = self.profile.fired.get(play)
        return last is not None and self.now - last < cooldown
