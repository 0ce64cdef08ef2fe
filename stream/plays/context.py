"""Context: what a play is given to decide on, and the pieces its decision is made of."""

from __future__ import annotations

import msgspec

from schemas.cloudevents import deterministic_id
from schemas.decision import Candidate
from schemas.profile import Profile
from schemas.touchpoint import Touchpoint
from schemas.trigger import Content, Trigger, TriggerData

FIRED = "fired"
LATE = "late"
STALE = "stale"


class Context(msgspec.Struct, gc=False):
    """One touchpoint under decision, or one timer.

    Attributes:
        profile: the profile with the touchpoint already applied; plays may note on it that they fired.
        touchpoint: what happened; for a timer, a touchpoint of dangol's own that stands for it.
        now: time of the decision, in ms.
        late: whether the touchpoint is too old for anything to be done about it.
        weight: how good or bad a moment it was, −1 to 1.
        opened: id of the issue that it opened, if it opened one that was not open.
        closed: id of the issue that it closed, if it closed one that was open.
        plays: names of all plays of the playbook that decides.
        playbook_version: its version.
        model: version of the model that scored the risk.
        triggers: what has fired so far on this touchpoint.
        candidates: every play considered so far on this touchpoint, and what became of it.
        clock: what time it really is, in ms, where that may be much later than `now`; else 0.
    """

    profile: Profile
    touchpoint: Touchpoint
    now: int
    late: bool
    weight: float
    opened: str | None
    closed: str | None
    plays: frozenset[str]
    playbook_version: str
    model: str
    triggers: list[Trigger]
    candidates: list[Candidate]
    clock: int = 0

    def hold(self, play: str, family: str, reason: str, failed: tuple[str, ...] = ()) -> None:
        """Say that a play did not fire though its condition held.

        Args:
            play: the play's name.
            family: its trigger family.
            reason: the code of what held it back.
            failed: the gates that did not hold.
        """
        self.candidates.append(Candidate(play, family, reason, failed))

    def fire(self, play: str, family: str, content: Content, valid_for: int, correlation: str | None) -> str:
        """Make the trigger, note on the profile that the play fired, and say so.

        Args:
            play: the play's name.
            family: its trigger family.
            content: what is to be done.
            valid_for: how long from now it may be acted on, in ms.
            correlation: what it belongs to.

        Returns:
            The trigger's id.
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
        # Plays that the playbook has no more are forgotten here, or state would grow by each revision.
        kept = {name: at for name, at in profile.fired.items() if name in self.plays}
        profile.fired = {**kept, play: self.now}
        self.candidates.append(Candidate(play, family, FIRED, trigger=id_))
        return id_

    def is_stale(self, valid_for: int) -> bool:
        """Whether a trigger that is valid for so long (ms) from now would have run out already."""
        return self.now + valid_for <= self.clock

    def cooling(self, play: str, cooldown: int) -> bool:
        """Whether the play fired within `cooldown` ms before now."""
        last = self.profile.fired.get(play)
        return last is not None and self.now - last < cooldown
