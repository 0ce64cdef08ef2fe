"""Playbook: the journey map and the plays as data, written in YAML by CX people.

A mistake in it is refused at load with the path of the field: a play that could never fire,
or would fire on anything, must not go live.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from hashlib import blake2b
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from schemas.errors import InputError
from schemas.timestamp import DAY, HOUR, MINUTE, SECOND

Stage = Literal["aware", "appeal", "ask", "act", "advocate"]
"""Kotler's five A's, in order (Kotler, Kartajaya, Setiawan: Marketing 4.0, 2017)."""

Effect = Literal[
    "activity",
    "booking.confirmed",
    "booking.cancelled",
    "stay.checked-in",
    "stay.checked-out",
    "issue.opened",
    "issue.closed",
    "device.bound",
    "consent.granted",
    "consent.withdrawn",
]
"""What a touchpoint does to the profile, beyond being counted."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Weight = Annotated[float, msgspec.Meta(ge=-1, le=1)]
Severity = Annotated[float, msgspec.Meta(gt=0, le=1)]
Answer = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
Amount = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
Metres = Annotated[float, msgspec.Meta(gt=0, le=1_000)]
"""Beyond a kilometre of error a location says nothing about a door."""

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(?:[.-][a-z0-9]+)*$", max_length=64)]
Duration = Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,5}(?:s|m|h|d)$")]
"""A length of time: a whole number and `s`, `m`, `h` or `d`, such as `30d`."""

_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}


def millis_of(duration: Duration) -> int:
    """Milliseconds of a duration as the playbook writes it.

    >>> millis_of("30m")
    1800000
    """
    return int(duration[:-1]) * _UNITS[duration[-1]]


