"""Kinds: how often, and when last, each type of touchpoint happened, in 13 bytes a type.

They stay packed in memory as well: bytes take the same time to store and to read however many kinds there
are, and what rounding does to a decayed count it does when that changes, not when it is stored. So a profile
that was read again goes on exactly as one that was kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import exp2
from struct import Struct

import msgspec

MAX_KINDS = 32
"""Kinds of touchpoint counted by name; further ones are counted together under `OTHER_KIND`.
Apps use ten to twenty."""

OTHER_KIND = "*"

NAMES = (
    OTHER_KIND,
    *("account.stated", "ad.seen", "app.failed", "booking.cancelled", "booking.confirmed", "call.started"),
    *("cancel.viewed", "cart.added", "cart.emptied", "cart.viewed", "champion.left", "chat.rated"),
    *("chat.started", "checkout.started", "complaint.closed", "complaint.opened", "consent.granted"),
    *("consent.withdrawn", "contract.ended", "contract.renewed", "contract.signed", "delivery.late"),
    *("demo.requested", "desk.visited", "device.bound", "email.clicked", "email.opened", "feature.used"),
    *("friend.referred", "goal.reached", "guest.arrived", "invoice.disputed", "item.sold-out"),
    *("level.missed", "location.reported", "meeting.planned", "order.damaged", "order.delayed"),
    *("order.delivered", "order.placed", "order.returned", "outage.met", "page.viewed"),
    *("paper.downloaded", "payment.failed", "payment.recovered", "preference.learned"),
    *("preference.stated", "pricing.viewed", "product.searched", "product.shared", "product.viewed"),
    *("profile.stated", "queue.waited", "quote.requested", "quote.sent", "recommendation.declined"),
    *("reference.given", "referral.bought", "referral.followed", "referral.succeeded", "refund.paid"),
    *("review.held", "review.posted", "review.read", "room.ready", "screen.viewed", "seats.added"),
    *("seats.removed", "service.delivered", "service.failed", "session.ended", "stay.checked-in"),
    *("stay.checked-out", "store.visited", "subscription.cancelled", "subscription.downgraded"),
    *("subscription.renewed", "subscription.started", "subscription.upgraded", "survey.answered"),
    *("ticket.closed", "ticket.opened", "trial.ended", "trial.started", "trigger.accepted"),
    *("trigger.declined", "trigger.delivered", "trigger.ignored", "usage.reported", "wait.long"),
    *("webinar.attended", "identity.linked", "identity.unlinked"),
)
"""Types that are stored as their place in this list; all others with their name. It never changes, not even
at its end: what is stored says places, and a program with a shorter list could not read those of a longer."""

FIRST_OWN = 255 - MAX_KINDS
"""Where the places of types begin that are stored with their name."""

_NOWHERE = 255
"""The place of no type."""

_RECORD = Struct(">Qf")
"""The count, with the latest time in ms below it; and the decayed count."""

_SIZE = _RECORD.size

_TIME_BITS = 42
"""Bits of a time: they reach to the year 2109, and touchpoints are of 2099 at the latest."""

_TIME = 2**_TIME_BITS - 1
_ONE = 2**_TIME_BITS

MAX_COUNT = 2 ** (64 - _TIME_BITS) - 1
"""Touchpoints of a kind that are counted, four million: one a minute for eight years."""

_FULL = MAX_COUNT << _TIME_BITS

_PLACES = {name: place for place, name in enumerate(NAMES)}
_BYTES = tuple(bytes((place,)) for place in range(256))
_pack = _RECORD.pack
_unpack = _RECORD.unpack_from


class Kind(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How often, and when last, a type of touchpoint happened.

    Attributes:
        count: touchpoints of this type, `MAX_COUNT` at most.
        last: time of the latest one, in ms.
        decayed: touchpoints of this type, each halved every 28 days, valued as at `last`; of a profile
            from before this was counted, those since.
    """

    count: int
    last: int
    decayed: float = 0.0


