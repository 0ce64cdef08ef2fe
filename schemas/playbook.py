"""Playbook: the journey map and the plays as data, written in YAML by CX people.

A mistake in it is refused at load with file, line and field: a play that could never fire,
or would fire on anything, must not go live.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from hashlib import blake2b
from typing import Annotated, Any, get_args
from zoneinfo import available_timezones

import msgspec

from schemas.budget import Budget, mistakes_in, mistakes_of
from schemas.calendar import Calendar, Clock, Weekday
from schemas.cap import Cap
from schemas.catalogue import Effect, Rating, Stage, TouchpointType
from schemas.churn import Churn
from schemas.conditions.checking import Scope
from schemas.conditions.meaning import meaning, segments_in
from schemas.conditions.syntax import ConditionMistake
from schemas.duration import Duration
from schemas.families import CONTENT, Play
from schemas.families.entry import EntryPlay
from schemas.families.play import Mistake, Reentry
from schemas.families.recommendation import EVERYONE, MAX_ITEMS_RANKED
from schemas.families.retention_offer import RetentionOfferPlay
from schemas.families.room_key import RoomKeyPlay
from schemas.families.sizing import Sizing
from schemas.families.suppression import SuppressionPlay
from schemas.nearest import nearest
from schemas.offer import Offer
from schemas.property import Fence, Property
from schemas.quantities import Count, Language, Name, Share, Word
from schemas.template import facts_of, placeholders
from schemas.yaml_source import YamlSource
from schemas.zone import is_zone

MAX_PLAYS = 10_000
"""Most plays of a playbook: it takes seconds to read them, and no one can tell any more what they do
together."""


class Playbook(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A journey map with its plays.

    Attributes:
        playbook: its name.
        currency: ISO 4217 code of all amounts.
        properties: hotels by id.
        catalogue: touchpoint types by name.
        offers: what may be offered, by name.
        segments: conditions in CEL that customers meet or not, by name.
        calendars: hours in which customers are left alone, by name.
        caps: how many triggers a customer gets at most; each of them holds.
        holdout: share of customers to whom nothing is done that could be left undone, so that the effect
            of everything together can be measured.
        zone: IANA time zone of customers of whom none is known.
        plays: what is done, in the order in which it is considered.
        templates: what may be said to customers, by name and language; `{amount}` stands for what the trigger
            says.
        language: the language of customers who have stated none, in which each template has to be.
        popularity: how often each item was taken, by segment, or by everyone.
        budgets: how much may be promised and spent, by name.
        churn: how the churn risk is learned; without it, nothing is learned.
    """

    playbook: Name
    currency: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$")]
    properties: dict[str, Property]
    catalogue: dict[str, TouchpointType]
    plays: tuple[Play, ...]
    offers: dict[Name, Offer] = {}
    budgets: dict[Name, Budget] = {}
    segments: dict[Name, str] = {}
    calendars: dict[Name, Calendar] = {}
    caps: tuple[Cap, ...] = ()
    holdout: Share = 0.0
    zone: str = "UTC"
    templates: dict[Name, dict[Language, str]] = {}
    language: Language = "en"
    popularity: dict[Name, dict[Word, Count]] = {}
    churn: Churn | None = None

    @property
    def scope(self) -> Scope:
        """What conditions can name."""
        types = tuple(self.catalogue)
        return Scope(
            types=types,
            entering=types,
            segments=tuple(self.segments),
            plays=frozenset(each.play for each in self.plays),
            properties=tuple(self.properties),
        )

    @property
    def version(self) -> str:
        """Name and a digest of the content, such as `hotel@3f9c2a1b`; stands on every decision.

        What is at its default plays no part, so that a later program, which knows more fields, names the same
        playbook the same.
        """
        content = msgspec.json.encode(_beyond_defaults(self), order="deterministic")
        return f"{self.playbook}@{blake2b(content, digest_size=4).hexdigest()}"


def _pattern_of(text: Any) -> str:
    return str(get_args(text)[1].pattern)


