"""Mutations: what becomes of real records in broken programs, old clients and other people's hands.

Each takes a record and a source of chance and gives another record. What the other one is (still a
touchpoint, a bad record, a touchpoint of someone else) nobody says here: the ledger finds out.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from random import Random

from schemas.touchpoint import MAX_BYTES
from tests.cluster import Sent

Mutation = Callable[[Sent, Random], Sent]

TIMES = (
    b"0000-00-00T00:00:00Z",
    b"0001-01-01T00:00:00Z",
    b"1969-12-31T23:59:59Z",
    b"1970-01-01T00:00:00Z",
    b"2026-02-30T12:00:00Z",
    b"2026-03-14T12:00:00",
    b"2026-03-14T24:00:00Z",
    b"2026-03-14T12:00:00+99:00",
    b"2099-12-31T23:59:59Z",
    b"9999-12-31T23:59:59Z",
    b"-9999999999",
    b"1773489600",
    b"yesterday",
    b"",
)

WRONG = (b"null", b"true", b"[]", b"{}", b"-1", b"1e999", b'""', b'"\\ud800"', b"[[]]", b"0" * 400)
"""What stands where something else belongs."""


def _bits(record: Sent, random: Random) -> Sent:
    """A few bits of the value turned over, as bad memory does."""
    key, value, headers = record
    flipped = bytearray(value or b"")
    for _ in range(random.randint(1, 8)):
        if flipped:
            flipped[random.randrange(len(flipped))] ^= 1 << random.randrange(8)
    return key, bytes(flipped), headers


def _truncated(record: Sent, random: Random) -> Sent:
    """The beginning alone."""
    key, value, headers = record
    return key, (value or b"")[: random.randrange(len(value or b"") + 1)], headers


def _spliced(record: Sent, random: Random) -> Sent:
    """A piece of it once more in the middle of it."""
    key, value, headers = record
    value = value or b""
    cuts = sorted(random.randrange(len(value) + 1) for _ in range(2))
    return key, value[: cuts[1]] + value[cuts[0] :], headers


def _retyped(record: Sent, random: Random) -> Sent:
    """A field's value replaced by one of another type."""
    key, value, headers = record
    fields = (value or b"").split(b":")
    if len(fields) > 1:
        at = random.randrange(1, len(fields))
        _, comma, rest = fields[at].partition(b",")
        fields[at] = random.choice(WRONG) + (comma + rest if comma else b"}")
    return key, b":".join(fields), headers


def _renamed(record: Sent, random: Random) -> Sent:
    """A field that has another name, so that the right one is missing."""
    key, value, headers = record
    name = random.choice(
        (b"id", b"subject", b"type", b"specversion", b"time", b"data", b"messageId", b"userId", b"booking")
    )
    return key, (value or b"").replace(b'"' + name + b'"', b'"no ' + name + b'"', 1), headers


def _dated(record: Sent, random: Random) -> Sent:
    """Another time, most of them absurd."""
    key, value, headers = record
    text = value or b""
    for name in (b'"time":"', b'"timestamp":"'):
        before, found, after = text.partition(name)
        if found:
            text = before + found + random.choice(TIMES) + b'"' + after.partition(b'"')[2]
    dated = [(n, random.choice(TIMES) if n == "ce_time" else v) for n, v in headers]
    return key, text, dated


def _nested(record: Sent, random: Random) -> Sent:
    """Data as deep as a well."""
    key, value, headers = record
    depth = random.choice((50, 900, 5_000, 15_000))
    well = b'{"a":' * depth + b"1" + b"}" * depth
    return key, (value or b"{}")[:-1] + b',"data":' + well + b"}", headers


def _huge(record: Sent, random: Random) -> Sent:
    """Around and above the largest that is read."""
    key, value, headers = record
    size = MAX_BYTES + random.choice((-400, -1, 0, 1, 1_000, 200_000))
    padding = b" " * max(size - len(value or b""), 0)
    return key, (value or b"") + padding, headers


def _charset(record: Sent, random: Random) -> Sent:
    """The text in another charset than UTF-8, or with a mark at its beginning."""
    key, value, headers = record
    text = (value or b"").decode("utf-8", "replace").replace("/", "é한")
    match random.randrange(4):
        case 0:
            return key, text.encode("utf-16"), headers
        case 1:
            return key, text.encode("latin-1", "replace") + b"\xff", headers
        case 2:
            return key, text.replace("é", "\\ud83d").encode(), headers
        case _:
            return key, b"\xef\xbb\xbf" + text.encode(), headers


