"""Dead letters, read back: their headers, which of them can be published again, and how they are shown."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from agents.cli import main
from agents.cli.dlq.page import SHOWN, _page
from agents.dead_letters import Address, Letter, died_again, refusal
from schemas.deadletter import Origin, Reason, attempts_of, headers_again, headers_of, origin_of
from schemas.topics import Topics
from schemas.touchpoint import MAX_BYTES

MORNING = 1_773_480_600_000
"""14 March 2026, 09:30 UTC."""

ORIGIN = Origin("cx.touchpoints.v1", 3, 17, MORNING, "dangol")
OURS = headers_of([], ORIGIN, "engine-error", "KeyError", "step")

Headers = list[tuple[str, bytes]]


def letter(
    headers: Headers = OURS, value: bytes | None = b"{}", key: bytes | None = b"ann", at: int = MORNING
) -> Letter:
    """A letter at 1:5."""
    return Letter(Address(1, 5), at, key, value, headers, origin_of(headers))


def page(shown: Letter) -> list[str]:
    """A letter as `dangol dlq show` prints it."""
    return list(_page(shown))


@pytest.mark.parametrize("origin", [ORIGIN, ORIGIN._replace(timestamp=-1), ORIGIN._replace(group="Büro")])
def test_what_was_written_is_read_back(origin: Origin) -> None:
    """Origin, code, message and stage come back as they went in, whatever headers stand before them."""
    headers = headers_of([("app", b"\xff")], origin, "json-invalid", "kein é", "decode")

    assert origin_of(headers) == Reason(origin, "json-invalid", "kein é", "decode")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kafka_dlt-original-partition", b""),
        ("kafka_dlt-original-partition", b"\x00\x03"),
        ("kafka_dlt-original-partition", b"\xff\xff\xff\xff"),
        ("kafka_dlt-original-offset", b"17"),
        ("kafka_dlt-original-offset", b"\xff" * 8),
        ("kafka_dlt-original-timestamp", b"\x00" * 5000),
        ("kafka_dlt-original-topic", b"\xff"),
        ("cx-error-code", b""),
        ("cx-error-code", b"\x1b[31mred"),
        ("cx-error-code", b"x" * 65),
        ("cx-error-stage", b"\xff"),
    ],
)
def test_a_header_that_is_not_as_ours_makes_it_no_letter(name: str, value: bytes) -> None:
    """Numbers of another length, below zero, no text, or a code that can't be one: not ours, and no crash."""
    assert origin_of([*OURS, (name, value)]) is None


def test_every_header_is_needed() -> None:
    """A record that lacks any one of the headers is not ours, and so is one without headers."""
    lacking = [origin_of(OURS[:at] + OURS[at + 1 :]) for at in range(len(OURS))]

    assert lacking == [None] * 8
    assert origin_of([]) is None


def test_a_header_without_a_value_is_no_number() -> None:
    """Kafka lets a header have no value at all."""
    assert origin_of([*OURS, ("kafka_dlt-original-offset", None)]) is None


def test_who_dies_again_tells_of_the_last_death_alone() -> None:
    """What is told of an earlier death goes, the record's own headers and the count of attempts stay."""
    before = [
        ("app", b"x"),
        *OURS,
        ("cx-original-bytes", b"9"),
        ("cx-replayed", b"t-1@5"),
        ("cx-attempts", b"1"),
    ]

    headers = headers_of(before, ORIGIN._replace(offset=99), "data-invalid", "no", "decode")

    assert headers[:3] == [("app", b"x"), ("cx-replayed", b"t-1@5"), ("cx-attempts", b"1")]
    assert headers[3:] == headers_of([], ORIGIN._replace(offset=99), "data-invalid", "no", "decode")