_PATH = re.compile(r" - at (`key` in )?`\$([^`]*)`")
_STEP = re.compile(r"\.(\w+)|\[(\d+|\.\.\.)\]")
_FIELD = re.compile(r"unknown field `([^`]+)`")
_MISSING = re.compile(r"missing required field `([^`]+)`")
_WORD = re.compile(r"Invalid (?:enum )?value '([^']+)'")
_SECTIONS: dict[str, Any] = {
    "properties": Property,
    "catalogue": TouchpointType,
    "offers": Offer,
    "segments": str,
    "calendars": Calendar,
    "templates": dict[Language, str],
    "popularity": dict[Word, Count],
    "budgets": Budget,
}
"""What stands in the sections whose entries have names."""


_FORMS = {
    _pattern_of(Duration): "such as `30d`: a whole number and s, m, h or d",
    _pattern_of(Reentry): "such as `30d`, `once`, `always` or `per-key`",
    _pattern_of(Language): "such as `en` or `pt-BR`",
    _pattern_of(Clock): 'such as "22:00", in quotes',
    _pattern_of(Name): "such as `make-it-right`: small letters and digits, joined by - or .",
}
"""What texts have to look like, in words rather than as a pattern."""

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
        for entry in path[1:] if "[...]" in message else ():
            message = message.replace("[...]", f".{entry}", 1)
        field = _misspelt(message, source.content, path)
        hint = f"; `{field[0]}` is no field{field[1]}" if field else _hint(message)
        for pattern, meaning in _FORMS.items():
            message = message.replace(f"matching regex '{pattern}'", meaning)
        raise source.error(f"{message}{hint}", *path, *(field[:1] if field else ())) from None
    _check(playbook, source)
    return playbook


def _beyond_defaults(value: Any) -> Any:
    """What a playbook says, without the fields that are at their default."""
    if isinstance(value, msgspec.Struct):
        said = {
            field.encode_name: _beyond_defaults(held)
            for field in _fields(type(value))
            if (held := getattr(value, field.name)) != _default(field)
        }
        tag = value.__struct_config__.tag
        return said if tag is None else {**said, str(value.__struct_config__.tag_field): tag}
    if isinstance(value, dict):
        return {key: _beyond_defaults(held) for key, held in value.items()}
    if isinstance(value, tuple | list):
        return [_beyond_defaults(held) for held in value]
    return value


