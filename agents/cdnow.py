"""CDNOW: 69,659 real purchases of 23,570 customers, as touchpoints.

The data set that the literature on repeat buying reports on (Fader and Hardie): everyone who
first bought at an online music shop in the first quarter of 1997, until the end of June 1998.
It is read out of the PyPI package Lifetimes (MIT), which is fetched once and not installed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from schemas.errors import InputError
from schemas.touchpoint import TouchpointEvent

PACKAGE = "Lifetimes==0.11.3"

SHA256 = "261e3dc89977c2b60767ca6728aaa29d429de0c814635070a749c36555895da8"
"""Of the package's wheel: what is read is what was read when the model was made."""

MEMBER = "lifetimes/datasets/CDNOW_master.txt"

FETCH_SECONDS = 120
"""How long pip may take for 0.6 MB; longer than its own retries, so that its reason is told."""


def lines() -> Iterator[bytes]:
    """Touchpoints as JSON lines without their line ends, one for each line of the data, in its order.

    Raises:
        InputError: the package can't be fetched or is not the one that is expected.
    """
    encode = msgspec.json.Encoder().encode
    with zipfile.ZipFile(archive()) as wheel, wheel.open(MEMBER) as rows:
        next(rows)  # The header.
        for number, row in enumerate(rows, start=1):
            customer, day, quantity, amount = row.decode("ascii").split()
            yield encode(
                TouchpointEvent(
                    specversion="1.0",
                    id=f"cdnow-{number}",
                    source="/cdnow",
                    type="order.placed",
                    subject=customer,
                    # The data tells the day and not the hour.
                    time=datetime(int(day[:4]), int(day[4:6]), int(day[6:]), tzinfo=UTC),
                    data={"amount": float(amount), "quantity": int(quantity)},
                )
            )


def archive() -> Path:
    """The package's wheel on this machine; fetched by pip if it is not there yet.

    Raises:
        InputError: as `lines`.
    """
    wheel = _folder() / f"{PACKAGE.replace('==', '-')}.whl"
    if not (wheel.is_file() and _digest(wheel) == SHA256):
        _fetch(wheel)
    return wheel


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dangol"


def _digest(wheel: Path) -> str:
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def _fetch(wheel: Path) -> None:
    try:
        wheel.parent.mkdir(parents=True, exist_ok=True)
        # Beside its goal, so that the move there is one step: two who fetch at once don't meet.
        with tempfile.TemporaryDirectory(dir=wheel.parent) as folder:
            _download(folder)
            (fetched,) = Path(folder).glob("*.whl")
            if (digest := _digest(fetched)) != SHA256:
                raise InputError(
                    f"{PACKAGE} as pip fetched it is not the file that is expected (sha256 {digest[:12]}…); "
                    "look at where pip takes packages from"
                )
            fetched.replace(wheel)
    except OSError as error:
        raise InputError(f"can't keep {PACKAGE} in {wheel.parent}: {error.strerror or error}") from None


def _download(folder: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-input", "--no-deps", "--only-binary", ":all:", "--dest", folder, PACKAGE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=FETCH_SECONDS)
    except subprocess.TimeoutExpired:
        raise InputError(
            f"pip did not fetch {PACKAGE} within {FETCH_SECONDS} s; try again where it reaches its index"
        ) from None
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in said if line.startswith("ERROR:")), said[-1] if said else "no reason")
        raise InputError(
            f"pip can't fetch {PACKAGE}, which CDNOW is taken from: {reason.removeprefix('ERROR: ')}; "
            "it needs pip in this Python and a package index within reach, once"
        )