def test_published_again_it_carries_its_own_headers_its_place_and_the_attempt() -> None:
    """Attempts are counted up, only the last place is named, and only the first time."""
    once = headers_again([("app", b"x"), *OURS], "cx.touchpoints.v1-dlt", 1, 5)
    later = ORIGIN._replace(timestamp=MORNING + 7)
    twice = headers_again(headers_of(once, later, "x", "y", "step"), "cx.touchpoints.v1-dlt", 2, 8)

    first = ("cx-first-timestamp", MORNING.to_bytes(8, "big"))
    replayed, again = (
        ("cx-replayed", b"cx.touchpoints.v1-dlt-1@5"),
        ("cx-replayed", b"cx.touchpoints.v1-dlt-2@8"),
    )
    assert once == [("app", b"x"), first, replayed, ("cx-attempts", b"1")]
    assert twice == [("app", b"x"), first, again, ("cx-attempts", b"2")]


@pytest.mark.parametrize("count", [b"", b"-1", b"many", b"1.5", b"9" * 10_000, "٣".encode()])
def test_attempts_that_are_no_count_are_none(count: bytes) -> None:
    """Whoever writes nonsense there begins anew."""
    assert attempts_of([("cx-attempts", count)]) == 0


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        (letter(), None),
        (letter(value=None), None),
        (letter(key=None), None),
        (letter([("app", b"x")]), "unknown"),
        (letter([*OURS, ("cx-original-bytes", b"70000")]), "shortened"),
        (letter([*OURS, ("cx-original-headers", b"3")]), "shortened"),
        (letter(value=b"x" * MAX_BYTES), None),
        (letter(value=b"x" * (MAX_BYTES + 1)), "too-large"),
        (letter([("app", b"x" * 65_536), *OURS]), "too-large"),
        (letter([("cx-attempts", b"4"), *OURS]), None),
        (letter([("cx-attempts", b"5"), *OURS]), "attempts"),
    ],
)
def test_what_can_not_be_published_again(refused: Letter, code: str | None) -> None:
    """Neither what is no letter, nor what lost a part, nor what is too large or was tried too often."""
    why = refusal(refused)

    assert (why and why[0]) == code


def test_force_is_for_attempts_alone() -> None:
    """Trying once more is a choice; what was cut stays cut."""
    tried = [("cx-attempts", b"5"), *OURS]

    assert refusal(letter(tried), force=True) is None
    assert refusal(letter([*tried, ("cx-original-bytes", b"1")]), force=True) == (
        "shortened",
        "part of it was cut when it was put here, as it was too large",
    )


@pytest.mark.parametrize(
    ("told", "address"),
    [
        (b"cx.touchpoints.v1-dlt-1@5", Address(1, 5)),
        (b"other.touchpoints.v1-dlt-1@5", None),
        (b"cx.touchpoints.v1-dlt-1", None),
        (b"cx.touchpoints.v1-dlt-x@y", None),
        (b"cx.touchpoints.v1-dlt-1@" + b"9" * 10_000, None),
        (b"\xff", None),
    ],
)
def test_a_letter_that_died_again_names_the_one_before(told: bytes, address: Address | None) -> None:
    """Only a place on this deployment's dead-letter topic counts."""
    assert died_again(letter([("cx-replayed", told), *OURS]), Topics()) == address


def test_a_letter_as_a_page() -> None:
    """Everything is told in words and numbers, and the value stands below."""
    shown = letter([("app", b"x"), ("cx-attempts", b"2"), *OURS], b'{"id":"1"}\n{}')

    assert page(shown) == [
        "letter     1:5, put aside 2026-03-14 09:30:00",
        "reason     \x1b[31mengine-error\x1b[0m at step: KeyError",
        "came from  cx.touchpoints.v1 3:17, 2026-03-14 09:30:00, given up by dangol",
        "replayed   2 times before it died this time",
        "key        ann",
        "headers",
        "  app: x",
        "  cx-attempts: 2",
        "  kafka_dlt-original-topic: cx.touchpoints.v1",
        "  kafka_dlt-original-partition: 3",
        "  kafka_dlt-original-offset: 17",
        "  kafka_dlt-original-timestamp: 1773480600000",
        "  kafka_dlt-original-consumer-group: dangol",
        "  kafka_dlt-exception-message: KeyError",
        "  cx-error-code: engine-error",
        "  cx-error-stage: step",
        "value      13 bytes",
        '{"id":"1"}',
        "{}",
    ]


