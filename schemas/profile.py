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
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec

from schemas.errors import StateError
from schemas.kinds import NO_KINDS, Kind, Kinds, kinds_of
from schemas.ledger import Claim, Ledger

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

MAX_MOMENTS = 16
"""Good and bad moments kept, the newest: at 90 days of window, more than one a week."""

MAX_BOOKINGS = 8
"""Bookings kept; the first to go are those that are over, then the earliest, never one whose key
is live. A guest with more at once is a travel agency."""

MAX_ISSUES = 8
"""Open issues kept, the newest: whether there is one decides, not whether there are nine."""

MAX_CONSENTS = 32
"""Words on consent kept, each on a purpose and a channel, those said last: eight purposes on four channels
are more than a privacy notice can explain."""

MAX_ALIASES = 64
"""Other ids of a customer that are kept, the first in order: browsers, devices and cards of a lifetime;
more is a till where everyone logs in."""

MAX_TIMERS = 32
"""Timers kept: as many as there can be open issues and live keys, and as many waits again; which ones go,
stream/timers.py says."""

MAX_ENTERED = 64
"""Plays with a re-entry policy of which the last entry is kept, the latest: more are no longer one journey.
Whoever entered more may enter the one that is forgotten again."""

MAX_KEYS = 32
"""Entries kept of plays that may be entered once for each booking, cart or the like, the latest: as many as
a customer has going on at once, several times over."""

MAX_PROGRESS = 16
"""Sequences under way, those that took a step last: as many as a customer has going on at once."""

MAX_ENDED = 16
"""Ends of waits remembered, the latest: a beginning that is told after its end begins nothing."""

MAX_LINKS = 64
"""Words on other ids that are kept, of those said to be no alias the latest: as many as `MAX_ALIASES`."""

MAX_HEARD = 128
"""Other ids of which the last number heard is kept, the latest: twice as many as can be linked, as those
that were unlinked may still have sent something."""

MAX_DAYS = 64
"""Active days remembered one by one, the latest, in two bytes each: a purchase reported late finds its place
among them, and those of two profiles that are one customer's are told apart."""

MAX_TURNS = 16
"""Moments at which a customer became an advocate or was let down that are remembered one by one: as many as
the experience ledger holds."""

MAX_CLOSED = 8
"""Closed issues remembered, those closed last: as many as may be open. An opening that is told after
its closing opens nothing."""

MAX_REOPENED = 4
"""Further openings of an open issue remembered, the latest: which of them a closing leaves open."""

MAX_EARLY = 8
"""Bookings remembered of which a status is known and nothing else yet: as many as are kept."""

MAX_HELD = 8
"""Triggers that wait for something: as many as a customer could be told in a morning, and more than anyone
would read. The first to go is the one that waits longest."""

MAX_ISSUED = 32
"""Triggers whose fate is remembered, the latest: one a day over a month. What caps count is among them; where
more went out, caps count as reached (see `Profile.forgotten`)."""

MAX_SUPPRESSED = 8
"""Reasons to hold promotions back: an issue, fatigue and some declined categories; those go first that end
first."""

MAX_PRESENCES = 4
"""Hotels that a guest has come to lately, the latest: nobody arrives at five in a day."""

MAX_PREFERENCES = 24
"""Preferences kept: those that were stated, the latest, then those that were learned. What staff can read
before the guest has reached the desk is less."""

MAX_SURPRISES = 32
"""Surprises remembered, those given last: as many as there can be offers that delight, and then some."""

MAX_ASKED = 32
"""Things remembered that the customer was asked for, the latest: more than a house can ask for decently."""

MAX_BEGUN = 16
"""Things begun that are remembered, those touched last: as many carts as one may have under way."""

MAX_ITEMS = 24
"""Items remembered that were bought or declined; the first to go are those bought, the earliest first."""

MAX_RECOVERIES = 8
"""Recovery offers remembered, the latest, with what became of them: half as many as there are moments."""

MAX_PENDING = 32
"""Looks at a customer of which it is not known yet what came of them, of 150 bytes at most each: as many as
there are every week of a half year, and some days of activity."""

MAX_SEEN = 64
"""Touchpoints remembered for deduplication, besides the time window of thirty days."""


