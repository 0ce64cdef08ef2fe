"""Duplicates: a touchpoint delivered twice counts once, and memory of it is bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.profile import MAX_SEEN, new_profile
from schemas.timestamp import SECOND
from schemas.topics import Topics
from schemas.touchpoint import Touchpoint
from stream.duplicates import WINDOW, digest_of, is_duplicate, remember
from tests.hotel import NOON, PROPERTY_TEST


def digest(number: int) -> bytes:
    """A digest that is no part of another one."""
    return number.to_bytes(8, "big")


def touchpoint(source: str, id_: str) -> Touchpoint:
    """A touchpoint of which only the identity matters."""
    return Touchpoint(id_, source, "page.viewed", "ann", NOON)


def test_what_was_seen_is_a_duplicate() -> None:
    """A digest is known from the moment it is remembered, another one isn't."""
    profile = new_profile("ann")
    remember(profile, digest(1), NOON)

    assert is_duplicate(profile, digest(1), NOON)
    assert not is_duplicate(profile, digest(2), NOON)


def test_the_window_is_as_long_as_dead_letters_are_kept() -> None:
    """Whatever can be sent again is still remembered."""
    letters = next(spec for spec in Topics().specs if spec.name == Topics().dead_letters)

    assert letters.retention_ms == WINDOW


def test_window_ends_after_thirty_days() -> None:
    """A touchpoint repeated within thirty days is a duplicate, a second after that it is a new one."""
    profile = new_profile("ann")
    remember(profile, digest(1), NOON)

    assert is_duplicate(profile, digest(1), NOON + WINDOW)
    assert not is_duplicate(profile, digest(1), NOON + WINDOW + SECOND)


def test_earlier_is_still_a_duplicate() -> None:
    """In a backfill time may step back; what was seen stays seen."""
    profile = new_profile("ann")
    remember(profile, digest(1), NOON)

    assert is_duplicate(profile, digest(1), NOON - 30 * WINDOW)


def test_old_ones_are_forgotten() -> None:
    """What fell out of the window leaves the profile with the next touchpoint."""
    profile = new_profile("ann")
    remember(profile, digest(1), NOON)
    remember(profile, digest(2), NOON + WINDOW + SECOND)

    assert profile.seen == digest(2) + ((NOON + WINDOW) // SECOND + 1).to_bytes(4, "big")


def test_seen_again_after_the_window_is_known_again() -> None:
    """A digest that stands there twice, once out of date, is a duplicate by the newer entry."""
    profile = new_profile("ann")
    remember(profile, digest(9), NOON + 2 * WINDOW)
    remember(profile, digest(1), NOON)
    remember(profile, digest(1), NOON + 2 * WINDOW)

    assert is_duplicate(profile, digest(1), NOON + 2 * WINDOW)


def test_at_most_so_many_are_remembered() -> None:
    """The oldest goes when the memory is full, however young it is."""
    profile = new_profile("ann")
    for number in range(MAX_SEEN + 1):
        remember(profile, digest(number), NOON)

    assert len(profile.seen) == MAX_SEEN * 12
    assert not is_duplicate(profile, digest(0), NOON)
    assert all(is_duplicate(profile, digest(number), NOON) for number in range(1, MAX_SEEN + 1))


def test_bytes_between_two_entries_are_no_entry() -> None:
    """Eight bytes that happen to stand across entries are not taken for a digest."""
    profile = new_profile("ann")
    remember(profile, digest(1), NOON)
    remember(profile, digest(2), NOON)

    assert not any(is_duplicate(profile, profile.seen[at : at + 8], NOON) for at in range(1, 12))


def test_identity_is_source_and_id() -> None:
    """The same id from another source is another touchpoint, and the two are not run together."""
    pairs = [("/a", "1"), ("/b", "1"), ("/a", "2"), ("/a1", ""), ("", "/a1"), ("2:/a", "1")]

    assert len({digest_of(touchpoint(source, id_)) for source, id_ in pairs}) == len(pairs)


@PROPERTY_TEST
@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 4_102_444_799_999)), max_size=99))
def test_memory_is_bounded_and_holds_the_latest(seen: list[tuple[int, int]]) -> None:
    """Whatever comes at whatever time, memory has its limit and the latest one is in it."""
    profile = new_profile("ann")
    for number, now in seen:
        remember(profile, digest(number), now)

        assert len(profile.seen) <= MAX_SEEN * 12
        assert is_duplicate(profile, digest(number), now)
