"""Check: something that was looked at, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agents.connection import Connection
from agents.settings import StoreKind
from schemas.errors import DangolError, InputError
from schemas.topics import Topics

Verdict = Literal["ok", "problem", "warning", "untold"]
"""`problem`: a worker won't start, or data are being lost. `warning`: data can be lost, or soon will be.
`untold`: it can't be found out."""


@dataclass(frozen=True, slots=True)
class Check:
    """Something that was looked at.

    Attributes:
        check: stable, machine-readable name of what was looked at.
        verdict: what came of it.
        message: one line: what is so, and where it is wrong what to do.
        exit_code: of a problem, what a worker would end with because of it; else 0.
    """

    check: str
    verdict: Verdict
    message: str
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined.

    Attributes:
        connection: how to reach the broker.
        topics: the topics of the deployment.
        group: the consumer group of its workers.
        store: where its workers keep profiles.
        state: the folder for what a worker keeps on disk, on this machine.
    """

    connection: Connection
    topics: Topics
    group: str
    store: StoreKind
    state: Path


def problem(check: str, error: DangolError) -> Check:
    """A problem of which a worker would end with this error."""
    if isinstance(error, InputError):
        raise error
    return Check(check, "problem", " ".join(str(error).split()), error.exit_code)


def untold(check: str, what: str, error: BaseException) -> Check:
    """What can't be found out, and why not."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return Check(check, "untold", f"{what} can't be found out: {reason}")


def counted(number: int, what: str) -> str:
    """A number and what it is of."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def several(names: list[str]) -> str:
    """The first name, and how many more."""
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
