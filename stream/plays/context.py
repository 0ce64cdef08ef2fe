"""Context: what a play is given to decide on, and the pieces its decision is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from schemas.cloudevents import deterministic_id
from schemas.decision import Candidate
from schemas.families import Content
from schemas.families.play import PlayBase
from schemas.holding import Held
from schemas.profile import Profile
from schemas.touchpoint import Touchpoint
from schemas.trigger import Trigger, TriggerData
from stream.churn.outlook import UNKNOWN, Outlook
from stream.forward import Forward

FIRED = "fired"
PROPOSED = "proposed"
"""Stands in for a candidate's reason until the arbiter has decided."""

LATE = "late"
STALE = "stale"
EXPIRED = "expired"

Note = Callable[[Profile, str], None]
"""Notes on a profile that a trigger with this id has fired."""


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """What a step of arbitration says of a proposal that it holds back, where it says which part of it did.

    Attributes:
        reason: the reason code.
        failed: what of that.
    """

    reason: str
    failed: tuple[str, ...]


class Deferral(msgspec.Struct, frozen=True, gc=False):
    """What a step of arbitration says of a proposal that has to wait: it is held in the profile until then.

    Attributes:
        reason: the reason code of what it waits for.
        due: when it is decided on again unless something does so before, in ms.
    """

    reason: str
    due: int


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
        held: what it was held as, where it has waited.
        granted: whether it has been given what it waited for.
    """

    play: PlayBase
    content: Content
    valid_for: int
    correlation: str | None
    place: int
    on_fired: Note | None = None
    protects: bool = False
    held: Held | None = None
    granted: bool = False


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
        forwards: touchpoints for other keys, in order.
        entered: what is to be noted about plays that were entered, once the arbiter has decided.
        gates: what plays that find their own cause ask besides, by the play's name.
        about: what the play was entered for, such as a booking or a cart; None where it does not go by that.
        message_of: what may be said to the customer of a play's content, in a language, or None.
        outlook: what is known of the churn risk beside its height.
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
    forwards: list[Forward] = []
    entered: list[Callable[[Context], None]] = []
    gates: Mapping[str, Gate] = {}
    about: str | None = None
    message_of: Callable[[PlayBase, Content, str | None], str | None] = lambda *_: None
    outlook: Outlook = UNKNOWN

    def admits(self, play: PlayBase) -> bool:
        """Whether the condition, segment and re-entry policy of a play that finds its own cause let it go on.

        `hold` and `propose` ask as well; to be asked by rules that note something on the profile before.
        """
        gate = self.gates.get(play.play)
        return gate is None or gate.admits(self)

    def hold(
        self, play: PlayBase, reason: str, failed: tuple[str, ...] = (), *, odds: float | None = None
    ) -> None:
        """Say that a play would not fire though its condition held; nothing where it does not hold.

        Args:
            play: the play.
            reason: the code of what held it back.
            failed: the gates that did not hold.
            odds: the chance that it had, where it was drawn by lot.
        """
        if self.admits(play):
            self.say(play, reason, failed, odds=odds)

    def say(
        self, play: PlayBase, reason: str, failed: tuple[str, ...] = (), *, odds: float | None = None
    ) -> None:
        """Make a play a candidate that does not fire, whatever it asks besides; once for each reason."""
        candidate = Candidate(play.play, play.family, reason, failed, odds=odds)
        if candidate not in self.candidates:
            self.candidates.append(candidate)

    def propose(
        self,
        play: PlayBase,
        content: Content,
        valid_for: int,
        correlation: str | None,
        *,
        on_fired: Note | None = None,
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
        place = self._place_of(play)
        correlation = correlation or self.about
        self.proposals.append(Proposal(play, content, valid_for, correlation, place, on_fired, protects))

    def repeat(
        self, play: PlayBase, content: Content, held: Held, *, on_fired: Note | None, granted: bool
    ) -> None:
        """Say once more what a play would do that was held; the customer has been let in before.

        Args:
            play: the play.
            content: what is to be done.
            held: what it was held as.
            on_fired: what is to be noted on the profile once it has fired, with the trigger's id.
            granted: whether it has been given what it waited for.
        """
        self.proposals.append(
            Proposal(
                play,
                content,
                held.expires - self.now,
                held.correlation,
                self._place_of(play),
                on_fired,
                held=held,
                granted=granted,
            )
        )

    def _place_of(self, play: PlayBase) -> int:
        """A place among the candidates, in the playbook's order, to be filled once it is decided."""
        self.candidates.append(Candidate(play.play, play.family, PROPOSED))
        return len(self.candidates) - 1

    def refuse(self, proposal: Proposal, reason: str, failed: tuple[str, ...] = ()) -> None:
        """Hold a proposal back.

        Args:
            proposal: the proposal.
            reason: the code of what held it back.
            failed: what of that, where it may be one of several.
        """
        play = proposal.play
        self.candidates[proposal.place] = Candidate(play.play, play.family, reason, failed)

    def fire(self, proposal: Proposal) -> Trigger:
        """Make the trigger, note on the profile that the play fired, and say so."""
        profile, touchpoint, play, held = self.profile, self.touchpoint, proposal.play, proposal.held
        name, family = play.play, play.family
        if held is not None:
            # It goes out for what happened then, not for the timer that has let it go.
            id_, cause, correlation = held.id, held.touchpoint, held.correlation
        else:
            cause, correlation = touchpoint.id, proposal.correlation or touchpoint.correlation
            id_ = deterministic_id(profile.customer, name, touchpoint.source, cause, str(len(self.triggers)))
        data = TriggerData(
            name,
            proposal.content,
            profile.stage,
            round(profile.risk, 6),
            self.model,
            self.playbook_version,
            play.level,
            self.message_of(play, proposal.content, profile.language),
        )
        expires = self.now + proposal.valid_for
        trigger = Trigger(id_, family, profile.customer, self.now, cause, expires, data, correlation)
        self.triggers.append(trigger)
        fired = {**profile.fired, name: self.now}
        if not fired.keys() <= self.plays:
            # Plays that the playbook has no more are forgotten here, or state would grow by each revision.
            fired = {other: at for other, at in fired.items() if other in self.plays}
        profile.fired = fired
        self.candidates[proposal.place] = Candidate(name, family, FIRED, (), id_)
        if proposal.on_fired is not None:
            proposal.on_fired(profile, id_)
        return trigger

    def is_stale(self, valid_for: int) -> bool:
        """Whether a trigger that is valid for so long (ms) from now would have run out already."""
        return self.now + valid_for <= self.clock

    def cooling(self, play: str, cooldown: int) -> bool:
        """Whether the play fired within `cooldown` ms before now, or is about to: one of it is held."""
        profile = self.profile
        last = profile.fired.get(play)
        if last is not None and self.now - last < cooldown:
            return True
        return any(held.play == play for held in profile.held)
