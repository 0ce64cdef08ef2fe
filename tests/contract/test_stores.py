"""What every ProfileStore has to do, run over each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.tables.memory import MemoryStore
from agents.tables.rocks import RocksStore
from agents.tables.store import ProfileStore
from schemas.errors import StateError

CHANGES = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.dictionaries(
            st.sampled_from([b"ann", b"bob", b"eve"]), st.none() | st.binary(min_size=1), max_size=3
        ),
    ),
    max_size=12,
)
"""Writes of two partitions: keys set and deleted in any order."""


@pytest.fixture(params=["memory", "rocksdict"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], ProfileStore]:
    """Makes a store of the kind under test, each in a folder of its own."""
    count = iter(range(1_000_000))
    if request.param == "memory":
        return MemoryStore
    return lambda: RocksStore(tmp_path / str(next(count)))


@pytest.fixture
def store(new_store: Callable[[], ProfileStore]) -> Iterator[ProfileStore]:
    """An empty store with partitions 0 and 1 open."""
    made = new_store()
    made.open(0)
    made.open(1)
    yield made
    made.close()


def test_what_was_written_is_read(store: ProfileStore) -> None:
    """A value is found under its partition and key, and under no other."""
    store.write(0, {b"ann": b"1"}, 7)

    assert store.get(0, b"ann") == b"1"
    assert store.get(1, b"ann") is None
    assert store.get(0, b"bob") is None


def test_a_tombstone_deletes(store: ProfileStore) -> None:
    """None takes a key away, also one that is not there."""
    store.write(0, {b"ann": b"1", b"bob": b"2"}, 7)
    store.write(0, {b"ann": None, b"eve": None}, 8)

    assert list(store.items(0)) == [(b"bob", b"2")]


def test_the_offset_is_that_of_the_latest_write(store: ProfileStore) -> None:
    """A partition stands at the offset written last; one never written at none."""
    store.write(0, {b"ann": b"1"}, 7)
    store.write(0, {}, 9)

    assert store.offset(0) == 9
    assert store.offset(1) is None


def test_opening_twice_keeps_what_is_there(store: ProfileStore) -> None:
    """A rebalance that leaves a partition where it is loses nothing."""
    store.write(0, {b"ann": b"1"}, 7)
    store.open(0)

    assert store.get(0, b"ann") == b"1"


def test_a_dropped_partition_is_gone_and_the_others_stay(store: ProfileStore) -> None:
    """What is someone else's now can't be read here any more."""
    store.write(0, {b"ann": b"1"}, 7)
    store.write(1, {b"bob": b"2"}, 7)
    store.drop([0, 5])

    assert store.offset(0) is None
    assert store.get(1, b"bob") == b"2"


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(writes=CHANGES)
def test_any_writes_leave_what_a_dict_would_hold(
    new_store: Callable[[], ProfileStore], writes: list[tuple[int, dict[bytes, bytes | None]]]
) -> None:
    """After any sequence of writes, a store holds what plain dicts would."""
    store = new_store()
    expected: dict[int, dict[bytes, bytes]] = {0: {}, 1: {}}
    for partition in expected:
        store.open(partition)
    for offset, (partition, changes) in enumerate(writes):
        store.write(partition, changes, offset)
        for key, value in changes.items():
            if value is None:
                expected[partition].pop(key, None)
            else:
                expected[partition][key] = value
    held = {partition: dict(store.items(partition)) for partition in expected}
    store.close()

    assert held == expected


def test_rocks_survives_its_process(tmp_path: Path) -> None:
    """Closed and opened again, a partition stands where it stood."""
    first = RocksStore(tmp_path)
    first.open(0)
    first.write(0, {b"ann": b"1"}, 7)
    first.close()
    second = RocksStore(tmp_path)
    second.open(0)

    assert (second.offset(0), second.get(0, b"ann")) == (7, b"1")
    second.close()


def test_rocks_refuses_a_folder_in_use(tmp_path: Path) -> None:
    """Two workers with one folder: the second is told so in one line."""
    first = RocksStore(tmp_path)
    first.open(0)
    second = RocksStore(tmp_path)

    with pytest.raises(StateError, match="another worker with the same --state"):
        second.open(0)
    first.close()


def test_rocks_refuses_a_folder_that_can_not_be(tmp_path: Path) -> None:
    """A file where the folder should be: one line that names it."""
    (tmp_path / "taken").write_text("")

    with pytest.raises(StateError, match="taken/profiles: the state folder can't be made: Not a directory"):
        RocksStore(tmp_path / "taken" / "profiles")
