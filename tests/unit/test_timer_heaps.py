"""The way to the next timer: which customers are due, without asking every profile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.batches import Abandoned
from agents.tables.memory import MemoryStore
from agents.timers import SLICE, SPARE, Timers
from schemas import profile as codec
from schemas.profile import Profile, new_profile
from schemas.timer import Timer, timers_in
from tests.hotel import PROPERTY_TEST


def waiting(customer: str, *due: int) -> Profile:
    """A profile with timers that are due at these times."""
    profile = new_profile(customer)
    profile.timers = tuple(Timer(at, "room-key", str(at), "e") for at in due)
    return profile


def store_of(partition: int, *profiles: Profile) -> MemoryStore:
    """A store that holds these profiles."""
    store = MemoryStore()
    store.open(partition)
    store.write(partition, {p.customer.encode(): codec.encode(p) for p in profiles}, 0)
    return store


def rebuilt(store: MemoryStore, *partitions: int) -> Timers:
    """The timers of a store's partitions."""
    timers = Timers()
    asyncio.run(timers.rebuild(partitions, store, lambda: True))
    return timers


def test_timers_are_found_again_in_the_store() -> None:
    """After a recovery the earliest timer of each customer is known, and those without are passed over."""
    store = store_of(3, waiting("ann", 50, 70), waiting("방문", 40), waiting("timers"), new_profile("bob"))
    timers = rebuilt(store, 3)

    assert timers.earliest() == 40
    assert timers.take_due(3, 50, 10) == ["방문", "ann"]
    assert timers.earliest() is None


def test_other_partitions_are_forgotten() -> None:
    """What is someone else's now is not fired here."""
    store = store_of(0, waiting("ann", 50))
    store.open(1)
    timers = rebuilt(store, 0)
    asyncio.run(timers.rebuild([1], store, lambda: True))

    assert (timers.earliest(), timers.partitions_due(99)) == (None, [])


def test_a_rebuild_ends_with_the_partitions() -> None:
    """Who has lost the partitions meanwhile looks no further."""
    store = store_of(0, *(waiting(f"c{n}", n + 1) for n in range(SLICE)))

    with pytest.raises(Abandoned):
        asyncio.run(Timers().rebuild([0], store, lambda: False))


def test_bytes_that_are_no_profile_have_no_timers() -> None:
    """Whoever reads the profile for what it is will say so; the others' timers fire."""
    store = store_of(0, waiting("ann", 50))
    store.write(0, {b"bad": b"\xc1timers", b"odd": codec.encode(waiting("odd", 7))[:-3]}, 1)

    assert rebuilt(store, 0).take_due(0, 99, 10) == ["ann"]
    assert timers_in(codec.encode(new_profile("timers"))) == ()


def test_due_partitions_and_customers_are_limited_and_in_order() -> None:
    """The earliest first, no more than asked for, and no partition whose time has not come."""
    timers = Timers()
    timers.note(0, {name: waiting(name, at) for name, at in (("ann", 30), ("bob", 10), ("cid", 20))})
    timers.note(1, {"eve": waiting("eve", 40)})

    assert timers.partitions_due(30) == [0]
    assert [timers.take_due(0, 30, 2), timers.take_due(0, 30, 2), timers.take_due(0, 30, 2)] == [
        ["bob", "cid"],
        ["ann"],
        [],
    ]
    assert timers.take_due(7, 99, 10) == []


OPERATIONS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.none() | st.integers(0, 9))
    | st.tuples(st.none(), st.integers(0, 9)),
    max_size=60,
)


@PROPERTY_TEST
@given(OPERATIONS)
def test_only_the_latest_word_on_a_customer_holds(operations: list[Any]) -> None:
    """Set, moved, called off: against a plain dictionary, each is taken once, the earliest first."""
    timers = Timers()
    model: dict[str, int] = {}
    for customer, at in operations:
        if customer is None:
            due = sorted((time, name) for name, time in model.items() if time <= at)
            model = {name: time for name, time in model.items() if time > at}
            assert timers.take_due(0, at, 99) == [name for _, name in due]
        elif at is None:
            timers.note(0, {customer: new_profile(customer)})
            model.pop(customer, None)
        else:
            timers.note(0, {customer: waiting(customer, at)})
            model[customer] = at
        assert timers.earliest() == min(model.values(), default=None)


def test_what_was_called_off_does_not_pile_up() -> None:
    """A customer whose timer moves for ever takes the room of one, and some."""
    timers = Timers()
    for at in range(10 * SPARE, 0, -1):
        timers.note(0, {"ann": waiting("ann", at)})

    assert len(timers._partitions[0].others._entries) <= SPARE + 3
    assert timers.take_due(0, 10 * SPARE, 10) == ["ann"]


def test_what_is_not_known_is_read_again() -> None:
    """Of customers whose timers may have fired or not, what is stored holds."""
    store = store_of(0, waiting("ann", 50), new_profile("bob"))
    timers = Timers()
    timers.note(0, {"bob": waiting("bob", 40), "cid": waiting("cid", 45)})
    timers.read(0, ["ann", "bob", "cid"], store)

    assert timers.take_due(0, 99, 10) == ["ann"]
