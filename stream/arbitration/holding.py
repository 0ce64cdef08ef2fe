"""Holding: what has to wait is kept in the profile, and decided on once more when it may go.

One timer of the profile stands for all that is held: it is due when the first of them is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from schemas.cloudevents import deterministic_id
from schemas.decision import Candidate
from schemas.families import Content
from schemas.families.play import PlayBase
from schemas.holding import MAX_HELD, Held
from schemas.profile import Profile
from schemas.timer import Timer
from stream import timers
from stream.plays.context import EXPIRED, Context, Deferral, Note, Proposal

TIMER = "held"
"""Name of the timer; no play can have it, as theirs begin with a family."""

CROWDED = "crowded"
"""Reason code of what would have to wait where `MAX_HELD` wait already."""

REPLACED = "replaced"
"""Reason code of what waited when the same play proposed something newer about the same thing."""

GONE = "play-gone"
"""Reason code of what waited while the playbook was changed, and is in it no more, or not in this form."""

Fired = Callable[[Profile, Content, str], None]
"""What a play notes on a profile when what was held of it fires, with the content and the trigger's id."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Content).decode


def id_of(context: Context, proposal: Proposal) -> str:
    """The id that a proposal is held under, or would be; if it is held, the trigger's id as well."""
    if proposal.held is not None:
        return proposal.held.id
    cause = (context.touchpoint.source, context.touchpoint.id)
    return deterministic_id(context.profile.customer, proposal.play.play, *cause, TIMER, str(proposal.place))


def hold(context: Context, proposal: Proposal, deferral: Deferral) -> None:
    """Keep a proposal until what it waits for is there, and say so."""
    profile, touchpoint, play = context.profile, context.touchpoint, proposal.play
    held = proposal.held
    correlation = proposal.correlation or touchpoint.correlation
    if held is not None:
        held = msgspec.structs.replace(held, waits_for=deferral.reason, due=deferral.due)
    else:
        _replace(context, play.play, correlation)
        if len(profile.held) >= MAX_HELD:
            context.refuse(proposal, CROWDED, (deferral.reason,))
            return
        held = Held(
            id_of(context, proposal),
            play.play,
            play.family,
            _encode(proposal.content),
            touchpoint.id,
            touchpoint.type,
            touchpoint.source,
            correlation,
            context.now,
            context.now + proposal.valid_for,
            deferral.reason,
            deferral.due,
        )
    _keep(profile, (*profile.held, held))
    context.refuse(proposal, deferral.reason)
    arm(profile, touchpoint.id)


def take(profile: Profile, id_: str) -> Held | None:
    """Take what is held by its id out of the profile; None where nothing is."""
    found = next((held for held in profile.held if held.id == id_), None)
    if found is not None:
        profile.held = tuple(held for held in profile.held if held is not found)
        arm(profile, found.touchpoint)
    return found


def drop(profile: Profile, play: str, correlation: str | None = None) -> bool:
    """Drop what is held of a play; whether anything was.

    Args:
        profile: what is changed.
        play: the play's name.
        correlation: what it is about, unless it is about nothing in particular; None for all of the play.
    """
    meant = (correlation, None)
    found = [h for h in profile.held if h.play == play and (correlation is None or h.correlation in meant)]
    for held in found:
        take(profile, held.id)
    return bool(found)


def arm(profile: Profile, touchpoint: str) -> None:
    """Set the timer to when the first of what is held is due, or call it off."""
    if profile.held:
        timers.put(profile, Timer(min(held.due for held in profile.held), TIMER, "", touchpoint))
    else:
        timers.cancel(profile, TIMER, "")


def merge(profile: Profile, other: Profile) -> None:
    """Hold as well what another profile of the same customer holds; of too many the first proposed."""
    if other.held:
        both = {held.id: held for held in (*other.held, *profile.held)}
        _keep(profile, tuple(both.values()))
    if profile.held:
        # The timer of either may be the later one.
        arm(profile, profile.held[0].touchpoint)


def _keep(profile: Profile, held: tuple[Held, ...]) -> None:
    profile.held = tuple(sorted(held, key=lambda each: (each.proposed, each.id))[:MAX_HELD])


def _replace(context: Context, play: str, correlation: str | None) -> None:
    """Drop what the same play holds about the same thing."""
    for held in context.profile.held:
        if held.play == play and held.correlation == correlation:
            take(context.profile, held.id)
            context.candidates.append(Candidate(play, held.family, REPLACED))


class Holding:
    """Lets go what is held.

    Args:
        plays: the plays of the playbook, by name.
        notes: what plays note when something fires that was held, by name; not all of them do.
    """

    def __init__(self, plays: Mapping[str, PlayBase], notes: Mapping[str, Fired]) -> None:
        self.timer = TIMER
        self._plays = plays
        self._notes = notes

    def expire(self, context: Context, key: str) -> None:
        """Propose once more what is due."""
        profile = context.profile
        for held in profile.held:
            if held.due <= context.now:
                self.resume(context, held.id)
        arm(profile, context.touchpoint.id)

    def resume(self, context: Context, id_: str, *, granted: bool = False) -> None:
        """Propose once more what is held by its id, if it still is: every step decides on it again.

        Args:
            context: what it is proposed in.
            id_: its id.
            granted: whether it has been given what it waited for.
        """
        held = take(context.profile, id_)
        if held is None:
            return
        play = self._plays.get(held.play)
        content = _content(held)
        if play is None or content is None:
            context.candidates.append(Candidate(held.play, held.family, GONE))
            return
        if held.expires <= context.now:
            context.say(play, EXPIRED)
            return
        note = self._note_of(held.play, content)
        context.repeat(play, content, held, on_fired=note, granted=granted)

    def _note_of(self, play: str, content: Content) -> Note | None:
        fired = self._notes.get(play)
        if fired is None:
            return None
        return lambda profile, id_: fired(profile, content, id_)


def _content(held: Held) -> Content | None:
    """What is to be done; None where it is not as this version of the program has it."""
    try:
        content: Content = _decode(held.content)
    except msgspec.DecodeError:
        return None
    return content
