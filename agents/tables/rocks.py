"""Rocks: profiles in RocksDB, one database a partition. A restart reads only the changelog's tail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rocksdict import AccessType, BlockBasedOptions, Cache, Options, Rdict, WriteBatch

from schemas.errors import StateError

CACHE_BYTES = 64 * 1024 * 1024
"""Block cache shared by all partitions of a worker; reads beyond it come from the page cache."""

WRITE_BUFFER_BYTES = 8 * 1024 * 1024
"""Memtable of a partition; with two of them, eight partitions take 128 MiB at most."""

WRITE_BUFFERS = 2

OPEN_FILES = 128
"""Files held open by a partition; with 64 partitions still below the usual limit of 10,000."""

_OFFSET = b""
"""Key of the changelog offset: no customer id is empty, see schemas/touchpoint.py."""


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
        for key, value in changes.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(_OFFSET, offset.to_bytes(8, "big"))
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
        """Open a partition's database.

        Raises:
            StateError: another worker has it open, or it is damaged.
        """
        if partition in self._open:
            return
        try:
            self._open[partition] = Rdict(
                str(self._path(partition)), options=self._options(), access_type=AccessType.read_write()
            )
        except Exception as error:  # rocksdict raises bare Exception
            path = self._path(partition)
            raise StateError(
                f"{path}: can't be opened: {error}; another worker with the same --state? "
                f"If it is damaged, delete it: it is rebuilt from the changelog"
            ) from error

    def drop(self, partitions: Iterable[int]) -> None:
        """Close partitions that are someone else's now; their files stay, for when they come back."""
        for partition in partitions:
            if (database := self._open.pop(partition, None)) is not None:
                database.close()

    def clear(self, partition: int) -> None:
        """Forget all that an open partition holds, its offset too.

        Raises:
            StateError: the partition is not open, or the disk fails.
        """
        self._database(partition)
        self.drop([partition])
        try:
            Rdict.destroy(str(self._path(partition)))
        except Exception as error:  # rocksdict raises bare Exception
            raise StateError(f"{self._path(partition)}: can't be deleted: {error}") from error
        self.open(partition)

    def items(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """All keys and values of a partition."""
        items: Iterator[tuple[bytes, bytes]] = iter(self._open[partition].items())  # type: ignore[arg-type]
        return ((key, value) for key, value in items if key != _OFFSET)

    def size(self) -> int:
        """How many profiles are held, as RocksDB estimates it."""
        estimates = (
            database.property_int_value("rocksdb.estimate-num-keys") or 0 for database in self._open.values()
        )
        return sum(estimates)

    def close(self) -> None:
        """Close all databases."""
        self.drop(list(self._open))

    def _database(self, partition: int) -> Rdict:
        try:
            return self._open[partition]
        except KeyError:
            raise StateError(f"partition {partition} of the profiles is not open here") from None

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
        return options
