"""Kinds: what they are packed into, and that nothing is lost by it but digits of decayed counts."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import profile as profiles
from schemas.kinds import FIRST_OWN, MAX_COUNT, MAX_KINDS, NAMES, NO_KINDS, OTHER_KIND, Kind, Kinds, kinds_of
from schemas.profile import new_profile
from schemas.touchpoint import MAX_TIME
from stream.engine import SHIPPED, load_engine
from stream.recency import KIND_HALF_LIFE, count
from tests.hotel import NOON, PROPERTY_TEST, happened

OWN = [f"spa.visited-{number}" for number in range(MAX_KINDS)]


@pytest.mark.parametrize("name", SHIPPED)
def test_types_of_shipped_playbooks_take_no_name(name: str) -> None:
    """A type that is not among the names costs each customer its length."""
    assert {*load_engine(SHIPPED[name]).playbook.catalogue} - {*NAMES} == set()


def test_names_stand_where_they_stood() -> None:
    """What is stored says places: the list is the same for ever, and none is a place of a customer's own."""
    assert (len(NAMES), len({*NAMES}), crc32(" ".join(NAMES).encode())) == (95, 95, 2343810775)
    assert len(NAMES) < FIRST_OWN


def test_kinds_are_read_like_a_mapping() -> None:
    """By name, in the order in which they were met; what was not met is not there."""
    known = {
        "page.viewed": Kind(2, NOON, 1.5),
        "spa.visited": Kind(1, NOON - 1, 0.25),
        OTHER_KIND: Kind(9, 0),
    }
    kinds = kinds_of(known)

    assert list(kinds) == ["page.viewed", "spa.visited", OTHER_KIND]
    assert (len(kinds), dict(kinds), dict(kinds.items())) == (3, known, known)
    assert ["page.viewed" in kinds, "spa.visited" in kinds] == [True, True]
    assert ["order.placed" in kinds, "gym.visited" in kinds] == [False, False]
    assert (kinds.get("order.placed"), kinds.get("gym.visited")) == (None, None)
    with pytest.raises(KeyError, match=r"order\.placed"):
        kinds["order.placed"]


def test_names_of_ones_own_have_all_the_room() -> None:
    """As many as are counted by name, beside the one that counts the rest."""
    kinds = kinds_of({name: Kind(1, NOON + number, 1.0) for number, name in enumerate((*OWN, OTHER_KIND))})

    assert list(kinds) == [*OWN, OTHER_KIND]
    assert [kinds[name].last - NOON for name in kinds] == list(range(MAX_KINDS + 1))
    assert ("gym.visited" in kinds, kinds.get("gym.visited")) == (False, None)


def test_more_than_can_be_counted() -> None:
    """A count stays at its limit, and leaves the time alone."""
    most = NO_KINDS.put("page.viewed", Kind(MAX_COUNT + 5, MAX_TIME - 1, 1.0))

    assert most["page.viewed"] == Kind(MAX_COUNT, MAX_TIME - 1, 1.0)
    for time in (MAX_TIME - 1, 0):
        again = most.counted("page.viewed", time, KIND_HALF_LIFE)["page.viewed"]
        assert (again.count, again.last) == (MAX_COUNT, MAX_TIME - 1)


TOUCHES = st.lists(
    st.tuples(st.sampled_from([*NAMES[:5], *OWN[:3]]), st.integers(0, MAX_TIME - 1)), min_size=1, max_size=40
)


@PROPERTY_TEST
@given(TOUCHES)
def test_what_was_read_again_goes_on_the_same(touches: list[tuple[str, int]]) -> None:
    """To the bit, whether a profile was stored after each touchpoint or never."""
    kept = read = new_profile("ann")
    for type_, time in touches:
        kept = profiles.copied(kept)
        count(kept, happened(type_, time))
        read = profiles.decode(profiles.encode(read))
        count(read, happened(type_, time))

    assert profiles.encode(read) == profiles.encode(kept)
    assert kept.kinds == read.kinds


@PROPERTY_TEST
@given(TOUCHES)
def test_nothing_is_lost(touches: list[tuple[str, int]]) -> None:
    """Counts and times are those of all touchpoints."""
    kinds: Kinds = NO_KINDS
    for type_, time in touches:
        kinds = kinds.counted(type_, time, KIND_HALF_LIFE)

    expected = {
        type_: (
            sum(each == type_ for each, _ in touches),
            max(time for each, time in touches if each == type_),
        )
        for type_, _ in touches
    }
    assert {name: (kind.count, kind.last) for name, kind in kinds.items()} == expected
