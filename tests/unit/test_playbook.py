"""Playbook: a mistake is refused at load with its place and the nearest valid word."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InputError
from schemas.playbook import Play, Playbook, load, millis_of
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
        ("playbook: hotel", "playboook: hotel", "unknown field `playboook` (did you mean `playbook`?)"),
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
            "unknown field `amout` - at `$.plays[1].offers[1]` (did you mean `amount`?)",
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
        ("    consent: location\n", "", "missing required field `consent` - at `$.plays[0]`"),
        ("Asia/Seoul", "Asia/Seol", "properties.seoul.zone: `Asia/Seol` is no IANA time zone"),
        ("Asia/Seoul", "Asia", "properties.seoul.zone: `Asia` is no IANA time zone"),
        ("Asia/Seoul", "../../etc/passwd", "properties.seoul.zone: `../../etc/passwd` is no IANA time zone"),
        ("Asia/Seoul", '""', "properties.seoul.zone: `` is no IANA time zone"),
        ("leave: 0.60", "leave: 0.75", "play `stay-with-us`: `leave` must be below `enter`, or it flickers"),
        ("leave: 0.60", "leave: 0.9", "play `stay-with-us`: `leave` must be below `enter`, or it flickers"),
        ("enter: 0.75", "enter: 75", "Expected `float` <= 1.0 - at `$.plays[3].enter`"),
        ("enter: 0.75", "enter: .nan", "Expected `float` >= 0.0 - at `$.plays[3].enter`"),
        ("play: stay-with-us", "play: make-it-right", "two plays are called `make-it-right`"),
        ("play: stay-with-us", "play: Stay!", "at `$.plays[3].play`"),
        ("touchpoints: [guest.arrived]", "touchpoints: []", "`touchpoints` is empty, so it could never fire"),
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
    """The message says which file, which field of which entry, and what was probably meant."""
    refused = refusal(changed(old, new))

    assert refused.startswith("my.yaml: ")
    assert message in refused
    assert ("did you mean" in refused) == ("did you mean" in message)


@pytest.mark.parametrize("play", [1, 3])
def test_empty_offers(play: int) -> None:
    """A play that has nothing to offer could never fire, so it must not go live."""
    head, *plays = HOTEL_YAML.split("  - play: ")
    lines = plays[play].splitlines(keepends=True)
    plays[play] = "".join(
        "    offers: []\n" if "offers:" in line else line for line in lines if "- {" not in line
    )

    assert "`offers` is empty, so it could never fire" in refusal("  - play: ".join([head, *plays]))


@pytest.mark.parametrize(
    "text",
    [
        "a: b: c",
        "[",
        "\t",
        '"',
        "{? [a] : b}",
        "a: 1\n---\nb: 2",
        "\x00",
        "*x",
        '!!python/object/apply:os.system ["x"]',
    ],
)
def test_not_yaml(text: str) -> None:
    """What can't be read as YAML is refused in one line; nothing in it is ever run."""
    refused = refusal(text)

    assert refused.startswith("my.yaml: not YAML: ")
    assert len(refused.splitlines()) == 1


@pytest.mark.parametrize("text", ["", "1", "hotel", "[]", "plays: []"])
def test_yaml_that_is_no_playbook(text: str) -> None:
    """YAML of another shape is refused by its shape."""
    assert refusal(text).startswith("my.yaml: ")


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
    assert message.startswith("my.yaml: ")


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