def test_what_is_no_letter_as_a_page() -> None:
    """A foreign record is shown as far as it goes; nothing of it can steer the terminal."""
    foreign = letter([("\x1b[2J", b"\x1b"), ("kafka_dlt-original-offset", b"\0")], None, None, at=2**62)

    assert page(foreign) == [
        "letter     1:5, put aside 4611686018427387904 ms",
        "reason     \x1b[31munknown\x1b[0m: it does not carry the headers of a dead letter",
        "key        none",
        "headers",
        "  \ufffd[2J: \ufffd",
        "  kafka_dlt-original-offset: \ufffd",
        "value      none",
    ]


def test_a_value_that_is_no_text_is_shown_in_hex() -> None:
    """Sixteen bytes a line, with what can be read of them; no more than `SHOWN` bytes."""
    assert page(letter(value=b"\xff{}"))[-1] == f"00000000  {'ff 7b 7d':<48} .{{}}"

    long = page(letter(value=b"\xff" * (SHOWN + 7)))

    assert long[-2].startswith("00000ff0  ff ff ")
    assert long[-1] == "\x1b[2m... and 7 more bytes; --raw writes all\x1b[0m"


def test_a_long_text_is_cut() -> None:
    """What is left out is told in bytes, also where a character has two."""
    shown = page(letter(value=("é" * (SHOWN + 3)).encode()))

    assert shown[-2:] == ["é" * SHOWN, "\x1b[2m... and 6 more bytes; --raw writes all\x1b[0m"]


@pytest.mark.parametrize("wrong", ["3", "3:", ":17", "a:b", "3@17", "3:17:1", "1" * 10 + ":1", "٣:٣"])
def test_a_place_that_is_none(wrong: str) -> None:
    """What is no place on the topic is refused with how to write one."""
    result = CliRunner().invoke(main, ["dlq", "show", wrong])

    assert result.exit_code == 2
    assert f"{wrong!r} is no place of a letter; write PARTITION:OFFSET, as 3:17" in result.stderr


@pytest.mark.parametrize(
    ("time", "problem"), [("yesterday", "is no time"), ("2026-03-14T09:30:00", "could be anywhere")]
)
def test_a_time_that_is_none(time: str, problem: str) -> None:
    """A time needs its offset, or two people would replay different letters by it."""
    result = CliRunner().invoke(main, ["dlq", "list", "--since", time])

    assert result.exit_code == 2
    assert f"{problem}; write it with its UTC offset, as 2026-03-14T00:00:00Z" in result.stderr


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ([], "say which: places as 3:17, --reason, --since, or --all"),
        (["--dry-run"], "say which: places as 3:17, --reason, --since, or --all"),
        (["--force"], "say which: places as 3:17, --reason, --since, or --all"),
        (["3:17", "--all"], "places go neither with --reason and --since nor with --all"),
        (["3:17", "--reason", "x"], "places go neither with --reason and --since nor with --all"),
        (["--all", "--reason", "x"], "--all goes neither with --reason nor with --since"),
    ],
)
def test_nothing_is_replayed_by_accident(options: list[str], problem: str) -> None:
    """Replaying wants to know which, in one way."""
    result = CliRunner().invoke(main, ["dlq", "replay", *options])

    assert (result.exit_code, result.stdout) == (2, "")
    assert problem in result.stderr


def test_bytes_and_json_are_two_things() -> None:
    """`show` writes either the bytes or JSON."""
    result = CliRunner().invoke(main, ["dlq", "show", "3:17", "--raw", "--json"])

    assert result.exit_code == 2
    assert "--raw writes bytes, --json writes JSON: choose one" in result.stderr
