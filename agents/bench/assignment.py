"""Assignment: what a contestant is told when its process starts, as JSON in its only argument."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from schemas.topics import Topics

SESSION_SECONDS = 30
"""Until the broker gives a silent member up, where that is ours to say: a contestant is halted while the
load is published, a million touchpoints in ten seconds."""


class Assignment(msgspec.Struct, frozen=True):
    """What to work on.

    Attributes:
        bootstrap: a broker's address, `host:port`.
        prefix: first part of the names of the topics.
        group: consumer group.
        partitions: how many partitions each topic has.
        total: how many touchpoints there will be.
        state: folder for what is kept on disk.
    """

    bootstrap: str
    prefix: str
    group: str
    partitions: int
    total: int
    state: str

    @property
    def topics(self) -> Topics:
        """The topics to read and to write."""
        return Topics(self.prefix)

    @property
    def folder(self) -> Path:
        """The folder for what is kept on disk."""
        return Path(self.state)

    def to_argument(self) -> str:
        """The text that `from_argument` reads.

        >>> Assignment("h:1", "cx", "g", 4, 10, "/s").to_argument()
        '{"bootstrap":"h:1","prefix":"cx","group":"g","partitions":4,"total":10,"state":"/s"}'
        """
        return msgspec.json.encode(self).decode()


def from_argument() -> Assignment:
    """The assignment in this process's only argument."""
    return msgspec.json.decode(sys.argv[1], type=Assignment)
