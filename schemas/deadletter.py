"""Dead letter: a record that could not be processed, kept as it came, with the reason in headers.

Key, value and headers are the original ones. The `kafka_dlt-*` names and encodings are those of
Spring for Apache Kafka (numbers big-endian), so that JVM tools read them; the `cx-*` ones are ours.
A letter that is published again carries `cx-replayed`, `cx-attempts` and `cx-first-timestamp`, and keeps
them if it dies again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

MAX_MESSAGE = 300
"""Longest reason kept, in characters: enough for the field's path, too short to carry a payload."""

REPLAYED = "cx-replayed"
"""Header of a record that was published again: which dead letter it was, as `topic-partition@offset`."""

FIRST = "cx-first-timestamp"
"""Header of a record that was published again: the Kafka timestamp of its first record in ms, 8 bytes,
big-endian. A touchpoint without a time of its own happened then, and not whenever it comes again."""

ATTEMPTS = "cx-attempts"
"""Header of a record that was published again: how often by now, in decimal digits."""

SHORTENED = ("cx-original-bytes", "cx-original-headers")
"""Headers of a letter whose value or headers were cut, as the topic took no record so large."""

STATE = "state"
"""Stage of a letter that is no touchpoint but a stored profile that could not be read."""

_TOLD = ("kafka_dlt-", "cx-error-", "cx-original-")
"""How the names of the headers begin that tell of one death; they must not outlive it."""

_CODE = re.compile(r"[a-z][a-z0-9-]{0,63}")
_DIGITS = re.compile(rb"[0-9]{1,9}")


class Origin(NamedTuple):
    """Where a dead letter was read.

    Attributes:
        topic: the topic.
        partition: its partition there.
        offset: its offset there.
        timestamp: its Kafka timestamp, in ms.
        group: the consumer group that gave it up.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    group: str


class Reason(NamedTuple):
    """Why a record is a dead letter.

    Attributes:
        origin: where it was read.
        code: stable, machine-readable reason, such as `json-invalid`.
        message: one line without personal data.
        stage: `decode`, `step` or `state`.
    """

    origin: Origin
    code: str
    message: str
    stage: str


def headers_of(
    original: Sequence[tuple[str, bytes]], origin: Origin, code: str, message: str, stage: str
) -> list[tuple[str, bytes]]:
    """The original headers followed by where the record came from and why it is here.

    What they tell of an earlier death is left out; how often it was published again stays.

    Args:
        original: the record's own headers.
        origin: where it was read.
        code: stable reason, such as `json-invalid`.
        message: one line without personal data.
        stage: `decode`, `step` or `state`.
    """
    return [
        *without_reason(original),
        ("kafka_dlt-original-topic", origin.topic.encode()),
        ("kafka_dlt-original-partition", origin.partition.to_bytes(4, "big")),
        ("kafka_dlt-original-offset", origin.offset.to_bytes(8, "big")),
        ("kafka_dlt-original-timestamp", origin.timestamp.to_bytes(8, "big", signed=True)),
        ("kafka_dlt-original-consumer-group", origin.group.encode()),
        ("kafka_dlt-exception-message", message[:MAX_MESSAGE].encode("utf-8", "replace")),
        ("cx-error-code", code.encode()),
        ("cx-error-stage", stage.encode()),
    ]


def origin_of(headers: Sequence[tuple[str, bytes | None]]) -> Reason | None:
    """What `headers_of` wrote; None where one of its headers is missing or is not as it writes them.

    Where a name is repeated the last one counts, as ours come after the original ones.
    """
    told = dict(headers)
    try:
        partition, offset, timestamp = (
            _number(told[f"kafka_dlt-original-{name}"], size)
            for name, size in (("partition", 4), ("offset", 8), ("timestamp", 8))
        )
        topic, group, message, code, stage = (
            (told[name] or b"").decode()
            for name in (
                "kafka_dlt-original-topic",
                "kafka_dlt-original-consumer-group",
                "kafka_dlt-exception-message",
                "cx-error-code",
                "cx-error-stage",
            )
        )
    except (KeyError, ValueError):
        return None
    if not _CODE.fullmatch(code) or partition < 0 or offset < 0:
        return None
    return Reason(Origin(topic, partition, offset, timestamp, group), code, message, stage)


def without_reason(headers: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """The headers without those that tell of a death.

    >>> without_reason([("app", b"x"), ("cx-error-code", b"json-invalid"), ("cx-attempts", b"1")])
    [('app', b'x'), ('cx-attempts', b'1')]
    """
    return [header for header in headers if not header[0].startswith(_TOLD)]


def attempts_of(headers: Sequence[tuple[str, bytes | None]]) -> int:
    """How often a record was published again; 0 where that is not told, or not as a number.

    >>> attempts_of([("cx-attempts", b"2")]), attempts_of([]), attempts_of([("cx-attempts", b"many")])
    (2, 0, 0)
    """
    told = dict(headers).get(ATTEMPTS) or b""
    return int(told) if _DIGITS.fullmatch(told) else 0


def first_timestamp(headers: Sequence[tuple[str, bytes | None]]) -> int | None:
    """The Kafka timestamp of a record's first publication; None where that is not told.

    >>> first_timestamp(with_first([("app", b"x")], 1773480600000)), first_timestamp([("app", b"x")])
    (1773480600000, None)
    """
    try:
        return _number(dict(headers).get(FIRST), 8)
    except ValueError:
        return None


def with_first(headers: Sequence[tuple[str, bytes]], timestamp: int) -> list[tuple[str, bytes]]:
    """The headers of a record for publishing it again, with the Kafka timestamp (ms) that it had first."""
    if first_timestamp(headers) is not None or timestamp < 0:
        return list(headers)
    others = [header for header in headers if header[0] != FIRST]
    return [*others, (FIRST, timestamp.to_bytes(8, "big"))]


def headers_again(
    headers: Sequence[tuple[str, bytes]], topic: str, partition: int, offset: int
) -> list[tuple[str, bytes]]:
    """The headers of a dead letter for publishing it again: the original ones, which letter, which attempt.

    >>> headers_again([("app", b"x"), ("cx-error-code", b"json-invalid")], "cx.touchpoints.v1-dlt", 3, 17)
    [('app', b'x'), ('cx-replayed', b'cx.touchpoints.v1-dlt-3@17'), ('cx-attempts', b'1')]
    """
    original = [header for header in without_reason(headers) if header[0] not in (REPLAYED, ATTEMPTS)]
    if (reason := origin_of(headers)) is not None:
        original = with_first(original, reason.origin.timestamp)
    return [
        *original,
        (REPLAYED, f"{topic}-{partition}@{offset}".encode()),
        (ATTEMPTS, str(attempts_of(headers) + 1).encode()),
    ]


def _number(raw: bytes | None, size: int) -> int:
    if raw is None or len(raw) != size:
        raise ValueError(f"a number of {size} bytes was expected")
    return int.from_bytes(raw, "big", signed=True)