class Kinds(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Kinds by type, in the order in which they were first met; to be read like a mapping.

    Decayed counts keep seven digits.

    >>> kinds = NO_KINDS.put("order.placed", Kind(2, 9, 1.5)).put("spa.visited", Kind(1, 7, 1.0))
    >>> list(kinds), kinds["order.placed"]
    (['order.placed', 'spa.visited'], Kind(count=2, last=9, decayed=1.5))
    >>> len(kinds.places), len(kinds.counts), kinds.own
    (2, 24, ('spa.visited',))

    Attributes:
        places: of each kind where its type stands in `NAMES`; or, from `FIRST_OWN` on, in `own`.
        counts: what is known of each, in 12 bytes.
        own: names of the types that are not among `NAMES`; at most `MAX_KINDS`.
    """

    places: bytes = b""
    counts: bytes = b""
    own: tuple[str, ...] = ()

    def get(self, name: str) -> Kind | None:
        """The kind of a type; None where there was none of it."""
        at = self.places.find(self._place(name))
        if at < 0:
            return None
        counted, decayed = _unpack(self.counts, at * _SIZE)
        return Kind(counted >> _TIME_BITS, counted & _TIME, decayed)

    def put(self, name: str, kind: Kind) -> Kinds:
        """These kinds, but for that of a type, which is replaced or added."""
        places, counts, own = self.places, self.counts, self.own
        place = self._place(name)
        record = _pack(min(kind.count, MAX_COUNT) << _TIME_BITS | kind.last, kind.decayed)
        at = places.find(place) * _SIZE
        if at >= 0:
            return Kinds(places, counts[:at] + record + counts[at + _SIZE :], own)
        return Kinds(places + _BYTES[place], counts + record, own if name in _PLACES else (*own, name))

    def counted(self, name: str, time: int, half_life: float) -> Kinds:
        """These kinds and a touchpoint of one of them; both times in ms.

        It decays by its own age, so the order of arrival does not matter.
        """
        # On every touchpoint, hence in one piece.
        place = _PLACES.get(name)
        if place is None:
            place = self._place(name)
        places, counts, own = self.places, self.counts, self.own
        at = places.find(place) * _SIZE
        if at < 0:
            own = own if place < FIRST_OWN else (*own, name)
            return Kinds(places + _BYTES[place], counts + _pack(_ONE | time, 1.0), own)
        counted, decayed = _unpack(counts, at)
        age = (counted & _TIME) - time
        if age <= 0:
            counted -= age
            decayed = decayed * exp2(age / half_life) + 1.0
        else:
            decayed += exp2(-age / half_life)
        if counted < _FULL:
            counted += _ONE
        return Kinds(places, counts[:at] + _pack(counted, decayed) + counts[at + _SIZE :], own)

    def items(self) -> Iterator[tuple[str, Kind]]:
        """Types and their kinds."""
        for name, (counted, decayed) in zip(self, _RECORD.iter_unpack(self.counts), strict=True):
            yield name, Kind(counted >> _TIME_BITS, counted & _TIME, decayed)

    def keys(self) -> list[str]:
        """The types."""
        own = self.own
        return [NAMES[place] if place < FIRST_OWN else own[place - FIRST_OWN] for place in self.places]

    def _place(self, name: str) -> int:
        """The place of a type; the one that it would get, where it has none."""
        place = _PLACES.get(name)
        if place is None:
            own = self.own
            return FIRST_OWN + (own.index(name) if name in own else len(own))
        return place

    def __getitem__(self, name: str) -> Kind:
        kind = self.get(name)
        if kind is None:
            raise KeyError(name)
        return kind

    def __contains__(self, name: str) -> bool:
        return name in self.own or _PLACES.get(name, _NOWHERE) in self.places

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.places)


NO_KINDS = Kinds()
"""Those of a customer of whom nothing is known."""


def kinds_of(kinds: Mapping[str, Kind]) -> Kinds:
    """Kinds packed.

    >>> kinds_of({}) is NO_KINDS
    True
    """
    packed = NO_KINDS
    for name, kind in kinds.items():
        packed = packed.put(name, kind)
    return packed
