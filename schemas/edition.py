"""Edition: a playbook as it is published, under the name of its version.

On their topic stand the text of each edition, as it was written, and under a key of its own the version
that is in force. All of them are on one partition, so that they are read in the order of their writing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

PARTITION = 0
"""The partition that all editions stand on."""

CURRENT = b"current"
"""Key of the record whose value is the version in force; no version is called so, as each has an `@`."""

MAX_BYTES = 1_000_000
"""Largest playbook, in bytes: with headers, and with the record that puts it in force, it is still one batch
below the 1 MiB that a topic takes."""

KEPT = 20
"""Editions kept on the topic: enough to see, compare and take back what was in force, and what state may
still be pinned to; older ones are removed when one is applied."""

CONTENT_TYPE = "application/yaml"

_CONTENT_TYPE = "content-type"
_PUBLISHED_AT = "cx-published-at"
_PUBLISHED_BY = "cx-published-by"


@dataclass(frozen=True, slots=True)
class Edition:
    """A published playbook.

    Attributes:
        version: its name and a digest, as `hotel@3f9c2a1b`.
        text: the YAML as it was written.
        published: when it was put on the topic, in ms.
        program: what put it there, as `dangol 0.1.0`; None where it did not say.
    """

    version: str
    text: bytes
    published: int
    program: str | None


def headers_of(at: str, program: str) -> list[tuple[str, bytes]]:
    """Headers of a published playbook.

    Args:
        at: when it is published, in RFC 3339.
        program: what publishes it.

    >>> headers_of("2026-03-14T09:30:00Z", "dangol 0.1.0")[-1]
    ('cx-published-by', b'dangol 0.1.0')
    """
    return [
        (_CONTENT_TYPE, CONTENT_TYPE.encode()),
        (_PUBLISHED_AT, at.encode()),
        (_PUBLISHED_BY, program.encode()),
    ]


def program_in(headers: Iterable[tuple[str, bytes]]) -> str | None:
    """What has published a playbook, by the record's headers; None where they don't say.

    >>> program_in(headers_of("2026-03-14T09:30:00Z", "dangol 0.1.0"))
    'dangol 0.1.0'
    """
    told = dict(headers).get(_PUBLISHED_BY)
    return None if told is None else told.decode("utf-8", "replace")
