"""Standstill: a program that can't stop what stands still begins anew in its process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, sys
from pathlib import Path
from agents import worker

class Stuck:
    async def stop(self):
        await asyncio.Event().wait()

if Path(sys.argv[1]).exists():
    print("anew")
else:
    Path(sys.argv[1]).touch()
    asyncio.run(worker._close(Stuck(), asyncio.Event(), None, 0.1))
"""


def test_what_never_stops_is_left_behind(tmp_path: Path) -> None:
    """An app that doesn't end, where another is to follow: the same command runs again, in its process."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "began")]

    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, "anew")
    assert "stopping takes too long, beginning anew" in ran.stdout + ran.stderr