def _packed(record: Sent, random: Random) -> Sent:
    """Compressed by someone who says so in a header that nobody reads."""
    key, value, headers = record
    return key, gzip.compress(value or b"", mtime=0), [*headers, ("content-encoding", b"gzip")]


def _noise(record: Sent, random: Random) -> Sent:
    """Bytes of chance."""
    key, _, headers = record
    return key, random.randbytes(random.randrange(600)), headers


def _headers(record: Sent, random: Random) -> Sent:
    """Headers that lie about what the value is."""
    key, value, headers = record
    garbage: list[tuple[str, bytes]] = [
        ("ce_specversion", random.choice((b"1.0", b"", b"\xff", b"9"))),
        ("ce_id", random.choice((b"1", b"\xc3\x28", b"x" * 300))),
        ("ce_type", random.choice((b"order.placed", b"", b"\x00"))),
        ("ce_subject", random.choice((key or b"", b"", b"\xff\xfe"))),
        ("ce_time", random.choice(TIMES)),
        ("kafka_dlt-original-offset", b"?"),
        ("cx-rekeyed", b"-1"),
        ("é" * 20, random.randbytes(40)),
    ]
    random.shuffle(garbage)
    return key, value, [*headers, *garbage[: random.randint(1, len(garbage))]]


def _heavy(record: Sent, random: Random) -> Sent:
    """Headers larger than the value, under a key that is not the customer's."""
    _, value, headers = record
    return b"elsewhere", value, [*headers, ("trace", b"x" * random.choice((1_000, 65_000, 66_000, 300_000)))]


def _tombstone(record: Sent, random: Random) -> Sent:
    """No value at all."""
    key, _, headers = record
    return key, None, headers


def _keyless(record: Sent, random: Random) -> Sent:
    """No key."""
    _, value, headers = record
    return None, value, headers


def _miskeyed(record: Sent, random: Random) -> Sent:
    """Another's key, or none that is text."""
    _, value, headers = record
    return random.choice((b"", b"someone", b"\xff\xfe", b"k" * 2_000)), value, headers


def _repeated(record: Sent, random: Random) -> Sent:
    """The same again."""
    return record


def _longest(record: Sent, random: Random) -> Sent:
    """Names at and beyond the longest that are kept."""
    key, value, headers = record
    name = random.choice((b"id", b"subject", b"type", b"source", b"correlationid"))
    before, found, after = (value or b"").partition(b'"' + name + b'":"')
    if not found:
        return record
    length = random.choice((0, 255, 256, 257, 5_000))
    return key, before + found + b"n" * length + b'"' + after.partition(b'"')[2], headers


ALL: tuple[tuple[str, Mutation], ...] = (
    ("bits turned", _bits),
    ("truncated", _truncated),
    ("spliced", _spliced),
    ("wrong type", _retyped),
    ("field missing", _renamed),
    ("absurd time", _dated),
    ("deep", _nested),
    ("huge", _huge),
    ("wrong charset", _charset),
    ("compressed", _packed),
    ("noise", _noise),
    ("garbage headers", _headers),
    ("heavy headers", _heavy),
    ("tombstone", _tombstone),
    ("no key", _keyless),
    ("wrong key", _miskeyed),
    ("repeated", _repeated),
    ("longest names", _longest),
)
"""Every kind, by name."""

RARE = {"deep": 0.1, "huge": 0.1, "heavy headers": 0.1}
"""How often these come compared with others: they are as large as a hundred usual records."""

TIMELESS = (
    *("truncated", "deep", "huge", "wrong charset", "compressed", "noise"),
    *("tombstone", "no key", "wrong key", "heavy headers", "longest names"),
)
"""Those that leave no touchpoint with another time. By the event clock a time far ahead brings everyone's
timers due, and what they find then hangs on which partition's touchpoints were faster."""

_WEIGHTS = [RARE.get(name, 1.0) for name, _ in ALL]
_TIMELESS = [weight * (name in TIMELESS) for weight, (name, _) in zip(_WEIGHTS, ALL, strict=True)]


def change(record: Sent, random: Random, *, timeless: bool = False) -> Sent:
    """Another record of this one, by a mutation of chance; one of `TIMELESS` if that is asked for."""
    return random.choices(ALL, _TIMELESS if timeless else _WEIGHTS)[0][1](record, random)
