"""Host: the disk and the memory that a worker has on this machine."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from agents.doctor.check import Check, Patient
from schemas.errors import StateError

LOW_BYTES, SCARCE_BYTES = 256 * 1024**2, 2 * 1024**3
"""Free disk below which RocksDB may fail at the next compaction, and below which someone should look."""

BASE_BYTES = 200 * 1024**2
"""Memory of a worker before its first profile and with its decoded ones, as the README says."""

PROFILE_BYTES = 750
"""Memory of a profile in the store `memory`: some 600 B, and 150 B for keeping it."""

_FLOCK = "hhqqi"
"""`struct flock` of Linux: type, whence, start, length, process."""


def check_memory(records: int) -> Check:
    """Whether so many profiles fit into the memory of one worker."""
    limit, whose = _memory_limit()
    needed = BASE_BYTES + records * PROFILE_BYTES
    what = (
        f"up to {records:,} profiles take {needed / 1024**2:,.0f} MiB of {limit / 1024**2:,.0f} MiB {whose}"
    )
    if needed > limit:
        todo = "raise the limit, start more workers, or use --store rocksdict"
        return Check("memory", "warning", f"{what} if one worker has them all; {todo}")
    return Check("memory", "ok", what)


def _memory_limit() -> tuple[int, str]:
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        try:
            limit = int(file.read_text())
        except (OSError, ValueError):
            continue  # Another version of control groups, or no limit.
        if limit < physical:
            return limit, "that this container may take"
    return physical, "of this machine"


def check_state(patient: Patient) -> Iterator[Check]:
    """Whether there is room for state on this machine, and who uses it."""
    folder = patient.state
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        todo = "choose another --state"
        yield Check(
            "state", "problem", f"{folder}: nothing can be written there; {todo}", StateError.exit_code
        )
        return
    free = shutil.disk_usage(there).free
    what = f"{free / 1024**3:,.1f} GiB are free for {folder}"
    if free < LOW_BYTES:
        yield Check("disk", "problem", f"{what}: a worker may fail; make room", StateError.exit_code)
    elif free < SCARCE_BYTES:
        yield Check("disk", "warning", f"{what}; make room before it is full")
    else:
        yield Check("disk", "ok", what)
    locked = [lock.parent.name for lock in sorted(folder.glob("profiles/*/LOCK")) if _is_locked(lock)]
    if locked:
        what = f"a worker is running with the state in {folder} ({len(locked)} partitions)"
        yield Check("state", "ok", f"{what}; another one needs another --state")


def _is_locked(lock: Path) -> bool:
    """Whether a process has a database open, by the lock that RocksDB holds as long.

    The lock is asked about and not tried: a worker that starts at this moment must not find it taken.
    """
    if sys.platform != "linux":
        return False  # The question is laid out otherwise there, and workers are run on Linux.
    try:
        with lock.open("rb") as file:
            question = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, *_ = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, question))
    except OSError:
        return False
    return bool(kind != fcntl.F_UNLCK)
