"""The error family: every failure that a user can cause or meet, with its exit code.

Each message is one line that says what is wrong, where, and what to do about it.
"""

from __future__ import annotations


class DangolError(Exception):
    """Root of all errors that dangol raises on purpose.

    The command line prints the message as one line and exits with `exit_code`.
    """

    exit_code = 1


class InputError(DangolError):
    """A file, an option or a playbook that the user gave can't be used."""

    exit_code = 2


class BrokerError(DangolError):
    """The broker can't be reached, refuses us, or can't be started."""

    exit_code = 3


class AccessError(BrokerError):
    """The broker is there and refuses us: how we speak, who we are, or what we want to do.

    Trying again does not help, unless someone mends it meanwhile.
    """


class TopicError(DangolError):
    """A topic is missing or has the wrong partitions, compaction or retention."""

    exit_code = 4


class StateError(DangolError):
    """Stored state can't be read, written or opened."""

    exit_code = 5


class RejectedError(DangolError):
    """A touchpoint that can't be processed; it goes to the dead-letter topic.

    Attributes:
        code: stable, machine-readable reason, such as `json-invalid`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
