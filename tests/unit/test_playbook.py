"""Playbook: a mistake is refused at load with its place and the nearest valid word."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.duration import millis_of
from schemas.errors import InputError
from schemas.families import Play
from schemas.playbook import Playbook, load
from stream.engine import DEFAULT_PLAYBOOK
from tests.hotel import HOTEL, HOTEL_YAML, PROPERTY_TEST


def test_default_playbook_loads() -> None:
    """The playbook that ships is valid and has a play of every family."""
    shipped = load(DEFAULT_PLAYBOOK.read_text(encoding="utf-8"), "hotel.yaml")

    assert {type(play) for play in shipped.plays} == set(get_args(Play))


def refusal(text: str) -> str:
    """The message with which a playbook is refused."""
    with pytest.raises(InputError) as refused:
        load(text, "my.yaml")
    return str(refused.value)


def changed(old: str, new: str) -> str:
    """The playbook of the tests with its first `old` replaced."""
    assert old in HOTEL_YAML
    return HOTEL_YAML.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("playbook:", "segments: {odd: [1]}\nplaybook:", "Expected `str`, got `array` - at `$.segments.odd`"),
        ("playbook: hotel", "playboook: hotel", "unknown field `playboook` (did you mean `playbook`?)"),
        (
            "family: room-key",
            "familly: room-key",
            "field `family` - at `$.plays[0]`; `familly` is no field (did you mean `family`?)",
        ),
        (
            "zone: Asia/Seoul",
            "zon: Asia/Seoul",
            "unknown field `zon` - at `$.properties.seoul` (did you mean `zone`?)",
        ),
        (
            "{stage: aware}",
            "{stge: aware}",
            "unknown field `stge` - at `$.catalogue.ad.seen` (did you mean `stage`?)",
        ),
        (
            "min_severity: 0.4",
            "min_severty: 0.4",
            "unknown field `min_severty` - at `$.plays[1]` (did you mean `min_severity`?)",
        ),
        (
            "amount: 60",
            "amout: 60",
            "unknown field `amout` - at `$.offers.dinner-for-two` (did you mean `amount`?)",
        ),
        ("cooldown: 1d", "zzz: 1d", "unknown field `zzz` - at `$.plays[1]`"),
        (
            "{stage: aware}",
            "{stage: awar}",
            "Invalid enum value 'awar' - at `$.catalogue.ad.seen.stage` (did you mean `aware`?)",
        ),
        (
            "effect: activity",
            "effect: activty",
            "Invalid enum value 'activty' - at `$.catalogue.order.placed.effect` (did you mean `activity`?)",
        ),
        (
            "family: room-key",
            "family: room-kye",
            "Invalid value 'room-kye' - at `$.plays[0].family` (did you mean `room-key`?)",
        ),
        (
            "touchpoints: [guest.arrived]",
            "touchpoints: [guest.arived]",
            "play `key-at-the-door`: `guest.arived` is not in the catalogue (did you mean `guest.arrived`?)",
        ),
        (
            "[booking.cancelled,",
            "[booking.canceled,",
            "`booking.canceled` is not in the catalogue (did you mean `booking.cancelled`?)",
        ),
        ("Asia/Seoul", "Asia/Seol", "`Asia/Seol` is no IANA time zone (did you mean `Asia/Seoul`?)"),
        ("Asia/Seoul", "Asia", "properties.seoul.zone: `Asia` is no IANA time zone"),
        ("Asia/Seoul", "../../etc/passwd", "properties.seoul.zone: `../../etc/passwd` is no IANA time zone"),
        ("Asia/Seoul", '""', "properties.seoul.zone: `` is no IANA time zone"),
        ("leave: 0.60", "leave: 0.75", "play `stay-with-us`: `leave` must be below `enter`, or it flickers"),
        ("leave: 0.60", "leave: 0.9", "play `stay-with-us`: `leave` must be below `enter`, or it flickers"),
        ("enter: 0.75", "enter: 75", "Expected `float` <= 1.0 - at `$.plays[3].enter`"),
        ("enter: 0.75", "enter: .nan", "Expected `float` >= 0.0 - at `$.plays[3].enter`"),
        ("play: stay-with-us", "play: make-it-right", "two plays are called `make-it-right`"),
        ("play: stay-with-us", "play: Stay!", "at `$.plays[3].play`"),
        (
            "touchpoints: [guest.arrived]\n    locations: [location.reported]",
            "touchpoints: []",
            "`touchpoints` is empty, so it could never fire",
        ),
        (
            "revoked_by: [booking.cancelled, stay.checked-out]",
            "revoked_by: []",
            "play `key-at-the-door`: `revoked_by` is empty, so a key would outlive its stay",
        ),
        ("  busan: {zone", "  seoul: {zone", "not YAML: `seoul` stands here twice"),
        ("{stage: appeal}", "{stage: appeal, stage: ask}", "not YAML: `stage` stands here twice"),
        ("  email.opened:", "  ad.seen:", "not YAML: `ad.seen` stands here twice"),
        ("    window: 30d", "    min_severity: 0.9", "not YAML: `min_severity` stands here twice"),
        ("valid_for: 15m", "valid_for: 15 minutes", "at `$.plays[0].valid_for`"),
        ("valid_for: 15m", "valid_for: 0m", "at `$.plays[0].valid_for`"),
        ("accuracy_m: 100", "accuracy_m: .inf", "at `$.plays[0].accuracy_m`"),
        ("accuracy_m: 100", "accuracy_m: 0", "at `$.plays[0].accuracy_m`"),
        ("min_severity: 0.4", "min_severity: 0", "Expected `float` > 0.0 - at `$.plays[1].min_severity`"),
        ("weight: 0.2", "weight: 2", "Expected `float` <= 1.0 - at `$.catalogue.order.delivered.weight`"),
        (
            "worst: 0, best: 10",
            "worst: 3, best: 3",
            "catalogue.survey.answered.rating: worst and best are the same",
        ),
        ("worst: 0, best: 10", "worst: .nan, best: 3", "at `$.catalogue.survey.answered.rating.worst`"),
        ("currency: EUR", "currency: euro", "at `$.currency`"),
    ],
)
def test_mistake_is_named(old: str, new: str, message: str) -> None:
    """The message says which file and line, which field of which entry, and what was probably meant."""
    refused = refusal(changed(old, new))
    line = HOTEL_YAML[: HOTEL_YAML.index(old)].count("\n") + 1

    assert refused.startswith(f"my.yaml:{line}:")
    assert message in refused
    assert ("did you mean" in refused) == ("did you mean" in message)


@pytest.mark.parametrize("play", [1, 3])
def test_empty_offers(play: int) -> None:
    """A play that has nothing to offer could never fire, so it must not go live."""
    head, *plays = HOTEL_YAML.split("  - play: ")
    lines = plays[play].splitlines(keepends=True)
    plays[play] = "".join("    offers: []\n" if "offers:" in line else line for line in lines)

    assert "`offers` is empty, so it could never fire" in refusal("  - play: ".join([head, *plays]))


SMALL = """\
playbook: small
currency: EUR
properties: {}
catalogue:
  spa.visited: {weight: 0.5}
