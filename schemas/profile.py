"""Profile: what dangol knows of one customer, and the bytes it is kept as.

The bytes are MessagePack with field names, so that they describe themselves: the same record
is the table's changelog and what subscribers of the profiles topic read. Fields at their
default are left out. A new field needs a default; a change of meaning needs a new `version`
and an entry in `_UPGRADES`, and golden bytes of every version stand in the tests.

What churn is told by, which every customer has, is 400 bytes at most for 16 kinds of touchpoint and twelve
active days. Each further kind takes 13, and its name where that is not among those that ship; each further
day 2: some 720 at all bounds. Hence these fields have short names there (`SHORT`), and kinds are packed
(schemas/kinds.py).

Everything that a field holds is treated as immutable: the engine replaces it, never changes it
in place, so that a step that fails leaves the old profile as it was.

Each thing that a profile is made of has a module of its own beside this one, named after it, with its bounds.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import msgspec

from schemas.account import Account
from schemas.begun import Begun
from schemas.consent import Consent
from schemas.errors import StateError
from schemas.holding import Held
from schemas.issue import Issue
from schemas.item import Item
from schemas.kinds import NO_KINDS, Kind, Kinds, kinds_of
from schemas.ledger import Claim, Ledger
from schemas.lifecycle import Issued
from schemas.link import Link
from schemas.moment import Moment
from schemas.preference import Preference
from schemas.presence import Presence
from schemas.recovery import Recovery
from schemas.sequence import Run
from schemas.stay import Booking, Words
from schemas.suppression import Suppressed
from schemas.timer import Timer

VERSION = 2
"""Version of the stored form; see the module's docstring for when it changes. The first had all names in
full, and kinds as a map of arrays."""

SHORT = {
    "first_seen": "f",
    "last_seen": "l",
    "touchpoints": "t",
    "kinds": "k",
    "decayed": "d",
    "active_days": "n",
    "last_active": "a",
    "spent": "s",
    "last_amount": "m",
    "gap_mean": "g",
    "gap_m2": "v",
    "days": "y",
    "active_decayed": "e",
    "spent_decayed": "p",
}
"""What the fields that churn is told by are called in a profile's bytes."""

_NO_CUSTOMER = b"\xf5"
"""First byte that begins no UTF-8, nor do those after it."""

MAX_ENTERED = 64
"""Plays with a re-entry policy of which the last entry is kept, the latest: more are no longer one journey.
Whoever entered more may enter the one that is forgotten again."""

MAX_KEYS = 32
"""Entries kept of plays that may be entered once for each booking, cart or the like, the latest: as many as
a customer has going on at once, several times over."""

MAX_ENDED = 16
"""Ends of waits remembered, the latest: a beginning that is told after its end begins nothing."""

MAX_DAYS = 64
"""Active days remembered one by one, the latest, in two bytes each: a purchase reported late finds its place
among them, and those of two profiles that are one customer's are told apart."""

MAX_TURNS = 16
"""Moments at which a customer became an advocate or was let down that are remembered one by one: as many as
the experience ledger holds."""

MAX_SURPRISES = 32
"""Surprises remembered, those given last: as many as there can be offers that delight, and then some."""

MAX_ASKED = 32
"""Things remembered that the customer was asked for, the latest: more than a house can ask for decently."""

MAX_PENDING = 32
"""Looks at a customer of which it is not known yet what came of them, of 150 bytes at most each: as many as
there are every week of a half year, and some days of activity."""

MAX_SEEN = 64
"""Touchpoints remembered for deduplication, besides the time window of thirty days."""


