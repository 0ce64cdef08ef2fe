"""Dead letters: headers that a JVM reads as it reads Spring's."""

from __future__ import annotations

import struct

from schemas.deadletter import MAX_MESSAGE, Origin, headers_of

ORIGIN = Origin("cx.touchpoints.v1", 3, 4_294_967_296, 1_773_480_600_000, "dangol")


def test_headers_come_after_the_original_ones_in_springs_encodings() -> None:
    """Numbers are big-endian, four bytes for the partition and eight for offset and timestamp."""
    assert headers_of([("app", b"\x00\xff"), ("app", b"2")], ORIGIN, "json-invalid", "no", "decode") == [
        ("app", b"\x00\xff"),
        ("app", b"2"),
        ("kafka_dlt-original-topic", b"cx.touchpoints.v1"),
        ("kafka_dlt-original-partition", b"\x00\x00\x00\x03"),
        ("kafka_dlt-original-offset", b"\x00\x00\x00\x01\x00\x00\x00\x00"),
        ("kafka_dlt-original-timestamp", struct.pack(">q", 1_773_480_600_000)),
        ("kafka_dlt-original-consumer-group", b"dangol"),
        ("kafka_dlt-exception-message", b"no"),
        ("cx-error-code", b"json-invalid"),
        ("cx-error-stage", b"decode"),
    ]


def test_a_record_without_a_timestamp_has_minus_one() -> None:
    """Kafka's -1 for no timestamp is kept, as a signed number."""
    headers = dict(headers_of([], ORIGIN._replace(timestamp=-1), "x", "y", "decode"))

    assert headers["kafka_dlt-original-timestamp"] == b"\xff" * 8


def test_a_long_reason_is_cut() -> None:
    """The reason has at most `MAX_MESSAGE` characters: it must not carry the payload along."""
    headers = dict(headers_of([], ORIGIN, "x", "é" * 1_000, "decode"))

    assert headers["kafka_dlt-exception-message"].decode() == "é" * MAX_MESSAGE


def test_a_reason_that_is_no_text_is_still_told() -> None:
    """Half a surrogate pair, as broken JSON may have it, becomes a question mark."""
    headers = dict(headers_of([], ORIGIN, "x", "at \ud800", "decode"))

    assert headers["kafka_dlt-exception-message"] == b"at ?"