offers: {tea: {amount: 1}}
plays:
"""
"""Eight lines, the last one for a play."""

RETENTION = (
    "{play: %s, family: retention-offer, enter: 0.7, leave: 0.5, min_active_days: 1, cooldown: 1d, "
    "offers: [tea], valid_for: 1d}"
)


@pytest.mark.parametrize(
    ("plays", "message"),
    [
        (
            "  - {play: hold, family: suppression, valid_for: 1d}",
            "8:18: play `hold`: nothing in the catalogue has effect `issue.opened`, so it could never fire",
        ),
        (
            f"  - {RETENTION % 'one'}\n  - {RETENTION % 'two'}",
            "9:17: play `two` is of the same family as `one`: keep one of them",
        ),
        (
            "  - play: hold\n    valid_for: 1d",
            "8:5: Object missing required field `family` - at `$.plays[0]`",
        ),
        (
            "  - family: suppression\n    play: hold",
            "8:5: Object missing required field `valid_for` - at `$.plays[0]`",
        ),
        (
            "  - family: suppression\n    play: hold\n    valid_for: 1d\n    valid-for: 2d",
            "11:5: Object contains unknown field `valid-for` - at `$.plays[0]` (did you mean `valid_for`?)",
        ),
        (
            '  - family: suppression\n    "a\\nb": 1',
            "9:5: Object contains unknown field `a b` - at `$.plays[0]`",
        ),
        ("  1", "7:1: Expected `array`, got `int` - at `$.plays`"),
        ("  - a: 1\n    a: 1", "9:5: not YAML: `a` stands here twice"),
    ],
)
def test_mistake_is_where_the_message_says(plays: str, message: str) -> None:
    """Line and column are those of the field, or of the nearest thing that is there."""
    assert refusal(SMALL + plays) == f"my.yaml:{message}"


def test_two_room_key_plays() -> None:
    """A booking has one live key, so two plays would take each other's keys away."""
    head, plays = HOTEL_YAML.split("plays:\n")
    play = plays.split("  - play: ")[1]
    twice = f"{head}plays:\n  - play: {play}  - play: {play.replace('key-at-the-door', 'key-at-the-spa')}"

    assert refusal(twice).endswith(
        "play `key-at-the-spa` is of the same family as `key-at-the-door`: keep one of them"
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: b: c", ":1:5"),
        ("[", ":1:2"),
        ("\t", ":1:1"),
        ('"', ":1:2"),
        ("{? [a] : b}", ":1:4"),
        ("a: 1\n---\nb: 2", ":2:1"),
        ("\x00", ""),
        ("*x", ":1:1"),
        ('!!python/object/apply:os.system ["x"]', ":1:1"),
        ("a: 2026-13-45", ""),
        ("a: !!int x", ""),
        ("a: !!bool x", ""),
        ("a: !!timestamp x", ""),
        ('a: !!int ""', ""),
        ("[" * 2_000, ""),
    ],
)
def test_not_yaml(text: str, place: str) -> None:
    """What can't be read as YAML is refused in one line; nothing in it is ever run."""
    refused = refusal(text)

    assert refused.startswith(f"my.yaml{place}: not YAML: ")
    assert len(refused.splitlines()) == 1


