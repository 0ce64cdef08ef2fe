"""Rocks: profiles in RocksDB, one database a partition. A restart reads only the changelog's tail.

RocksDB deletes by writing down what is deleted; the bytes go when files are merged, some day. After an
erasure they have to go soon, and the customer's id with them: it stands in tombstones, in the log of
writes, and in the manifest as first or last key of a file. `scrub` rewrites the partition's files for it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock

from rocksdict import (
    AccessType,
    BlockBasedOptions,
    BottommostLevelCompaction,
    Cache,
    CompactOptions,
    Options,
    Rdict,
    WriteBatch,
)

from schemas.errors import StateError
from schemas.mark import is_mark
from schemas.profile import is_profile
from schemas.topics import TOMBSTONE_MS

CACHE_BYTES = 64 * 1024 * 1024
"""Block cache shared by all partitions of a worker; reads beyond it come from the page cache."""

WRITE_BUFFER_BYTES = 8 * 1024 * 1024
"""Memtable of a partition; with two of them, eight partitions take 128 MiB at most."""

WRITE_BUFFERS = 2

OPEN_FILES = 128
"""Files held open by a partition; with 64 partitions still below the usual limit of 10,000."""

KEPT_SECONDS = TOMBSTONE_MS / 1000 / 4
"""How long a partition that is not held may be opened again: a quarter of the time for which the changelog
keeps tombstones, as one that was missed would leave an erased customer here for ever. Then it is removed."""

LOG_FILES = 2
"""Logs of RocksDB kept in a partition's folder, this one and the one before; by default it keeps 1,000."""

MANIFEST_BYTES = 1
"""Size from which the manifest is written anew: always, so that it names no keys of files that are gone.
It has some 100 bytes a file."""

_OFFSET = b""
"""Key of the changelog offset: no customer id is empty, see schemas/touchpoint.py."""

_SOILED = b"\xfe"
_SCRUBBED = b"\xfe\xfe"
"""Keys of the changelog offset of the latest erasure, and of the latest that was scrubbed; no UTF-8 has
these bytes."""

_FAILURES = "rocksdb.background-errors"

_FOLDER = re.compile(r"profiles-([0-9]+)")


