"""Identity: an anonymous id and a known one that are the same customer come to have one profile.

`identity.linked` is told of the known customer and names the alias. Only the owner of a partition
changes the profiles on it, so the two meet by touchpoints that one step sends to the other id:

1. the known one's step *claims* the alias;
2. the alias's step answers by a *handover* that carries its profile, and is from then on a stub
   that sends on whatever still arrives under its id;
3. the known one's step merges.

Links that follow one another are followed: a handover or a touchpoint that comes to a stub is sent
on, with the ids that it passed. One that comes back to an id is in a circle, in which the smallest id
(by its bytes) is made the canonical one. A claim of an alias that is someone else's is *refused*:
two customers who use one device are not one customer. `identity.unlinked` *releases* the alias: what
came before stays, what comes later is the alias's own; the ids above are told what they have *lost*.
One that is erased (stream/erasure.py) says *farewell* to those that know it by its id.

Everything that one id sends to another is numbered, rising, and goes over one partition in order, so
that a repetition after a crash is known by its number, however long ago.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from schemas.budget import RESERVED
from schemas.cloudevents import SOURCE, deterministic_id
from schemas.errors import RejectedError
from schemas.link import MAX_ALIASES, MAX_HEARD, MAX_LINKS, Link
from schemas.profile import Profile
from schemas.segment import SOURCE as SEGMENT
from schemas.stay import Booking, Key
from schemas.touchpoint import Identifier, Moved, Touchpoint
from stream import duplicates, handover, referrals, stays
from stream.forward import Forward
from stream.merger import merge

LINKED = "identity.linked"
UNLINKED = "identity.unlinked"
CLAIM = "dangol.identity.claim"
RELEASE = "dangol.identity.release"
HANDOVER = "dangol.identity.handover"
REFUSAL = "dangol.identity.refusal"
LOSS = "dangol.identity.loss"
FAREWELL = "dangol.identity.farewell"

MESSAGES = (CLAIM, RELEASE, HANDOVER, REFUSAL, LOSS, FAREWELL)
"""Touchpoint types by which one id's step tells another's; only dangol publishes them."""

TYPES = (LINKED, UNLINKED, *MESSAGES)
"""Touchpoint types that are about identity, whatever the playbook says of them."""

FAMILY = "identity"
"""What stands as family on decisions about identity; it has no triggers."""

MAX_HOPS = 32
"""Ids that a touchpoint may pass on its way. Once round a circle of ten and down a chain of ten is less;
what takes more is a mistake of whoever links, and goes to the dead letters."""


class LinkData(msgspec.Struct, frozen=True):
    """What `identity.linked` and `identity.unlinked` must say.

    Attributes:
        alias: the other id.
        authenticated: whether the customer has proved to be both; a claim that is not is refused.
        method: how, such as `login`.
    """

    alias: Identifier
    authenticated: bool = False
    method: Identifier | None = None


class MessageData(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one id's step tells another's.

    Attributes:
        claim: number of the claim that it answers; 0 where it answers none.
        ids: ids that come along, or that are lost.
        profile: the profile that is handed over, as it is stored, in base64.
    """

    claim: int = 0
    ids: tuple[Identifier, ...] = ()
    profile: str | None = None


