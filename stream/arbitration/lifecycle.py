"""Lifecycle: what becomes of a trigger after it has gone out.

Services tell it by touchpoints: it was delivered, accepted, declined or ignored. What is said of a trigger
counts by its time, whatever order it arrives in; an answer that comes after it ran out is still an answer.
One timer of the profile stands for all triggers that are live: it is due when the first of them runs out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp2

import msgspec

from schemas.decision import Candidate
from schemas.lifecycle import MAX_ISSUED, Issued
from schemas.playbook import Playbook
from schemas.profile import Profile
from schemas.timer import Timer
from schemas.timestamp import DAY
from schemas.touchpoint import Identifier, Touchpoint
from schemas.trigger import Trigger
from stream import timers
from stream.plays.context import EXPIRED, Context, Proposal

TIMER = "live"
"""Name of the timer; no play can have it, as theirs begin with a family."""

ISSUED = "issued"
DELIVERED = "delivered"
ACCEPTED = "accepted"
DECLINED = "declined"
IGNORED = "ignored"
REVOKED = "revoked"

LIVE = (ISSUED, DELIVERED)
"""Statuses of a trigger that may still be answered."""

OUTCOMES = frozenset((DELIVERED, ACCEPTED, DECLINED, IGNORED, EXPIRED, REVOKED))
"""What may become of a trigger; stands as reason on the decision that says so."""

UNKNOWN = "trigger-unknown"
"""Reason code of an outcome whose trigger is not known: never issued, or too long ago."""

NOBODY = "unknown"
"""What stands for play and family of a trigger that is not known."""

STATES = frozenset(("suppression", "service-context"))
"""Families that say how things stand. Nobody accepts or declines that, so it has no life."""

HALF_LIFE = 7 * DAY
"""Half-life of a customer's attention, in ms: a week ago is half forgotten."""

_RANKS = {ISSUED: 0, DELIVERED: 1, REVOKED: 2, EXPIRED: 2, IGNORED: 3, ACCEPTED: 4, DECLINED: 5}
"""How much a status says: an answer takes the place of what merely ran out. Of two answers at the same time
the greater holds: of yes and no the no."""

_ANSWERED = _RANKS[IGNORED]


class OutcomeData(msgspec.Struct, frozen=True):
    """What a touchpoint about a trigger must say: its id."""

    trigger: Identifier


def enter(profile: Profile, trigger: Trigger, proposal: Proposal, *, is_critical: bool, memory: int) -> None:
    """Note that a trigger goes out.

    Args:
        profile: the customer's.
        trigger: the trigger.
        proposal: what it comes of.
        is_critical: whether it is a service rather than a message: it takes no attention.
        memory: how long it is to be remembered, in ms.
    """
    play = proposal.play
    if play.family in STATES or proposal.protects:
        return
    channel = None if is_critical else play.channel
    issued = Issued(
        trigger.id,
        play.play,
        play.family,
        channel,
        play.category,
        None if channel is None else play.slot,
        trigger.time,
        trigger.expires,
        correlation=trigger.correlation,
        offer=getattr(proposal.content, "offer", None),
    )
    _keep(profile, (*profile.issued, issued), trigger.time - memory)
    if channel is not None:
        _spend(profile, 1.0, trigger.time)
        arm(profile, trigger.touchpoint)


def arm(profile: Profile, touchpoint: str) -> None:
    """Set the timer to when the first live trigger runs out, or call it off."""
    ends = [each.expires for each in profile.issued if each.channel is not None and each.status in LIVE]
    if ends:
        timers.put(profile, Timer(min(ends), TIMER, "", touchpoint))
    else:
        timers.cancel(profile, TIMER, "")


def revoke(context: Context, play: str, correlation: str | None = None) -> None:
    """Say of each live trigger of a play that it is void: its reason is gone, or the customer has left it.

    Args:
        context: where it is said.
        play: the play's name.
        correlation: what it is about, unless it is about nothing in particular; None for all of the play.
    """
    profile = context.profile
    for each in profile.issued:
        is_meant = correlation is None or each.correlation in (correlation, None)
        if each.play == play and is_meant and each.status in LIVE and each.expires > context.now:
            _say(context, each, REVOKED, context.now)
    arm(profile, context.touchpoint.id)


