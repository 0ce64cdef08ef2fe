"""Context: what a play is given to decide on, and the pieces its decision is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from schemas.cloudevents import deterministic_id
from schemas.decision import Candidate
from schemas.families import Content
from schemas.families.play import PlayBase
from schemas.profile import Profile
from schemas.touchpoint import Touchpoint
from schemas.trigger import Trigger, TriggerData

FIRED = "fired"
PROPOSED = "proposed"
"""Stands in for a candidate's reason until the arbiter has decided."""

LATE = "late"
STALE = "stale"


class Proposal(msgspec.Struct, frozen=True, gc=False):
    """A trigger that a play would make, before arbitration.

    Attributes:
        play: whose it is.
        content: what is to be done.
        valid_for: how long from now it may be acted on, in ms.
        correlation: what it belongs to.
        place: its place among the candidates.
        on_fired: what is to be noted on the profile once it has fired, with the trigger's id.
        protects: whether it takes something back, or holds something back: no consent is needed for that.
    """

    play: PlayBase
    content: Content
    valid_for: int
    correlation: str | None
    place: int
    on_fired: Callable[[Profile, str], None] | None = None
    protects: bool = False


class Gate(Protocol):
    """What a play that finds its own cause asks besides."""

    def admits(self, context: Context) -> bool:
        """Whether its condition, segment and re-entry policy let the customer in; if not, all is said."""
        ...

    def enter(self, context: Context, place: int) -> None:
        """Note that the customer enters with the candidate at a place, once it is decided."""
        ...


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
        proposals: what plays would make of it, to be decided on by the arbiter.
        entered: what is to be noted about plays that were entered, once the arbiter has decided.
        gates: what plays that find their own cause ask besides, by the play's name.
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
    proposals: list[Proposal] = []
    entered: list[Callable[[Context], None]] = []
    gates: Mapping[str, Gate] = {}

    def admits(self, play: PlayBase) -> bool:
        """Whether the condition, segment and re-entry policy of a play that finds its own cause let it go on.

        `hold` and `propose` ask as well; to be asked by rules that note something on the profile before.
        """
        gate = self.gates.get(play.play)
        return gate is None or gate.admits(self)

    def hold(self, play: PlayBase, reason: str, failed: tuple[str, ...] = ()) -> None:
        """Say that a play would not fire though its condition held; nothing where it does not hold.

        Args:
            play: the play.
            reason: the code of what held it back.
            failed: the gates that did not hold.
        """
        if self.admits(play):
            self.say(play, reason, failed)

    def say(self, play: PlayBase, reason: str, failed: tuple[str, ...] = ()) -> None:
        """Make a play a candidate that does not fire, whatever it asks besides; once for each reason."""
        candidate = Candidate(play.play, play.family, reason, failed)
        if candidate not in self.candidates:
            self.candidates.append(candidate)

    def propose(
        self,
        play: PlayBase,
        content: Content,
        valid_for: int,
        correlation: str | None,
        *,
        on_fired: Callable[[Profile, str], None] | None = None,
        protects: bool = False,
        ends: bool = False,
    ) -> None:
        """Say what a play would do; the arbiter decides whether it is done.

        Args:
            play: the play.
            content: what is to be done.
            valid_for: how long from now it may be acted on, in ms.
            correlation: what it belongs to.
            on_fired: what is to be noted on the profile once it has fired, with the trigger's id.
            protects: whether it takes something back, or holds something back.
            ends: whether it ends what the play began before: that is done whatever its condition says now.
        """
        gate = None if ends else self.gates.get(play.play)
        if gate is not None:
            if not gate.admits(self):
                return
            gate.enter(self, len(self.candidates))
        place = len(self.candidates)
        # It holds the place, as candidates stand in the playbook's order.
        self.candidates.append(Candidate(play.play, play.family, PROPOSED))
        self.proposals.append(Proposal(play, content, valid_for, correlation, place, on_fired, protects))

    def refuse(self, proposal: Proposal, reason: str) -> None:
        """Hold a proposal back."""
        play = proposal.play
        self.candidates[proposal.place] = Candidate(play.play, play.family, reason)

    def fire(self, proposal: Proposal) -> None:
        """Make the trigger, note on the profile that the play fired, and say so."""
        profile, touchpoint, play = self.profile, self.touchpoint, proposal.play
        name, family = play.play, play.family
        id_ = deterministic_id(
            profile.customer, name, touchpoint.source, touchpoint.id, str(len(self.triggers))
        )
        data = TriggerData(
            name, proposal.content, profile.stage, round(profile.risk, 6), self.model, self.playbook_version
        )
        self.triggers.append(
            Trigger(
                id_,
                family,
                profile.customer,
                self.now,
                touchpoint.id,
                self.now + proposal.valid_for,
                data,
                proposal.correlation or touchpoint.correlation,
            )
        )
        # Plays that the playbook has no more are forgotten here, or state would grow by each revision.
        kept = {other: at for other, at in profile.fired.items() if other in self.plays}
        profile.fired = {**kept, name: self.now}
        self.candidates[proposal.place] = Candidate(name, family, FIRED, trigger=id_)
        if proposal.on_fired is not None:
            proposal.on_fired(profile, id_)

    def is_stale(self, valid_for: int) -> bool:
        """Whether a trigger that is valid for so long (ms) from now would have run out already."""
        return self.now + valid_for <= self.clock

    def cooling(self, play: str, cooldown: int) -> bool:
        """Whether the play fired within `cooldown` ms before now."""
        last = self.profile.fired.get(play)
        return last is not None and self.now - last < cooldown
