"""Dead letter: a record that could not be processed, kept as it came, with the reason in headers.

Key, value and headers are the original ones. The `kafka_dlt-*` names and encodings are those of
Spring for Apache Kafka (numbers big-endian), so that JVM tools read them; the `cx-*` ones are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

MAX_MESSAGE = 300
"""Longest reason kept, in characters: enough for the field's path, too short to carry a payload."""


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


def headers_of(
    original: Sequence[tuple[str, bytes]], origin: Origin, code: str, message: str, stage: str
) -> list[tuple[str, bytes]]:
    """The original headers followed by where the record came from and why it is here.

    Args:
        original: the record's own headers.
        origin: where it was read.
        code: stable reason, such as `json-invalid`.
        message: one line without personal data.
        stage: `decode` or `step`.
    """
    return [
        *original,
        ("kafka_dlt-original-topic", origin.topic.encode()),
        ("kafka_dlt-original-partition", origin.partition.to_bytes(4, "big")),
        ("kafka_dlt-original-offset", origin.offset.to_bytes(8, "big")),
        ("kafka_dlt-original-timestamp", origin.timestamp.to_bytes(8, "big", signed=True)),
        ("kafka_dlt-original-consumer-group", origin.group.encode()),
        ("kafka_dlt-exception-message", message[:MAX_MESSAGE].encode("utf-8", "replace")),
        ("cx-error-code", code.encode()),
        ("cx-error-stage", stage.encode()),
    ]