class Profile(msgspec.Struct, omit_defaults=True, rename=SHORT, gc=False):
    """The core profile of one customer.

    Attributes:
        version: version of the stored form.
        customer: the customer's id, the key of the table.
        first_seen: time of the earliest touchpoint, in ms.
        last_seen: time of the latest touchpoint, in ms.
        touchpoints: how many were applied.
        kinds: count and last time by type; at most `MAX_KINDS` and `OTHER_KIND`.
        decayed: touchpoints, each halved every 7, 28 and 90 days, valued as at `last_seen`.
        active_days: UTC days with a purchase (or what the catalogue calls activity).
        last_active: time of the latest activity, in ms.
        spent: money spent, in the shop's currency.
        last_amount: money of the latest activity.
        gap_mean: mean days between active days.
        gap_m2: sum of squared deviations of those days (Welford 1962).
        active_decayed: active days, each halved every 7, 28 and 90 days, valued as at the latest one.
        spent_decayed: money spent, halved every 90 days, valued as at `last_active`.
        stage: 5A stage, one of `aware`, `appeal`, `ask`, `act`, `advocate`.
        stage_since: when it was entered, in ms.
        moments: the experience ledger, oldest first; at most `MAX_MOMENTS`.
        issues: open issues, oldest first; at most `MAX_ISSUES`.
        bookings: stays, in order of arrival; at most `MAX_BOOKINGS`.
        device: the device that is bound to the customer, for keys.
        device_bound: when it was bound, in ms.
        consents: the latest word on each purpose and channel, oldest first; at most `MAX_CONSENTS`.
        fired: when each play of the playbook last fired, in ms, by the play's name.
        risk: churn risk at the latest touchpoint, from 0 to 1.
        at_risk: whether the playbook's retention play answered a risk at or above its `enter`, by an
            offer or by a reason to make none, and the risk was not below its `leave` since.
        seen: digests of the latest touchpoints, for deduplication (see stream/duplicates.py).
        applied: last applied offset, by source partition: at or below it is a replay.
        aliases: other ids of this customer whose touchpoints come here, in order; at most `MAX_ALIASES`.
        moved_to: the customer whom this id is an alias of; its profile is there, and here is none.
        timers: what is done unless a touchpoint calls it off before, in order of when it is due; at most
            `MAX_TIMERS`.
        ahead: the latest time that a touchpoint of a clock that is ahead gave itself, in ms.
        erased: touchpoints up to this time, in ms, are dropped, as the customer was erased after them;
            −1: never erased.
        linked_to: the customer whom this id was said to be an alias of; `moved_to` is the same, but for the
            smallest id of a circle.
        links: the latest word on each id that was said to be an alias of this one; at most `MAX_LINKS`.
        heard: number of the last message of each other id; at most `MAX_HEARD`.
        sent: number of the last message to another id.
        days: the latest of the active days, two bytes each, counted from 1970; at most `MAX_DAYS`.
        turns: when the customer became an advocate, and was let down; twice the time in ms, and one
            more where let down; in order, at most `MAX_TURNS`.
        reached: the stage below `advocate` that was reached, and when; None where `turns` is empty.
        evidence: when appeal, ask and act were first reached, in ms, 0 for never; empty where none was.
        closed: when an issue was closed last, by its id, in ms; at most `MAX_CLOSED`.
        reopened: when an open issue was opened again, by its id, in ms; the latest `MAX_REOPENED` times.
        told: when each thing was said of a booking, if not all at once, by its id; of bookings that
            are kept, and at most `MAX_EARLY` others.
        zone: the IANA time zone that the customer said to live in.
        zone_said: when it was said, in ms.
        held: triggers that wait, in the order in which they were proposed; at most `MAX_HELD`.
        issued: triggers that went out to the customer, oldest first; at most `MAX_ISSUED`.
        forgotten: time of the latest trigger that is not among `issued` any more, though it may count, in ms.
        suppressed: why promotions are held back, the first to end first; at most `MAX_SUPPRESSED`.
        attention: triggers that went out to the customer, each halved every seven days, valued as at
            `attention_at`: what of the customer's attention has been spent.
        attention_at: when the latest of them went out, in ms.
        entered: when a play with a re-entry policy was entered last, in ms, by its name; at most
            `MAX_ENTERED`.
        entered_keys: the same of plays that are entered once for each key, by name and key; at most
            `MAX_KEYS`.
        progress: for each number of steps of a sequence the run that began last, by the play's name and the
            key; at most `MAX_PROGRESS`.
        ended: when a wait was ended last, in ms, by the play's name and the key; at most `MAX_ENDED`.
        preferences: how the customer likes things, those learned first, of each kind the oldest first; at
            most `MAX_PREFERENCES`.
        presences: hotels at which the bound device was seen, the latest last; at most `MAX_PRESENCES`.
        surprises: when each offer was given as a surprise, in ms, by its name; at most `MAX_SURPRISES`.
        asked: when the customer was asked for something last, in ms, by what it was; at most `MAX_ASKED`.
        begun: what was begun, by what it is and which one, such as `cart:c-1`; `cart:` stands for all carts
            where an end named none; at most `MAX_BEGUN`.
        items: items bought or declined, by name; at most `MAX_ITEMS`.
        recoveries: recovery offers, oldest first; at most `MAX_RECOVERIES`.
        language: the language that the customer has stated.
        language_said: when, in ms.
        referred_by: the customer who referred this one.
        referred_at: when the referral was followed, in ms.
        referral_bought: whether that customer was told that this one has bought.
        account: what is stated of a business customer's contract.
        ledgers: accounts of budgets by name: of the customer's own, or under a reserved key the shared one;
            as many as the playbook has.
        claims: what was promised and is not known to be taken up, by the reservation's id; at most
            `MAX_CLAIMS`.
        pending: what was seen of the customer at moments of which it is not known yet what came of them
            (stream/churn/labels.py), the earliest first; at most `MAX_PENDING`.
        looked: when that was seen last, in ms.
        looked_day: the latest day of activity by then, counted from 1970.
    """

    version: int
    customer: str
    first_seen: int = 0
    last_seen: int = 0
    touchpoints: int = 0
    kinds: Kinds = NO_KINDS
    decayed: tuple[float, float, float] = (0.0, 0.0, 0.0)
    active_days: int = 0
    last_active: int = 0
    spent: float = 0.0
    last_amount: float = 0.0
    gap_mean: float = 0.0
    gap_m2: float = 0.0
    stage: str = "aware"
    stage_since: int = 0
    moments: tuple[Moment, ...] = ()
    issues: tuple[Issue, ...] = ()
    bookings: tuple[Booking, ...] = ()
    device: str | None = None
    device_bound: int = 0
    consents: tuple[Consent, ...] = ()
    fired: dict[str, int] = {}
    risk: float = 0.0
    at_risk: bool = False
    seen: bytes = b""
    applied: dict[int, int] = {}
    aliases: tuple[str, ...] = ()
    moved_to: str | None = None
    timers: tuple[Timer, ...] = ()
    ahead: int = 0
    erased: int = -1
    linked_to: str | None = None
    links: dict[str, Link] = {}
    heard: dict[str, int] = {}
    sent: int = 0
    days: bytes = b""
    turns: tuple[int, ...] = ()
    reached: tuple[str, int] | None = None
    evidence: tuple[int, ...] = ()
    closed: dict[str, int] = {}
    reopened: dict[str, tuple[int, ...]] = {}
    told: dict[str, Words] = {}
    zone: str | None = None
    zone_said: int = 0
    held: tuple[Held, ...] = ()
    issued: tuple[Issued, ...] = ()
    forgotten: int = -1
    suppressed: tuple[Suppressed, ...] = ()
    attention: float = 0.0
    attention_at: int = 0
    entered: dict[str, int] = {}
    entered_keys: dict[str, int] = {}
    progress: dict[str, tuple[Run, ...]] = {}
    ended: dict[str, int] = {}
    presences: tuple[Presence, ...] = ()
    preferences: tuple[Preference, ...] = ()
    surprises: dict[str, int] = {}
    asked: dict[str, int] = {}
    begun: dict[str, Begun] = {}
    items: dict[str, Item] = {}
    recoveries: tuple[Recovery, ...] = ()
    language: str | None = None
    language_said: int = 0
    referred_by: str | None = None
    referred_at: int = 0
    referral_bought: bool = False
    active_decayed: tuple[float, float, float] = (0.0, 0.0, 0.0)
    spent_decayed: float = 0.0
    account: Account | None = None
    ledgers: dict[str, Ledger] = {}
    claims: dict[str, Claim] = {}
    pending: tuple[bytes, ...] = ()
    looked: int = 0
    looked_day: int = 0