@cache
def _fields(type_: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    # It reads annotations anew each time, and a catalogue has sixty entries of one type.
    return msgspec.structs.fields(type_)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    made = field.default_factory
    return field.default if made is msgspec.NODEFAULT else made()


def _path_of(message: str, content: Any) -> list[str | int]:
    """Where msgspec found the mistake, as keys and places in lists, with the field that it doesn't know."""
    found = _PATH.search(message)
    path: list[str | int] = []
    type_: Any = None
    for field, place in _STEP.findall(found[2] if found else ""):
        if place == "...":
            # Of the entries of a section, or of one entry's own, the first that isn't what it should be.
            type_ = _SECTIONS[str(path[0])] if type_ is None else get_args(type_)[1]
            inside = content
            for step in path:
                inside = inside[step]
            wrong = (str(entry) for entry, value in inside.items() if not _fits(value, type_))
            path.append(next(wrong, ""))
        else:
            path.append(field or int(place))
    return [*path, unknown[1]] if (unknown := _FIELD.search(message)) else path


def _fits(value: Any, type_: Any) -> bool:
    try:
        msgspec.convert(value, type_)
    except msgspec.ValidationError:
        return False
    return True


def _misspelt(message: str, content: Any, path: list[str | int]) -> tuple[str, str] | None:
    """The field that stands there in place of the one that the message calls missing, and what was meant."""
    missing = _MISSING.search(message)
    if missing is None:
        return None
    for step in path:
        content = content[step]
    unknown = [str(key) for key in content if key not in _known_fields()]
    return next(((key, hint) for key in unknown if (hint := nearest(key, [missing[1]]))), None)


def _known_fields() -> set[str]:
    sections = (
        type_ for type_ in _SECTIONS.values() if isinstance(type_, type) and issubclass(type_, msgspec.Struct)
    )
    structs = (Playbook, Churn, Rating, Cap, Fence, Sizing, *sections, *get_args(Play))
    return {field for struct in structs for field in struct.__struct_encode_fields__} | {"family"}


def _hint(message: str) -> str:
    """The nearest valid word to the one that the message calls unknown."""
    if unknown := _FIELD.search(message):
        known = _known_fields()
    elif unknown := _WORD.search(message):
        known = {*get_args(Stage), *get_args(Effect), *get_args(Weekday), *_FAMILIES}
    else:
        return ""
    return nearest(unknown[1], known)


def _check_catalogue(playbook: Playbook, source: YamlSource) -> None:
    for type_, entry in playbook.catalogue.items():
        if entry.rating and entry.rating.worst == entry.rating.best:
            message = f"catalogue.{type_}.rating: worst and best are the same answer"
            raise source.error(message, "catalogue", type_, "rating")
        if entry.saved is not None and entry.spent is not None:
            message = f"catalogue.{type_}: its time is either well `saved` or well `spent`, not both"
            raise source.error(message, "catalogue", type_, "spent")


def _check(playbook: Playbook, source: YamlSource) -> None:
    _check_zones(playbook, source)
    _check_arbitration(playbook, source)
    _check_catalogue(playbook, source)
    if playbook.churn is not None:
        for field, message in playbook.churn.mistakes(playbook.catalogue):
            raise source.error(f"churn: {message}", "churn", *field)
    if len(playbook.plays) > MAX_PLAYS:
        raise source.error(f"{len(playbook.plays)} plays are too many: the limit is {MAX_PLAYS}", "plays")
    _check_popularity(playbook, source)
    _check_templates(playbook, source)
    names: set[str] = set()
    only: dict[type[Play], str] = {}
    for number, play in enumerate(playbook.plays):
        if play.play in names:
            message = f"two plays are called `{play.play}`: decisions could not be told apart"
            raise source.error(message, "plays", number, "play")
        names.add(play.play)
        if isinstance(play, RoomKeyPlay | RetentionOfferPlay | SuppressionPlay) and type(play) in only:
            # A profile has one state for them: the live key, the risk that was answered, what is held back.
            message = f"play `{play.play}` is of the same family as `{only[type(play)]}`: keep one of them"
            raise source.error(message, "plays", number, "family")
        only[type(play)] = play.play
        mistakes = (
            *_mistakes(play, playbook),
            *play.mistakes(playbook),
            *_mistakes_of_template(play, playbook),
        )
        for field, message in mistakes:
            raise source.error(f"play `{play.play}`: {message}", "plays", number, *field)
        if play.segment is not None and play.segment not in playbook.segments:
            message = f"there is no segment `{play.segment}`{nearest(play.segment, playbook.segments)}"
            raise source.error(f"play `{play.play}`: {message}", "plays", number, "segment")
        if play.reentry == "per-key" and not isinstance(play, EntryPlay):
            message = f"play `{play.play}`: `per-key` is for plays that say what they are entered by"
            raise source.error(message, "plays", number, "reentry")
    _check_conditions(playbook, source)


def _check_conditions(playbook: Playbook, source: YamlSource) -> None:
    scope = playbook.scope
    used: dict[str, tuple[str, ...]] = {}
    for name, text in playbook.segments.items():
        try:
            part = meaning(text, replace(scope, is_segment=True))
        except ConditionMistake as mistake:
            message = f"segment `{name}`: {mistake}"
            raise source.error_within(message, mistake.at, "segments", name) from None
        used[name] = segments_in(part)
    for name in playbook.segments:
        if (circle := _circle(name, used)) is not None:
            message = f"segment `{name}` is made of itself: {' → '.join(circle)}"
            raise source.error(message, "segments", name)
    good: set[tuple[str, tuple[str, ...]]] = set()
    for number, play in enumerate(playbook.plays):
        if play.when is None:
            continue
        entering = entering_of(play, scope)
        # Of ten thousand plays many ask the same.
        if (play.when, entering) in good:
            continue
        try:
            meaning(play.when, replace(scope, entering=entering))
        except ConditionMistake as mistake:
            message = f"play `{play.play}`: {mistake}"
            raise source.error_within(message, mistake.at, "plays", number, "when") from None
        good.add((play.when, entering))


def entering_of(play: Play, scope: Scope) -> tuple[str, ...]:
    """The types that `event` can be in a play's condition."""
    return play.entering if isinstance(play, EntryPlay) else tuple(scope.types)


def _circle(name: str, used: dict[str, tuple[str, ...]]) -> list[str] | None:
    """The way from a segment back to itself, if there is one."""
    ways, seen = [[name]], set[str]()
    while ways:
        way = ways.pop()
        for next_ in used[way[-1]]:
            if next_ == name:
                return [*way, next_]
            if next_ not in seen:
                seen.add(next_)
                ways.append([*way, next_])
    return None


def _mistakes(play: Play, playbook: Playbook) -> Iterator[Mistake]:
    """What is wrong with how a play is to be held back."""
    if play.quiet_hours is not None and play.quiet_hours not in playbook.calendars:
        hint = nearest(play.quiet_hours, playbook.calendars)
        yield ["quiet_hours"], f"there is no calendar `{play.quiet_hours}`{hint}"
    if play.slot is not None and play.channel is None:
        yield ["slot"], "a slot is one of a channel: set `channel` as well"
    yield from mistakes_in(play, playbook)


def _check_zones(playbook: Playbook, source: YamlSource) -> None:
    zones = [(["properties", id_, "zone"], place.zone) for id_, place in playbook.properties.items()]
    zones += [(["budgets", name, "zone"], each.zone) for name, each in playbook.budgets.items() if each.zone]
    for path, zone in (*zones, (["zone"], playbook.zone)):
        if not is_zone(zone):
            # Of a continent alone, any of its cities would be as near.
            hint = nearest(zone, available_timezones()) if "/" in zone else ""
            raise source.error(
                f"{'.'.join(path)}: `{zone}` is no IANA time zone{hint}",
                *path,
            )


def _check_arbitration(playbook: Playbook, source: YamlSource) -> None:
    for where, message in mistakes_of(playbook.budgets):
        raise source.error(message, "budgets", *where)
    for name, calendar in playbook.calendars.items():
        if calendar.from_ == calendar.to:
            message = f"calendars.{name}: `from` and `to` are the same, so it has no hours"
            raise source.error(message, "calendars", name, "to")
        if not calendar.days:
            message = f"calendars.{name}.days is empty, so it has no hours"
            raise source.error(message, "calendars", name, "days")
    for number, cap in enumerate(playbook.caps):
        for field in ("channel", "category"):
            named = getattr(cap, field)
            known = sorted({value for play in playbook.plays if (value := getattr(play, field)) is not None})
            if named is not None and named not in known:
                message = f"caps: no play has {field} `{named}`{nearest(named, known)}"
                raise source.error(message, "caps", number, field)


def _check_popularity(playbook: Playbook, source: YamlSource) -> None:
    for segment, items in playbook.popularity.items():
        if not 0 < len(items) <= MAX_ITEMS_RANKED:
            message = f"popularity.{segment}: a table has 1 to {MAX_ITEMS_RANKED} items"
            raise source.error(message, "popularity", segment)
        if segment != EVERYONE and segment not in playbook.segments:
            hint = nearest(segment, {*playbook.segments, EVERYONE})
            message = f"popularity.{segment}: there is no segment `{segment}`{hint}"
            raise source.error(message, "popularity", segment)


def _check_templates(playbook: Playbook, source: YamlSource) -> None:
    for name, texts in playbook.templates.items():
        if playbook.language not in texts:
            message = f"templates.{name}: it has to be in `{playbook.language}`, for who stated no language"
            raise source.error(message, "templates", name)
        for language, text in texts.items():
            try:
                placeholders(text)
            except ValueError as error:
                message = f"templates.{name}.{language}: {error}"
                raise source.error(message, "templates", name, language) from None


def _mistakes_of_template(play: Play, playbook: Playbook) -> Iterator[Mistake]:
    """What a play's text says that its triggers don't know."""
    if play.template is None:
        return
    texts = playbook.templates.get(play.template)
    if texts is None:
        hint = nearest(play.template, playbook.templates)
        yield ["template"], f"there is no template `{play.template}`{hint}"
        return
    known = facts_of(CONTENT[play.family])
    for language, text in texts.items():
        for word in placeholders(text):
            if word not in known:
                said = f"`{{{word}}}` of template `{play.template}` ({language})"
                yield ["template"], f"{said} is nothing that a `{play.family}` knows{nearest(word, known)}"
