"""CDNOW: how its lines become touchpoints, and what happens where it can't be had."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from agents import cdnow
from schemas.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of two lines in the cache, taken for the real one."""
    folder = tmp_path / "dangol"
    folder.mkdir()
    path = folder / "Lifetimes-0.11.3.whl"
    with zipfile.ZipFile(path, "w") as archive:
        header = " customer_id  date number_of_cds  dollar_value\r\n"
        rows = " 00001 19970101  1   11.77\r\n 00002 19970112  5   77.00\r\n"
        archive.writestr(cdnow.MEMBER, header + rows)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cdnow, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_each_line_is_an_order(wheel: Path) -> None:
    """A line of the data is an `order.placed` at midnight of its day, its id the line's number."""
    assert list(cdnow.lines()) == [
        (
            b'{"specversion":"1.0","id":"cdnow-1","source":"/cdnow","type":"order.placed","subject":"00001",'
            b'"time":"1997-01-01T00:00:00Z","data":{"amount":11.77,"quantity":1}}'
        ),
        (
            b'{"specversion":"1.0","id":"cdnow-2","source":"/cdnow","type":"order.placed","subject":"00002",'
            b'"time":"1997-01-12T00:00:00Z","data":{"amount":77.0,"quantity":5}}'
        ),
    ]


def test_a_package_that_was_changed_is_not_read(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in the cache that is not the expected one is fetched anew, and never read."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    wheel.write_bytes(wheel.read_bytes() + b"x")

    with pytest.raises(
        InputError, match=r"^pip can't fetch Lifetimes==0.11.3, which CDNOW is taken from: .*; it needs"
    ):
        next(cdnow.lines())


def test_without_an_index_it_is_one_line(tmp_path: Path) -> None:
    """Where pip reaches nothing the command says so in one line and leaves nothing behind."""
    done = subprocess.run(
        [sys.executable, "-m", "agents", "data", "cdnow"],
        cwd=ROOT,
        env={**os.environ, "PIP_NO_INDEX": "1", "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("dangol: pip can't fetch Lifetimes==0.11.3, which CDNOW is taken from: ")
    assert list((tmp_path / "dangol").iterdir()) == []