class _Unpacked(msgspec.Struct, gc=False):
    """How the first version had kinds."""

    kinds: dict[str, Kind] = {}


def _from_first(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a profile of version 1 as version 2 has them."""
    try:
        kinds = kinds_of(msgspec.convert(fields, _Unpacked).kinds)
    except (struct.error, ValueError) as wrong:
        raise msgspec.ValidationError(f"its kinds can't be: {wrong}") from None
    upgraded = {SHORT.get(name, name): value for name, value in fields.items()}
    return {**upgraded, "version": 2, SHORT["kinds"]: msgspec.to_builtins(kinds, builtin_types=(bytes,))}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Profile)
_version_of = msgspec.msgpack.Decoder(dict[str, Any]).decode

_UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_first}
"""For each old version, how its fields become those of the next version."""


copied: Callable[[Profile], Profile] = Profile.__copy__  # type: ignore[attr-defined]
"""A copy of a profile, to be changed; what `copy.copy` comes to in the end, in half the time."""

_BLANK = Profile(version=VERSION, customer="")


def new_profile(customer: str) -> Profile:
    """The profile of a customer of whom nothing is known yet.

    A copy shares what fields hold until it is replaced. With empty dicts of its own a profile takes 3.3 kB of
    memory instead of 2.3, and as they don't fit into the processor's cache, a step takes a twentieth longer.
    """
    profile = copied(_BLANK)
    profile.customer = customer
    return profile


def encode(profile: Profile) -> bytes:
    """The profile's bytes; the same profile always gives the same bytes.

    >>> decode(encode(new_profile("ann"))) == new_profile("ann")
    True
    """
    return _encoder.encode(profile)


def decode(stored: bytes) -> Profile:
    """Read a profile's bytes, of this version or any released before.

    Raises:
        msgspec.DecodeError: the bytes are no profile.
        StateError: they are of a version that this program doesn't know.
    """
    try:
        profile = _decoder.decode(stored)
    except msgspec.ValidationError:
        return _upgrade(stored)
    return profile if profile.version == VERSION else _upgrade(stored)


def is_profile(key: bytes) -> bool:
    """Whether what stands under a key of the changelog is a profile, whose key is a customer's id.

    The other keys begin with a byte that no UTF-8 has: marks of erasures (schemas/mark.py), what decides on
    a partition (schemas/pin.py), and when its touchpoints came (schemas/ingestion.py).

    >>> is_profile("단골".encode()), is_profile(bytes([0xFD, 0x70]))
    (True, False)
    """
    return b"" < key < _NO_CUSTOMER


def _upgrade(stored: bytes) -> Profile:
    fields = _version_of(stored)
    while (version := fields.get("version", VERSION)) != VERSION:
        if version not in _UPGRADES:
            raise StateError(
                f"a stored profile has version {version}; this program knows up to {VERSION}: update it"
            )
        fields = _UPGRADES[version](fields)
    return msgspec.convert(fields, Profile)