class Meeting:
    """One touchpoint that concerns more than one id, at one of them.

    Args:
        profile: the profile of the id it has come to, which is changed.
        touchpoint: what has come.
        now: time of the step, in ms.

    Attributes:
        forwards: what is sent to other ids.
        reason: what became of a link, as a code; None where nothing has.
        other: the other id of that link.
        taken: a touchpoint to be applied to this profile, if that is what it comes to.
        repeated: whether it has been here before.
        merged: whether another profile was taken in.
        surplus: live keys that the joined profile has no place for: a booking has one.
    """

    def __init__(self, profile: Profile, touchpoint: Touchpoint, now: int) -> None:
        self.forwards: list[Forward] = []
        self.reason: str | None = None
        self.other: str | None = None
        self.taken: Touchpoint | None = None
        self.repeated = False
        self.merged = False
        self.surplus: list[tuple[Booking, Key]] = []
        self._profile = profile
        self._touchpoint = touchpoint
        self._now = now
        self._path = () if touchpoint.moved is None else touchpoint.moved.path

    def hold(self) -> None:
        """Do what the touchpoint comes to here.

        Raises:
            RejectedError: it may not be done.
            msgspec.ValidationError: the data lacks what its type needs.
        """
        type_ = self._touchpoint.type
        if self._is_repeated():
            self.repeated = True
        elif type_ == LINKED:
            self._link()
        elif type_ == UNLINKED:
            self._unlink()
        elif type_ in TYPES:
            self._hear()
        else:
            self._pass_or_take()

    def _pass_or_take(self) -> None:
        """What happened to the customer: for another id, or for this one."""
        profile, touchpoint = self._profile, self._touchpoint
        digest = duplicates.digest_of(touchpoint)
        if self._passes():
            if not self._path and duplicates.is_duplicate(profile, digest, self._now):
                self.repeated = True
                return
            if not self._path:
                duplicates.remember(profile, digest, self._now)
            self._send_on(touchpoint)
            return
        if profile.customer in self._path:
            # It was remembered when it came by, and was not applied.
            duplicates.forget(profile, digest)
        self.taken = msgspec.structs.replace(touchpoint, moved=None)

    def _is_repeated(self) -> bool:
        """Whether the sender's number was heard already; else it is noted."""
        moved, profile = self._touchpoint.moved, self._profile
        if moved is None or not moved.path or not moved.number:
            return False
        sender = moved.path[-1]
        if moved.number <= profile.heard.get(sender, 0):
            return True
        heard = {**profile.heard, sender: moved.number}
        if len(heard) > MAX_HEARD:
            del heard[min(heard, key=lambda id_: (heard[id_], id_))]
        profile.heard = heard
        return False

    def _link(self) -> None:
        alias, word = self._word(unlinked=False)
        if word is None:
            return
        number = self._send(CLAIM, alias, MessageData())
        waiting = word.first or number
        self._note(alias, msgspec.structs.replace(word, first=waiting, last=number))
        self.reason, self.other = "claimed", alias

    def _unlink(self) -> None:
        alias, word = self._word(unlinked=True)
        if word is None:
            return
        self._send(RELEASE, alias, MessageData())
        self._note(alias, word)
        self.reason, self.other = "unlinked", alias

    def _word(self, *, unlinked: bool) -> tuple[str, Link | None]:
        """The alias, and what is now the latest word on it; None if nothing is to be done about it."""
        profile, touchpoint = self._profile, self._touchpoint
        said = msgspec.convert(touchpoint.data, LinkData)
        if not said.authenticated or touchpoint.source == SEGMENT:
            # What a browser says of itself in a Segment call is no proof of anything.
            raise RejectedError(
                "identity-unauthenticated", "an id is linked or unlinked only with `authenticated` true"
            )
        alias = said.alias
        if alias.startswith(RESERVED):
            raise RejectedError("key-reserved", f"an id that begins with `{RESERVED}` is no customer's")
        known = profile.links.get(alias, Link(0, unlinked=True))
        if alias == profile.customer or (touchpoint.time, unlinked) <= (known.time, known.unlinked):
            return alias, None
        word = msgspec.structs.replace(known, time=touchpoint.time, unlinked=unlinked)
        if known.unlinked == unlinked:
            self._note(alias, word)
            return alias, None
        return alias, word

    def _note(self, alias: str, link: Link) -> None:
        links = {**self._profile.links, alias: link}
        if len(links) > MAX_LINKS:
            spare = [id_ for id_, each in links.items() if each.unlinked and not each.first and id_ != alias]
            if not spare:
                raise RejectedError(
                    "identity-too-many", f"the customer has {MAX_LINKS} linked ids; unlink one"
                )
            del links[min(spare, key=lambda id_: (links[id_].time, id_))]
        self._profile.links = links

    def _hear(self) -> None:
        """What another id's step tells this one."""
        touchpoint = self._touchpoint
        if not self._path or touchpoint.source != SOURCE:
            raise RejectedError("identity-foreign", f"`{touchpoint.type}` is for dangol itself to publish")
        said = msgspec.convert(touchpoint.data, MessageData)
        if touchpoint.type == CLAIM:
            self._claimed(self._path[-1])
        elif touchpoint.type == RELEASE:
            self._released(self._path[-1])
        elif touchpoint.type == REFUSAL:
            self._refused(self._path[-1], said)
        elif touchpoint.type == HANDOVER:
            self._handed_over(said)
        elif touchpoint.type == FAREWELL:
            self._forget(self._path[-1])
        else:
            self._lost(said)

    def _claimed(self, by: str) -> None:
        profile, moved = self._profile, self._touchpoint.moved
        claim = moved.number if moved is not None else 0
        if profile.linked_to is None:
            profile.linked_to = by
            self._leave(claim)
        elif profile.linked_to == by:
            self._send(HANDOVER, by, MessageData(claim))
        else:
            self._send(REFUSAL, by, MessageData(claim))

    def _leave(self, claim: int) -> None:
        """Hand the profile over to the customer that it is linked to, and be a stub."""
        profile = self._profile
        assert profile.linked_to is not None
        message = MessageData(claim, profile.aliases, handover.pack(profile))
        self._send(HANDOVER, profile.linked_to, message)
        handover.clear(profile)
        profile.moved_to = profile.linked_to

    def _released(self, by: str) -> None:
        profile = self._profile
        if profile.linked_to != by:
            return
        was_stub = profile.moved_to is not None
        profile.linked_to = profile.moved_to = None
        if was_stub:
            self._send(LOSS, by, MessageData(ids=(profile.customer, *profile.aliases)))

    def _forget(self, who: str) -> None:
        profile = self._profile
        was_referred = referrals.forget(profile, who)
        self.repeated = who not in profile.heard and who not in profile.links and not was_referred
        profile.heard = {id_: number for id_, number in profile.heard.items() if id_ != who}
        profile.links = {id_: link for id_, link in profile.links.items() if id_ != who}

    def _refused(self, by: str, said: MessageData) -> None:
        if self._answers(by, said.claim):
            link = self._profile.links[by]
            self._note(by, msgspec.structs.replace(link, unlinked=True))
            self.reason, self.other = "refused", by

    def _answers(self, alias: str, claim: int) -> bool:
        """Whether an answer to this claim is waited for; from then on it is not."""
        link = self._profile.links.get(alias)
        if link is None:
            return False
        if not claim:
            return not link.unlinked
        if not link.first <= claim <= link.last:
            return False
        waiting = (0, 0) if claim == link.last else (claim + 1, link.last)
        self._note(alias, msgspec.structs.replace(link, first=waiting[0], last=waiting[1]))
        return True

    def _handed_over(self, said: MessageData) -> None:
        profile, path = self._profile, self._path
        if len(path) == 1 and not self._answers(path[0], said.claim):
            # Whoever was erased in the meantime waits for nothing: what was on its way is gone as well.
            self.repeated = True
            return
        passes = self._passes()
        self._have((*path, *said.ids))
        if passes:
            self._send_on(self._touchpoint)
            return
        if said.profile is not None:
            other = handover.unpack(said.profile)
            self.other = path[0]
            if other.touchpoints and other.first_seen <= profile.erased:
                # The customer asked to be forgotten up to then, and it can't be told apart.
                self.reason = "erased"
                return
            keys = stays.keys_of(other) | stays.keys_of(profile)
            merge(profile, other)
            kept = stays.keys_of(profile)
            self.surplus = [each for trigger, each in sorted(keys.items()) if trigger not in kept]
            self.merged = True
            self.reason = "linked"

    def _have(self, ids: Iterable[str]) -> None:
        profile = self._profile
        others = {*profile.aliases, *ids} - {profile.customer}
        profile.aliases = tuple(sorted(others, key=str.encode)[:MAX_ALIASES])

    def _lost(self, said: MessageData) -> None:
        profile = self._profile
        profile.aliases = tuple(id_ for id_ in profile.aliases if id_ not in said.ids)
        if profile.moved_to is not None:
            if profile.customer not in self._path:
                self._send_on(self._touchpoint)
        elif profile.linked_to is not None:
            # The circle that made this id the canonical one may be open now; if not, it comes back here.
            self._leave(0)

    def _passes(self) -> bool:
        """Whether what has come is for another id; the smallest one of a circle becomes canonical."""
        profile, path = self._profile, self._path
        if profile.moved_to is None:
            return False
        if profile.customer in path:
            circle = path[path.index(profile.customer) :]
            if profile.customer == min(circle, key=str.encode):
                profile.moved_to = None
                return False
        return True

    def _send_on(self, touchpoint: Touchpoint) -> None:
        profile = self._profile
        assert profile.moved_to is not None
        if len(self._path) >= MAX_HOPS:
            raise RejectedError("identity-too-far", f"it has passed {MAX_HOPS} ids that lead to one another")
        moved = Moved((*self._path, profile.customer), self._number())
        self.forwards.append(
            Forward(msgspec.structs.replace(touchpoint, customer=profile.moved_to, moved=moved))
        )

    def _send(self, type_: str, to: str, data: MessageData) -> int:
        """Tell another id something; the message's number."""
        customer = self._profile.customer
        number = self._number()
        self.forwards.append(
            Forward(
                Touchpoint(
                    deterministic_id(type_, customer, to, str(number)),
                    SOURCE,
                    type_,
                    to,
                    self._now,
                    msgspec.to_builtins(data),
                    moved=Moved((customer,), number),
                )
            )
        )
        return number

    def _number(self) -> int:
        # Not below the time, so that an id that was erased and begins anew is heard.
        self._profile.sent = max(self._profile.sent + 1, self._now)
        return self._profile.sent