class Rating(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How an answer on a scale becomes a weight.

    Attributes:
        field: the field of the touchpoint's data that holds the answer.
        worst: the answer that weighs −1.
        best: the answer that weighs 1.
    """

    field: str
    worst: Answer
    best: Answer


class TouchpointType(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An entry of the touchpoint catalogue.

    Attributes:
        stage: the 5A stage that it is evidence of.
        weight: how good (to 1) or bad (to −1) a moment it is; 0 is neither.
        rating: where the weight comes from an answer instead.
        effect: what it does to the profile beyond being counted.
    """

    stage: Stage | None = None
    weight: Weight = 0.0
    rating: Rating | None = None
    effect: Effect | None = None


class Property(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A hotel.

    Attributes:
        zone: IANA time zone; it decides what "today" is at the door.
    """

    zone: str


class RoomKeyPlay(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="family", tag="room-key"
):
    """The room key is on the phone when the guest arrives; revoked when the stay ends.

    Attributes:
        play: the play's name.
        touchpoints: the arrivals.
        revoked_by: touchpoints that end the booking.
        accuracy_m: largest error of the location that is trusted, in metres.
        consent: the purpose that the guest must have agreed to.
        valid_for: how long the trigger may be acted on.
    """

    play: Name
    touchpoints: tuple[str, ...]
    revoked_by: tuple[str, ...]
    accuracy_m: Metres
    consent: str
    valid_for: Duration


class Offer(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Something that may be offered to put things right or to keep a customer.

    Attributes:
        offer: the offer's name, which the subscriber knows.
        amount: what it is worth, in the shop's currency.
        min_severity: from which weight of bad moment on, 0 to 1.
        min_spent: from which money spent on.
    """

    offer: Name
    amount: Amount
    min_severity: Share = 0.0
    min_spent: Amount = 0.0


class RecoveryOfferPlay(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="family", tag="recovery-offer"
):
    """Put a bad moment right at once; at the second within the window, call a person.

    Attributes:
        play: the play's name.
        min_severity: bad moments that weigh less are left alone, above 0, to 1.
        window: within which a second bad moment escalates.
        cooldown: how long after an offer no further one is made (an escalation is).
        offers: the first whose floors are met is made; the last should have none.
        valid_for: how long the trigger may be acted on.
    """

    play: Name
    min_severity: Severity
    window: Duration
    cooldown: Duration
    offers: tuple[Offer, ...]
    valid_for: Duration


class SuppressionPlay(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="family", tag="suppression"
):
    """Hold promotions back on every channel while an issue is open.

    Attributes:
        play: the play's name.
        valid_for: how long the order to hold back lasts if nobody closes the issue.
    """

    play: Name
    valid_for: Duration


class RetentionOfferPlay(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="family", tag="retention-offer"
):
    """Act before the customer is gone: churn risk crosses the threshold.

    Attributes:
        play: the play's name.
        enter: risk at which a customer becomes one at risk.
        leave: risk at which that ends; below `enter`, so that it doesn't flicker.
        min_active_days: customers who bought on fewer days are not kept but won.
        cooldown: how long after an offer no further one is made.
        offers: the first whose floors are met is made.
        valid_for: how long the trigger may be acted on.
    """

    play: Name
    enter: Share
    leave: Share
    min_active_days: Annotated[int, msgspec.Meta(ge=1)]
    cooldown: Duration
    offers: tuple[Offer, ...]
    valid_for: Duration


Play = RoomKeyPlay | RecoveryOfferPlay | SuppressionPlay | RetentionOfferPlay


class Playbook(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A journey map with its plays.

    Attributes:
        playbook: its name.
        currency: ISO 4217 code of all amounts.
        properties: hotels by id.
        catalogue: touchpoint types by name.
        plays: what is done, in the order in which it is considered.
    """

    playbook: Name
    currency: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$")]
    properties: dict[str, Property]
    catalogue: dict[str, TouchpointType]
    plays: tuple[Play, ...]

    @property
    def version(self) -> str:
        """Name and a digest of the content, such as `hotel@3f9c2a1b`; stands on every decision."""
        content = msgspec.json.encode(self, order="deterministic")
        return f"{self.playbook}@{blake2b(content, digest_size=4).hexdigest()}"


_FIELD = re.compile(r"unknown field `([^`]+)`")
_WORD = re.compile(r"Invalid (?:enum )?value '([^']+)'")
_FAMILIES = [play.__struct_config__.tag for play in get_args(Play)]


def load(text: str, name: str) -> Playbook:
    """Read a playbook from YAML and check what types can't say.

    Args:
        text: the YAML.
        name: where it came from, for the error.

    Raises:
        InputError: what is wrong, in which field, and the nearest valid word.
    """
    try:
        content = msgspec.yaml.decode(text)
    except msgspec.DecodeError as error:
        raise InputError(f"{name}: not YAML: {' '.join(str(error).split())}") from None
    try:
        playbook = msgspec.convert(content, Playbook)
    except msgspec.ValidationError as error:
        message = _with_entry(str(error), content)
        raise InputError(f"{name}: {message}{_hint(message)}") from None
    _check(playbook, name)
    return playbook


def _with_entry(message: str, content: dict[str, Any]) -> str:
    """The message with the name of the entry where msgspec's path says `[...]`."""
    for field, type_ in (("properties", Property), ("catalogue", TouchpointType)):
        if f"`$.{field}[...]" in message:
            for entry, value in content[field].items():
                try:
                    msgspec.convert(value, type_)
                except msgspec.ValidationError:
                    return message.replace("[...]", f".{entry}")
    return message


def _hint(message: str) -> str:
    """The nearest valid word to the one that the message calls unknown."""
    if unknown := _FIELD.search(message):
        structs = (Playbook, TouchpointType, Property, Rating, Offer, *get_args(Play))
        known = {field for struct in structs for field in struct.__struct_fields__} | {"family"}
    elif unknown := _WORD.search(message):
        known = {*get_args(Stage), *get_args(Effect), *_FAMILIES}
    else:
        return ""
    near = get_close_matches(unknown[1], sorted(known), n=1)
    return f" (did you mean `{near[0]}`?)" if near else ""


def _check(playbook: Playbook, name: str) -> None:
    for id_, place in playbook.properties.items():
        try:
            ZoneInfo(place.zone)
        except (KeyError, ValueError, OSError):
            raise InputError(f"{name}: properties.{id_}.zone: `{place.zone}` is no IANA time zone") from None
    for type_, entry in playbook.catalogue.items():
        if entry.rating and entry.rating.worst == entry.rating.best:
            raise InputError(f"{name}: catalogue.{type_}.rating: worst and best are the same answer")
    names = [play.play for play in playbook.plays]
    for play in playbook.plays:
        if names.count(play.play) > 1:
            raise InputError(f"{name}: two plays are called `{play.play}`: decisions could not be told apart")
        if isinstance(play, RoomKeyPlay):
            for type_ in (*play.touchpoints, *play.revoked_by):
                _known(type_, playbook, f"{name}: play `{play.play}`")
            if not play.touchpoints:
                raise InputError(
                    f"{name}: play `{play.play}`: `touchpoints` is empty, so it could never fire"
                )
        if isinstance(play, RetentionOfferPlay) and not play.leave < play.enter:
            raise InputError(f"{name}: play `{play.play}`: `leave` must be below `enter`, or it flickers")
        if isinstance(play, RecoveryOfferPlay | RetentionOfferPlay) and not play.offers:
            raise InputError(f"{name}: play `{play.play}`: `offers` is empty, so it could never fire")


def _known(type_: str, playbook: Playbook, where: str) -> None:
    if type_ not in playbook.catalogue:
        near = get_close_matches(type_, list(playbook.catalogue), n=1)
        hint = f" (did you mean `{near[0]}`?)" if near else ""
        raise InputError(f"{where}: `{type_}` is not in the catalogue{hint}")