def test_yaml_that_merges_without_end() -> None:
    """A few lines that merge one mapping ten times into the next are refused, rather than spelt out."""
    merged = ["m0: &m0 {a: 1}"]
    merged += [f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 10)}]}}" for n in range(1, 12)]

    assert refusal("\n".join(merged)) == "my.yaml:7:5: not YAML: merging makes over 100,000 entries of it"


def test_yaml_that_refers_to_itself() -> None:
    """An anchor within itself, or one used a billion times over, ends in one line like any mistake."""
    laughs = "a0: &a0 x\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))

    assert refusal("plays: &a [*a]") == "my.yaml:1:8: Expected `object`, got `array` - at `$.plays[0]`"
    assert refusal(laughs).startswith("my.yaml:1:1: Object contains unknown field `a0`")


@pytest.mark.parametrize("text", ["", "1", "hotel", "[]", "plays: []"])
def test_yaml_that_is_no_playbook(text: str) -> None:
    """YAML of another shape is refused by its shape."""
    assert refusal(text).startswith("my.yaml")


@PROPERTY_TEST
@given(st.integers(0, len(HOTEL_YAML)), st.integers(0, 8), st.text(max_size=4))
def test_any_slip_of_the_hand(at: int, cut: int, put: str) -> None:
    """Whatever is cut out or typed in anywhere, the playbook loads or is refused in one line."""
    try:
        assert isinstance(load(HOTEL_YAML[:at] + put + HOTEL_YAML[at + cut :], "my.yaml"), Playbook)
    except InputError as refused:
        message = str(refused)
    else:
        message = "my.yaml: loads"
    assert re.match(r"my\.yaml(:\d+:\d+)?: .", message)
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("duration", "millis"),
    [("1s", 1_000), ("30m", 1_800_000), ("2h", 7_200_000), ("999999d", 86_399_913_600_000)],
)
def test_duration(duration: str, millis: int) -> None:
    """Seconds, minutes, hours and days, as CX people write them."""
    assert millis_of(duration) == millis


def test_version_follows_the_content() -> None:
    """The version names the playbook and changes with what it says, not with comments."""
    assert load("# mine\n" + HOTEL_YAML, "x").version == HOTEL.version
    assert load(changed("amount: 180", "amount: 181"), "x").version != HOTEL.version
    assert HOTEL.version.startswith("hotel@")


def test_too_many_plays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A playbook with more plays than anyone can oversee is refused, with the limit."""
    monkeypatch.setattr("schemas.playbook.MAX_PLAYS", 3)

    with pytest.raises(InputError, match="4 plays are too many: the limit is 3"):
        load(HOTEL_YAML, "hotel.yaml")
