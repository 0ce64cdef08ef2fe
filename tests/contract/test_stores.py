"""What every ProfileStore has to do, run over each of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.tables.memory import MemoryStore
from agents.tables.rocks import KEPT_SECONDS, RocksStore
from agents.tables.store import ProfileStore
from schemas import mark
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


def test_marks_are_read_and_are_no_profiles(store: ProfileStore) -> None:
    """What is left of one who was erased is found under its key, and is not among the profiles."""
    store.write(0, {b"ann": b"1", mark.key_of("bob"): b"2"}, 7)

    assert store.get(0, mark.key_of("bob")) == b"2"
    assert list(store.items(0)) == [(b"ann", b"1")]


def test_a_scrubbed_store_is_what_it_was(store: ProfileStore) -> None:
    """To scrub takes nothing away that can be read, and there is nothing more to scrub."""
    store.write(0, {b"ann": b"1", b"bob": b"2"}, 7)
    store.write(0, {b"ann": None, mark.key_of("ann"): b"3"}, 8)
    store.scrub(0)

    assert store.unscrubbed() == []
    assert (dict(store.items(0)), store.offset(0)) == ({b"bob": b"2"}, 8)
    assert store.get(0, mark.key_of("ann")) == b"3"


def found(folder: Path, *words: bytes) -> dict[str, set[bytes]]:
    """Which of these words stand in which files of a folder, as they are or in hex."""
    files = {}
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if here := {word for word in words if word in content or word.hex().encode() in content.lower()}:
            files[path.name] = here
    return files


OTHERS = {b"customer-%04d" % number: b"%d" % number * 200 for number in range(2000)}
"""Profiles of other customers: two megabytes in all."""


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("customer", [b"aaa-first-key", b"mmm-middle-key", b"zzz-last-key"])
def test_rocks_keeps_no_byte_of_who_was_erased(tmp_path: Path, customer: bytes, flushed: bool) -> None:
    """Neither id nor payload stands in any file: data, log of writes, manifest, RocksDB's own log."""
    store = RocksStore(tmp_path)
    store.open(0)
    store.write(0, {customer: b"first-payload", **OTHERS}, 1)
    if flushed:
        store.close()
        store.open(0)
    store.write(0, {customer: b"second-payload", **OTHERS}, 2)
    before = found(tmp_path, customer, b"second-payload")
    store.write(0, {customer: None, mark.key_of(customer.decode()): b"erased"}, 3)
    soiled = store.unscrubbed()
    store.scrub(0)

    assert set().union(*before.values()) == {customer, b"second-payload"}
    assert (soiled, store.unscrubbed()) == ([0], [])
    assert found(tmp_path, customer, b"first-payload", b"second-payload") == {}
    assert dict(store.items(0)) == OTHERS
    store.close()
    assert found(tmp_path, customer, b"first-payload", b"second-payload") == {}


def test_rocks_overwrites_who_came_back(tmp_path: Path) -> None:
    """Erased and back within one run there is no tombstone, but what was before is gone all the same."""
    store = RocksStore(tmp_path)
    store.open(0)
    store.write(0, {b"ann": b"what was before"}, 1)
    store.write(0, {b"ann": b"what came after", mark.key_of("ann"): b"erased"}, 2)
    store.scrub(0)

    assert found(tmp_path, b"what was before") == {}
    assert store.get(0, b"ann") == b"what came after"
    store.close()


def test_rocks_knows_after_a_crash_what_is_to_be_scrubbed(tmp_path: Path) -> None:
    """An erasure whose worker died before it was scrubbed is scrubbed by the next one."""
    first = RocksStore(tmp_path)
    first.open(0)
    first.write(0, {b"ann": b"payload"}, 1)
    first.write(0, {b"ann": None, mark.key_of("ann"): b"erased"}, 2)
    first.close()
    second = RocksStore(tmp_path)
    second.open(0)

    assert second.unscrubbed() == [0]
    second.scrub(0)
    assert found(tmp_path, b"payload") == {}
    second.close()


def test_rocks_scrubs_while_it_is_used(tmp_path: Path) -> None:
    """Reads and writes go on meanwhile; an erasure meanwhile is left for the next time or done as well."""
    store = RocksStore(tmp_path)
    store.open(0)
    store.write(0, OTHERS, 1)
    store.write(0, {mark.key_of("ann"): b"erased"}, 2)
    with ThreadPoolExecutor(1) as pool:
        scrubbing = pool.submit(store.scrub, 0)
        for offset in range(3, 50):
            store.write(0, {b"customer-0001": b"%d" % offset, b"bob": b"payload-of-bob"}, offset)
            assert store.get(0, b"customer-0001") == b"%d" % offset
        store.write(0, {b"bob": None, mark.key_of("bob"): b"erased"}, 50)
        scrubbing.result()
    for partition in store.unscrubbed():
        store.scrub(partition)

    assert found(tmp_path, b"payload-of-bob") == {}
    assert dict(store.items(0)) == {**OTHERS, b"customer-0001": b"49"}
    store.close()


def test_rocks_does_not_wait_for_scrubbing(tmp_path: Path) -> None:
    """A partition that goes meanwhile is closed at once, and scrubbed when it is back."""
    store = RocksStore(tmp_path)
    store.open(0)
    for number in range(20):
        store.write(0, {b"%d-%s" % (number, key): value for key, value in OTHERS.items()}, number)
    store.write(0, {b"ann": b"payload"}, 20)
    store.write(0, {b"ann": None, mark.key_of("ann"): b"erased"}, 21)
    with ThreadPoolExecutor(1) as pool:
        scrubbing = pool.submit(store.scrub, 0)
        store.drop([0])
        scrubbing.result()
    store.open(0)
    for partition in store.unscrubbed():
        store.scrub(partition)

    assert (store.offset(0), len(list(store.items(0)))) == (21, 40_000)
    assert found(tmp_path, b"payload") == {}
    store.close()


def test_rocks_does_not_trust_what_was_closed_for_long(tmp_path: Path) -> None:
    """The changelog may have lost a tombstone by then: a partition is read anew, or removed."""
    store = RocksStore(tmp_path)
    for partition in range(3):
        store.open(partition)
        store.write(partition, {b"ann": b"payload"}, 7)
    store.drop([0, 1])
    long_ago = time.time() - KEPT_SECONDS - 60
    for partition in range(3):
        os.utime(tmp_path / f"profiles-{partition}" / "LOG", (long_ago, long_ago))
    store.remove_stale()
    left = [path.name for path in tmp_path.iterdir()]
    store.close()
    os.utime(tmp_path / "profiles-2" / "LOG", (long_ago, long_ago))
    store.open(2)

    assert left == ["profiles-2"]
    assert (store.offset(2), store.get(2, b"ann")) == (None, None)
    store.close()


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


def test_rocks_says_what_to_do_about_a_database_that_is_damaged(tmp_path: Path) -> None:
    """One that can't be opened for another reason than a neighbour is not blamed on one."""
    (tmp_path / "profiles-0").mkdir()
    (tmp_path / "profiles-0" / "CURRENT").write_text("nonsense")

    with pytest.raises(StateError, match="if it is damaged, delete it: it is rebuilt from the changelog"):
        RocksStore(tmp_path).open(0)


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
