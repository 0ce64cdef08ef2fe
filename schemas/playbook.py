"""Playbook: the journey map and the plays as data, written in YAML by CX people.

A mistake in it is refused at load with file, line and field: a play that could never fire,
or would fire on anything, must not go live.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from hashlib import blake2b
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from schemas.timestamp import DAY, HOUR, MINUTE, SECOND
from schemas.yaml_source import YamlSource

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

    It is revoked as well when another device is bound or the consent is withdrawn.

    Attributes:
        play: the play's name.
        touchpoints: the arrivals.
        revoked_by: touchpoints that end the booking; the end of the day of departure does too.
        accuracy_m: largest error of the location that is trusted, in metres.
        consent: the purpose that the guest must have agreed to.
        valid_for: how long the key may be put on the phone; it may be taken away for at least a day
            after the day of departure.
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

    A person calls as well when nobody has closed an issue within `answer_within`.

    Attributes:
        play: the play's name.
        min_severity: bad moments that weigh less are left alone, above 0, to 1.
        window: within which a second bad moment escalates.
        cooldown: how long after an offer no further one is made (an escalation is).
        offers: the first whose floors are met is made; the last should have none.
        valid_for: how long the trigger may be acted on.
        answer_within: how long an issue may stay open before a person calls; None for ever.
    """

    play: Name
    min_severity: Severity
    window: Duration
    cooldown: Duration
    offers: tuple[Offer, ...]
    valid_for: Duration
    answer_within: Duration | None = None


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


_PATH = re.compile(r" - at (`key` in )?`\$([^`]*)`")
_STEP = re.compile(r"\.(\w+)|\[(\d+|\.\.\.)\]")
_FIELD = re.compile(r"unknown field `([^`]+)`")
_WORD = re.compile(r"Invalid (?:enum )?value '([^']+)'")
_FAMILIES = [play.__struct_config__.tag for play in get_args(Play)]


def load(text: str, name: str) -> Playbook:
    """Read a playbook from YAML and check what types can't say.

    Args:
        text: the YAML.
        name: where it came from, for the error.

    Raises:
        InputError: what is wrong, at which line, in which field, and the nearest valid word.
    """
    source = YamlSource(text, name)
    try:
        playbook = msgspec.convert(source.content, Playbook)
    except msgspec.ValidationError as error:
        message = str(error)
        path = _path_of(message, source.content)
        if "[...]" in message:
            message = message.replace("[...]", f".{path[1]}")
        raise source.error(f"{message}{_hint(message)}", *path) from None
    _check(playbook, source)
    return playbook


def _path_of(message: str, content: Any) -> list[str | int]:
    """Where msgspec found the mistake, as keys and places in lists, with the field that it doesn't know."""
    found = _PATH.search(message)
    path: list[str | int] = []
    for field, place in _STEP.findall(found[2] if found else ""):
        if place == "...":
            type_ = {"properties": Property, "catalogue": TouchpointType}[str(path[0])]
            path.append(next(entry for entry, value in content[path[0]].items() if not _fits(value, type_)))
        else:
            path.append(field or int(place))
    return [*path, unknown[1]] if (unknown := _FIELD.search(message)) else path


def _fits(value: Any, type_: type) -> bool:
    try:
        msgspec.convert(value, type_)
    except msgspec.ValidationError:
        return False
    return True


def _hint(message: str) -> str:
    """The nearest valid word to the one that the message calls unknown."""
    if unknown := _FIELD.search(message):
        structs = (Playbook, TouchpointType, Property, Rating, Offer, *get_args(Play))
        known = {field for struct in structs for field in struct.__struct_fields__} | {"family"}
    elif unknown := _WORD.search(message):
        known = {*get_args(Stage), *get_args(Effect), *_FAMILIES}
    else:
        return ""
    return _nearest(unknown[1], known)


def _check(playbook: Playbook, source: YamlSource) -> None:
    for id_, place in playbook.properties.items():
        try:
            ZoneInfo(place.zone)
        except (KeyError, ValueError, OSError):
            message = f"properties.{id_}.zone: `{place.zone}` is no IANA time zone"
            raise source.error(message, "properties", id_, "zone") from None
    for type_, entry in playbook.catalogue.items():
        if entry.rating and entry.rating.worst == entry.rating.best:
            message = f"catalogue.{type_}.rating: worst and best are the same answer"
            raise source.error(message, "catalogue", type_, "rating")
    names: set[str] = set()
    only: dict[type[Play], str] = {}
    for number, play in enumerate(playbook.plays):
        if play.play in names:
            message = f"two plays are called `{play.play}`: decisions could not be told apart"
            raise source.error(message, "plays", number, "play")
        names.add(play.play)
        if isinstance(play, RoomKeyPlay | RetentionOfferPlay) and type(play) in only:
            # A profile has one state for them: the key that is live, the risk that was answered.
            message = f"play `{play.play}` is of the same family as `{only[type(play)]}`: keep one of them"
            raise source.error(message, "plays", number, "family")
        only[type(play)] = play.play
        for field, message in _mistakes(play, playbook.catalogue):
            raise source.error(f"play `{play.play}`: {message}", "plays", number, *field)


def _mistakes(play: Play, catalogue: dict[str, TouchpointType]) -> Iterator[tuple[list[str | int], str]]:
    """What is wrong with a play by itself: in which field, and what."""
    if isinstance(play, RoomKeyPlay):
        for field, types in (("touchpoints", play.touchpoints), ("revoked_by", play.revoked_by)):
            for place, type_ in enumerate(types):
                if type_ not in catalogue:
                    yield [field, place], f"`{type_}` is not in the catalogue{_nearest(type_, catalogue)}"
        if not play.touchpoints:
            yield ["touchpoints"], "`touchpoints` is empty, so it could never fire"
        if not play.revoked_by:
            yield ["revoked_by"], "`revoked_by` is empty, so a key would outlive its stay"
    elif isinstance(play, SuppressionPlay):
        if all(entry.effect != "issue.opened" for entry in catalogue.values()):
            yield ["family"], "nothing in the catalogue has effect `issue.opened`, so it could never fire"
    elif not play.offers:
        yield ["offers"], "`offers` is empty, so it could never fire"
    elif isinstance(play, RecoveryOfferPlay) and play.answer_within is not None:
        yield from _unanswerable(catalogue)
    elif isinstance(play, RetentionOfferPlay) and not play.leave < play.enter:
        yield ["leave"], "`leave` must be below `enter`, or it flickers"


def _unanswerable(catalogue: dict[str, TouchpointType]) -> Iterator[tuple[list[str | int], str]]:
    """Why an issue could not be answered in time, or could never be one."""
    effects = {entry.effect for entry in catalogue.values()}
    for effect in ("issue.opened", "issue.closed"):
        if effect not in effects:
            yield ["answer_within"], f"nothing in the catalogue has effect `{effect}`"


def _nearest(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, sorted(known), n=1)
    return f" (did you mean `{near[0]}`?)" if near else ""