class Moment(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """A good or bad moment of the experience ledger.

    Attributes:
        time: when it happened, in ms.
        weight: from −1 (the worst) to 1 (the best).
        type: the touchpoint's type.
        touchpoint: the touchpoint's id.
    """

    time: int
    weight: float
    type: str
    touchpoint: str


class Key(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A room key that is live.

    Attributes:
        trigger: id of the trigger that issued it.
        device: the device that got it.
        property: the hotel that it says; None for one from before that was noted.
        departure: the last day that it says.
        room: the room that it says, if one was assigned.
    """

    trigger: str
    device: str
    property: str | None = None
    departure: date | None = None
    room: str | None = None


class Waiting(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """An arrival to which nothing was missing but the room.

    Attributes:
        time: when the guest arrived, in ms.
        property: at which hotel.
        device: with which device.
    """

    time: int
    property: str
    device: str


class Presence(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """What the bound device's locations say of one hotel.

    Attributes:
        time: when the device was last seen there, or first seen away from there, in ms.
        property: which hotel.
        device: the device.
        inside: whether it has arrived and not left since.
        arrived: when it arrived last, in ms; −1 where it has not.
        failed: the gates at which it is refused.
    """

    time: int
    property: str
    device: str
    inside: bool
    arrived: int = -1
    failed: tuple[str, ...] = ()


class Preference(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """How a customer likes something. The word that outranks another is the greater one.

    Attributes:
        stated: whether the customer or a member of staff stated it; else it was learned.
        time: when, in ms.
        name: what it is about.
        value: how the customer likes it; empty where there is no preference any more.
        by: who said so.
    """

    stated: bool
    time: int
    name: str
    value: str
    by: str


class Booking(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A stay at a property.

    Attributes:
        id: the booking's id.
        property: which hotel.
        arrival: first day, in the property's own calendar.
        departure: last day, in the property's own calendar.
        status: `confirmed`, `in-house`, `cancelled` or `checked-out`.
        room: the room's number, once it is known.
        key: the room key that is live now.
        changed: time of the touchpoint that it stands as it is since, in ms.
        waiting: the arrival of a guest who waits for the room.
    """

    id: str
    property: str
    arrival: date
    departure: date
    status: str = "confirmed"
    room: str | None = None
    key: Key | None = None
    changed: int = 0
    waiting: Waiting | None = None


class Link(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The latest word on whether another id is an alias of this one.

    Attributes:
        time: when it was said, in ms.
        unlinked: whether it is none any more, or was refused.
        first: number of the first claim that is not answered yet; 0 for none.
        last: number of the last one; 0 for none.
    """

    time: int
    unlinked: bool
    first: int = 0
    last: int = 0


class Words(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """When each thing was said that a booking is made of, so that the latest word holds; −1 is never.

    Attributes:
        property: when the hotel was said, in ms, as all of these.
        arrival: when the first day was said.
        departure: when the last day was said.
        room: when the room was said.
        confirmed: when it was confirmed last.
        said: when another status was said last.
        status: that status; empty for none.
        early: the room, of a booking that is not confirmed yet.
        ready: when a room was said to be ready last.
        ready_room: that room.
    """

    property: int = -1
    arrival: int = -1
    departure: int = -1
    room: int = -1
    confirmed: int = -1
    said: int = -1
    status: str = ""
    early: str | None = None
    ready: int = -1
    ready_room: str = ""


class Issue(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A complaint or fault that is not settled yet.

    Attributes:
        id: the issue's id.
        opened: when, in ms.
        type: type of the touchpoint that opened it.
    """

    id: str
    opened: int
    type: str


class Consent(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """The latest word on a purpose that a customer was asked to agree to.

    The later one is the greater one, and of two at the same time the withdrawal.

    Attributes:
        time: when it was said, in ms.
        withdrawn: whether the customer took consent back; else it was granted.
        purpose: the purpose.
        channel: the channel that it is about; empty for all of them.
    """

    time: int
    withdrawn: bool
    purpose: str
    channel: str = ""


class Held(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A trigger that would go out, but waits for something; its timer is called `held`.

    When it may go, every step of arbitration decides on it once more.

    Attributes:
        id: the id that the trigger will have.
        play: whose it is.
        family: the play's trigger family.
        content: what is to be done, by family, in MessagePack.
        touchpoint: id of the touchpoint that caused it.
        type: that touchpoint's type.
        source: that touchpoint's source.
        correlation: what it belongs to.
        proposed: when the play proposed it, in ms.
        expires: until when it may be acted on, in ms.
        waits_for: the reason code of what it waits for, such as `quiet-hours` or `budget`.
        due: when it is decided on again unless something does so before, in ms.
    """

    id: str
    play: str
    family: str
    content: bytes
    touchpoint: str
    type: str
    source: str
    correlation: str | None
    proposed: int
    expires: int
    waits_for: str
    due: int


class Issued(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A trigger that went out to the customer, and what became of it.

    It is live until it is answered, revoked or has run out.

    Attributes:
        id: the trigger's id.
        play: whose it was.
        family: the play's trigger family.
        channel: how it reaches the customer; None where it doesn't go to the customer.
        category: what kind of message it is.
        slot: what it has taken of its channel, as long as it is live.
        time: when it went out, in ms.
        expires: until when it may be acted on, in ms.
        status: `issued`, `delivered`, `accepted`, `declined`, `ignored`, `expired` or `revoked`.
        said: when that was said, in ms.
        delivered: whether it is known to have reached the customer.
        correlation: what it belongs to.
        offer: the offer's name, where it makes one.
    """

    id: str
    play: str
    family: str
    channel: str | None
    category: str | None
    slot: str | None
    time: int
    expires: int
    status: str = "issued"
    said: int = 0
    delivered: bool = False
    correlation: str | None = None
    offer: str | None = None


class Suppressed(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """A reason for which promotions are held back, on every channel.

    Attributes:
        until: when it ends by itself, in ms.
        because: `open-issue`, `declined` or `fatigue`.
        about: the category that was declined; else empty.
        since: when it began, in ms.
    """

    until: int
    because: str
    about: str
    since: int


class Timer(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """Something that is done unless a touchpoint calls it off before.

    The earlier is the lesser one. There is one for each name and key.

    Attributes:
        due: when it is done, in ms.
        name: whose it is: a family of plays, with the play's name where there may be several of it.
        key: what it is about: an issue, a booking.
        touchpoint: id of the touchpoint that set it.
    """

    due: int
    name: str
    key: str
    touchpoint: str


class Run(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """Steps of a sequence that were taken one after another. The one that began later is the greater one.

    Attributes:
        first: when the first was taken, in ms; −1 where none was.
        last: when the last was taken.
    """

    first: int
    last: int


class Begun(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Something that a customer has begun, such as a cart, and what became of it.

    Attributes:
        left: when it was touched last, in ms; −1: never, as far as is known.
        ended: when it was ended last, in ms; −1: never.
        channel: where it was left; empty where that is not known.
        type: type of the touchpoint with which it was left.
        offered: whether it was offered to go on with it.
    """

    left: int = -1
    ended: int = -1
    channel: str = ""
    type: str = ""
    offered: bool = False


class Item(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a customer has done about an item.

    Attributes:
        declined: when they said no to it last, in ms; −1: never.
        bought: when they bought it last, in ms; −1: never.
    """

    declined: int = -1
    bought: int = -1


class Recovery(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """An offer to put a bad moment right, and what became of it.

    Attributes:
        time: when it was made, in ms.
        trigger: id of its trigger.
        play: the play that made it.
        cause: type of the touchpoint that was the bad moment.
        outcome: `accepted`, `declined` or `ignored`; empty where nothing is known.
        back: when the customer came back after it, in ms; −1: not yet.
    """

    time: int
    trigger: str
    play: str
    cause: str
    outcome: str = ""
    back: int = -1


class Account(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is stated of a business customer's contract, and when each of it was, in ms; −1 is never.

    Attributes:
        plan: what was agreed, by name; None where that is not known, as in all of these.
        plan_said: when that was said last.
        seats: how many may use it.
        seats_said: when that was said last.
        renews: the day on which the contract is renewed, or ends.
        renews_said: when that was said last.
    """

    plan: str | None = None
    plan_said: int = -1
    seats: int | None = None
    seats_said: int = -1
    renews: date | None = None
    renews_said: int = -1


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


class _Timed(msgspec.Struct, gc=False):
    """What a profile's bytes say of timers, and nothing else of them."""

    timers: tuple[Timer, ...] = ()


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
_timed = msgspec.msgpack.Decoder(_Timed)
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


def timers_in(stored: bytes) -> tuple[Timer, ...]:
    """The timers of a stored profile, in order of when they are due; none where it is no profile.

    Most profiles have none, and of those nothing is decoded.

    >>> timers_in(encode(Profile(VERSION, "ann", timers=(Timer(700, "room-key", "b-1", "e-1"),))))[0].due
    700
    """
    if b"timers" not in stored:
        return ()
    try:
        return _timed.decode(stored).timers
    except msgspec.DecodeError:
        # Whoever reads it for what it is will say so.
        return ()


def _upgrade(stored: bytes) -> Profile:
    fields = _version_of(stored)
    while (version := fields.get("version", VERSION)) != VERSION:
        if version not in _UPGRADES:
            raise StateError(
                f"a stored profile has version {version}; this program knows up to {VERSION}: update it"
            )
        fields = _UPGRADES[version](fields)
    return msgspec.convert(fields, Profile)