class Lifecycle:
    """What happens to the triggers that are out.

    Args:
        playbook: whose catalogue says which touchpoints tell of them.
        listeners: who looks at what has become of them, each time that something has.

    Attributes:
        status_of: gives what a type of touchpoint says of a trigger; None if it says nothing of one.
    """

    def __init__(self, playbook: Playbook, listeners: Sequence[Callable[[Context], None]] = ()) -> None:
        self.timer = TIMER
        self._listeners = tuple(listeners)
        statuses = {
            type_: entry.effect.removeprefix("trigger.")
            for type_, entry in playbook.catalogue.items()
            if entry.effect is not None and entry.effect.startswith("trigger.")
        }
        self.status_of: Callable[[str], str | None] = statuses.get

    def hear(self, context: Context, status: str) -> None:
        """Note what the touchpoint says of a trigger.

        Raises:
            msgspec.ValidationError: it names none.
        """
        profile, touchpoint = context.profile, context.touchpoint
        id_ = trigger_of(touchpoint)
        issued = next((each for each in profile.issued if each.id == id_), None)
        if issued is None:
            context.candidates.append(Candidate(NOBODY, NOBODY, UNKNOWN, (status,), id_))
            return
        _say(context, issued, status, touchpoint.time)
        arm(profile, touchpoint.id)
        self._tell(context)

    def expire(self, context: Context, key: str) -> None:
        """Say of each trigger that has run out that it has."""
        profile = context.profile
        for each in profile.issued:
            if each.channel is not None and each.status in LIVE and each.expires <= context.now:
                _say(context, each, EXPIRED, each.expires)
        arm(profile, context.touchpoint.id)
        self._tell(context)

    def _tell(self, context: Context) -> None:
        for listener in self._listeners:
            listener(context)


def trigger_of(touchpoint: Touchpoint) -> str:
    """The id of the trigger that a touchpoint tells of.

    Raises:
        msgspec.ValidationError: it names none.
    """
    return msgspec.convert(touchpoint.data, OutcomeData).trigger


def attention_of(profile: Profile, now: int) -> float:
    """How much of a customer's attention is spent at a time (ms): triggers, each halved every `HALF_LIFE`."""
    return profile.attention * exp2((profile.attention_at - max(now, profile.attention_at)) / HALF_LIFE)


def merge(profile: Profile, other: Profile) -> None:
    """Take in what another profile of the same customer has got, and what became of it."""
    if other.issued:
        both = {each.id: each for each in profile.issued}
        for each in other.issued:
            known = both.get(each.id)
            both[each.id] = each if known is None else _joined(known, each)
        _keep(profile, tuple(both.values()), None)
    profile.forgotten = max(profile.forgotten, other.forgotten)
    if other.attention_at:
        _spend(profile, other.attention, other.attention_at)
    if profile.issued:
        # The timer of either may be the later one.
        arm(profile, profile.issued[0].id)


def _say(context: Context, issued: Issued, status: str, said: int) -> None:
    """Note what became of a trigger, and say so unless it is nothing new."""
    word = msgspec.structs.replace(
        issued, status=status, said=said, delivered=status not in (EXPIRED, REVOKED)
    )
    now = _joined(issued, word)
    profile = context.profile
    profile.issued = tuple(now if each is issued else each for each in profile.issued)
    if (now.status, now.delivered) == (issued.status, issued.delivered):
        return
    context.candidates.append(Candidate(issued.play, issued.family, status, (), issued.id))


def _joined(one: Issued, other: Issued) -> Issued:
    """What is known of a trigger of which two things are said; the same in whichever order."""
    latest = max(one, other, key=_weight)
    return msgspec.structs.replace(latest, delivered=one.delivered or other.delivered)


def _weight(issued: Issued) -> tuple[int, int, int]:
    rank = _RANKS.get(issued.status, 0)
    return (min(rank, _ANSWERED), issued.said, rank)


def _keep(profile: Profile, issued: tuple[Issued, ...], since: int | None) -> None:
    """Keep what is live, and of the rest what went out after a time (ms), as far as there is room."""
    kept = sorted(issued, key=lambda each: (each.time, each.id)) if len(issued) > 1 else list(issued)
    if since is not None:
        kept = [each for each in kept if each.time > since or _is_live(each)]
    while len(kept) > MAX_ISSUED:
        # What no cap counts goes first, what has a slot last.
        kept.remove(
            min(kept, key=lambda each: (each.channel is not None, _is_live(each), each.time, each.id))
        )
    if len(kept) < len(issued):
        ids = {each.id for each in kept}
        lost = (each.time for each in issued if each.channel is not None and each.id not in ids)
        profile.forgotten = max((profile.forgotten, *lost))
    profile.issued = tuple(kept)


def _is_live(issued: Issued) -> bool:
    return issued.channel is not None and issued.status in LIVE


def _spend(profile: Profile, attention: float, at: int) -> None:
    later = max(at, profile.attention_at)
    known = profile.attention * exp2((profile.attention_at - later) / HALF_LIFE)
    profile.attention = known + attention * exp2((at - later) / HALF_LIFE)
    profile.attention_at = later