class RocksStore:
    """A ProfileStore on disk, sized on purpose.

    Args:
        folder: where the databases are; one folder, one worker.

    Raises:
        StateError: the folder can't be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cache = Cache(CACHE_BYTES)
        self._open: dict[int, Rdict] = {}
        self._scrubbing = Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(f"{folder}: the state folder can't be made: {error.strerror}") from error

    def get(self, partition: int, key: bytes) -> bytes | None:
        """The stored bytes of a key, or None.

        Raises:
            StateError: the partition is not open, or the disk fails.
        """
        database = self._database(partition)
        try:
            value: bytes | None = database.get(key)
        except Exception as error:  # rocksdict raises bare Exception
            raise StateError(f"{self._path(partition)}: can't be read: {error}") from error
        return value

    def write(self, partition: int, changes: Mapping[bytes, bytes | None], offset: int) -> None:
        """Apply changes (None deletes) and note the changelog offset, both or neither.

        Raises:
            StateError: the partition is not open, or the disk is full or fails.
        """
        database = self._database(partition)
        batch = WriteBatch(raw_mode=True)
        position = offset.to_bytes(8, "big")
        for key, value in changes.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
                if is_mark(key):
                    batch.put(_SOILED, position)
        batch.put(_OFFSET, position)
        try:
            database.write(batch)
        except Exception as error:  # rocksdict raises bare Exception
            raise StateError(f"{self._path(partition)}: can't be written: {error}") from error

    def offset(self, partition: int) -> int | None:
        """The changelog offset that a partition stands at; None if nothing is held of it."""
        if partition not in self._open:
            return None
        raw = self._open[partition].get(_OFFSET)
        return None if raw is None else int.from_bytes(raw, "big")

    def open(self, partition: int) -> None:
        """Open a partition's database; one that was closed for longer than `KEPT_SECONDS` begins empty.

        Raises:
            StateError: another worker has it open, or it is damaged.
        """
        if partition in self._open:
            return
        if self._is_stale(partition):
            self._remove(partition)
        try:
            self._open[partition] = Rdict(
                str(self._path(partition)), options=self._options(), access_type=AccessType.read_write()
            )
        except Exception as error:  # rocksdict raises bare Exception
            path = self._path(partition)
            raise StateError(f"{path}: can't be opened: {error}; {_remedy(str(error))}") from error

    def drop(self, partitions: Iterable[int]) -> None:
        """Close partitions that are someone else's now; their files stay a while, for when they come back.

        Raises:
            StateError: the disk is full or fails; what was not written is in the changelog.
        """
        for partition in partitions:
            if (database := self._open.pop(partition, None)) is None:
                continue
            if interrupted := self._scrubbing.locked():
                # It may take minutes, and a rebalance does not wait for it: it is done at the next opening.
                database.cancel_all_background(wait=False)
            with self._scrubbing:
                try:
                    database.close()
                except Exception as error:  # rocksdict raises bare Exception
                    # Interrupted, it closes without making files of what its log of writes has.
                    if not interrupted:
                        path = self._path(partition)
                        raise StateError(f"{path}: can't be closed: {error}") from error

    def clear(self, partition: int) -> None:
        """Forget all that an open partition holds, its offset too.

        Raises:
            StateError: the partition is not open, or the disk fails.
        """
        self._database(partition)
        self.drop([partition])
        self._remove(partition)
        self.open(partition)

    def items(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """All profiles of a partition, by key."""
        items: Iterator[tuple[bytes, bytes]] = iter(self._open[partition].items())  # type: ignore[arg-type]
        return ((key, value) for key, value in items if is_profile(key))

    def size(self) -> int:
        """How many profiles and marks of erasures are held, as RocksDB estimates it."""
        estimates = (
            database.property_int_value("rocksdb.estimate-num-keys") or 0 for database in self._open.values()
        )
        return sum(estimates)

    def unscrubbed(self) -> list[int]:
        """Partitions whose files may still have bytes of customers who were erased."""
        return [
            partition
            for partition, database in self._open.items()
            if database.get(_SOILED) != database.get(_SCRUBBED)
        ]

    def scrub(self, partition: int) -> None:
        """Rewrite a partition's files, so that they hold nothing but what can be read.

        Takes about a second for 150 MB, during which reads and writes go on: call it in a thread. One
        partition at a time; if it is dropped meanwhile, the rest is left for when it is opened again.

        Raises:
            StateError: the disk is full or fails.
        """
        everything = CompactOptions()
        # Also files that nothing is merged into: tombstones go nowhere else.
        everything.set_bottommost_level_compaction(BottommostLevelCompaction.force())
        everything.set_exclusive_manual_compaction(False)
        with self._scrubbing:
            if (database := self._open.get(partition)) is None:
                return
            soiled = database.get(_SOILED)
            failures = database.property_int_value(_FAILURES)
            try:
                database.flush(True)  # noqa: FBT003 - and wait for it
                database.compact_range(None, None, everything)
                # It does not say itself that it was interrupted, or that it failed.
                if partition not in self._open:
                    return
                if database.property_int_value(_FAILURES) != failures:
                    raise OSError("RocksDB could not rewrite its files; is the disk full?")
                if soiled is not None:
                    # What was erased meanwhile stands at a later offset and is left for the next time.
                    database.put(_SCRUBBED, soiled)
                # The manifest tells the files from before its last change as well.
                database.flush(True)  # noqa: FBT003
            except Exception as error:  # rocksdict raises bare Exception
                if partition in self._open:
                    raise StateError(f"{self._path(partition)}: can't be scrubbed: {error}") from error

    def remove_stale(self) -> None:
        """Remove partitions that have been someone else's for longer than `KEPT_SECONDS`.

        Raises:
            StateError: one can't be removed.
        """
        for path in self._folder.iterdir():
            found = _FOLDER.fullmatch(path.name)
            if found and int(found[1]) not in self._open and self._is_stale(int(found[1])):
                self._remove(int(found[1]))

    def close(self) -> None:
        """Close all databases."""
        self.drop(list(self._open))

    def _database(self, partition: int) -> Rdict:
        try:
            return self._open[partition]
        except KeyError:
            raise StateError(f"partition {partition} of the profiles is not open here") from None

    def _is_stale(self, partition: int) -> bool:
        """Whether a partition was closed so long ago that a tombstone may have been missed."""
        with suppress(FileNotFoundError):
            # A database that is open writes to its log every ten minutes.
            return time.time() - (self._path(partition) / "LOG").stat().st_mtime > KEPT_SECONDS
        return False

    def _remove(self, partition: int) -> None:
        path = self._path(partition)
        try:
            Rdict.destroy(str(path))
        except Exception as error:  # rocksdict raises bare Exception
            raise StateError(f"{path}: can't be deleted: {error}") from error

    def _path(self, partition: int) -> Path:
        return self._folder / f"profiles-{partition}"

    def _options(self) -> Options:
        blocks = BlockBasedOptions()
        blocks.set_block_cache(self._cache)
        blocks.set_bloom_filter(10, block_based=False)
        options = Options(raw_mode=True)
        options.create_if_missing(True)  # noqa: FBT003 - RocksDB's own signature
        options.set_block_based_table_factory(blocks)
        options.set_write_buffer_size(WRITE_BUFFER_BYTES)
        options.set_max_write_buffer_number(WRITE_BUFFERS)
        options.set_max_open_files(OPEN_FILES)
        options.set_keep_log_file_num(LOG_FILES)
        options.set_max_manifest_file_size(MANIFEST_BYTES)
        return options


def _remedy(error: str) -> str:
    """What to do about a database that can't be opened, by RocksDB's own words."""
    if "No space left" in error:
        return "make room, or choose another --state"
    if "lock" in error:
        return "another worker with the same --state?"
    return "if it is damaged, delete it: it is rebuilt from the changelog"
