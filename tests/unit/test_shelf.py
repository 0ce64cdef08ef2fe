"""What stands on the playbooks' topic, which of it is in force, and what can be used of it."""

from __future__ import annotations

import pytest

from agents.shelf import PROGRAM, Shelf, decides, playbook_of
from schemas.edition import KEPT, MAX_BYTES, Edition
from schemas.errors import InputError
from tests.hotel import HOTEL, HOTEL_YAML, NOON

TOPIC = "cx.playbook.v1"


def shelf(*records: tuple[bytes | None, bytes | None]) -> Shelf:
    """A shelf with these records."""
    new = Shelf()
    for key, value in records:
        new.put(key, value, NOON, PROGRAM)
    return new


def test_what_current_names_is_in_force() -> None:
    """The last word counts, and an edition keeps its bytes as they were written."""
    found = shelf((b"a@1", b"# one\r\n"), (b"b@2", b"# two"), (b"current", b"b@2"), (b"current", b"a@1"))

    assert found.in_force == Edition("a@1", b"# one\r\n", NOON, PROGRAM)


@pytest.mark.parametrize(
    "records",
    [
        [(b"a@1", b"text")],
        [(b"a@1", b"text"), (b"current", b"b@2")],
        [(b"a@1", b"text"), (b"current", b"a@1"), (b"a@1", None)],
        [(b"a@1", b"text"), (b"current", b"a@1"), (b"current", None)],
        [(None, b"text"), (b"current", b"\xff")],
    ],
)
def test_nothing_is_in_force_that_is_not_there(records: list[tuple[bytes | None, bytes | None]]) -> None:
    """Without a word on it, or without its text, no edition is in force."""
    assert shelf(*records).in_force is None


def test_the_one_published_last_stands_last() -> None:
    """One that is published once more is the latest again."""
    found = shelf((b"a@1", b"1"), (b"b@2", b"2"), (b"a@1", b"1"))

    assert list(found.editions) == ["b@2", "a@1"]


def test_memory_is_bounded_whatever_is_written() -> None:
    """Of a topic that someone has filled, the latest are held, and the one in force in any case."""
    found = shelf((b"old@0", b"x"), (b"current", b"old@0"), *((b"v@%d" % n, b"x") for n in range(1, 100)))

    assert list(found.editions) == ["old@0", *(f"v@{n}" for n in range(100 - 2 * KEPT, 100))]


def test_a_playbook_is_read_as_it_was_published() -> None:
    """Its version follows from what it says."""
    assert playbook_of(Edition("any", HOTEL_YAML.encode(), NOON, None), TOPIC) == HOTEL


@pytest.mark.parametrize(
    ("text", "program", "reason"),
    [
        (b"playbook: [", None, f"{TOPIC} hotel@1:1:12: not YAML"),
        (b"\xff", PROGRAM, f"{TOPIC} hotel@1: not UTF-8 at byte 0"),
        (b"#" * (MAX_BYTES + 1), None, f"{TOPIC} hotel@1: 1,000,001 bytes are more than a playbook may have"),
        (
            HOTEL_YAML.replace("currency:", "moons: 3\ncurrency:").encode(),
            "dangol 9.9.9",
            f"; dangol 9.9.9 has published it, and this is {PROGRAM}",
        ),
    ],
)
def test_one_that_cannot_be_used_says_why(text: bytes, program: str | None, reason: str) -> None:
    """The place, the mistake, and who wrote it where that was another program."""
    with pytest.raises(InputError) as refused:
        playbook_of(Edition("hotel@1", text, NOON, program), TOPIC)

    assert reason in str(refused.value)


def test_what_decides_is_what_workers_decide_by() -> None:
    """The one in force; where it can't be used the latest that can; none where nothing was applied."""
    text = HOTEL_YAML.encode()
    other = HOTEL_YAML.replace("playbook: hotel", "playbook: inn").encode()
    good, inn = (HOTEL.version.encode(), text), (b"inn@1", other)
    found = [
        decides(shelf(good, inn, (b"current", good[0])), TOPIC),
        decides(shelf(good, inn, (b"bad@1", b"["), (b"current", b"bad@1")), TOPIC),
        decides(shelf(good, inn), TOPIC),
        decides(shelf((b"bad@1", b"["), (b"current", b"bad@1")), TOPIC),
    ]

    assert [each and each.playbook for each in found] == ["hotel", "inn", None, None]


def test_a_version_that_is_not_there_is_told_with_the_nearest() -> None:
    """A digit that was misread is found."""
    with pytest.raises(InputError) as refused:
        shelf((b"hotel@3f9c2a1b", b"x")).named("hotel@3f9c2alb", TOPIC)

    assert str(refused.value) == f"hotel@3f9c2alb is not on {TOPIC} (did you mean `hotel@3f9c2a1b`?)"


def test_the_one_in_force_whose_text_is_gone_is_told() -> None:
    """Someone has deleted it; applying one mends it."""
    with pytest.raises(InputError, match="says that b@2 is in force, which is not there: apply one"):
        shelf((b"a@1", b"x"), (b"current", b"b@2")).named("current", TOPIC)
