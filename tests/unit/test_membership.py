"""Membership: the segments that a customer was in, in three bytes, and never those of another playbook."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.example import MAX_SEGMENTS
from stream.churn.membership import Membership
from tests.hotel import PROPERTY_TEST

THREE = ("vip", "new-guest", "let-down")


def test_the_bytes_are_as_ever() -> None:
    """What waits in profiles is read for as long as there are any: a digest, and a bit for each segment."""
    membership = Membership(THREE)

    assert [membership.packed(names).hex() for names in ((), ("vip",), ("vip", "let-down"), THREE)] == [
        "d73258",
        "d73259",
        "d7325d",
        "d7325f",
    ]
    assert membership.unpacked(bytes.fromhex("d73258")) == ()
    assert membership.unpacked(bytes.fromhex("d7325d")) == ("vip", "let-down")


def test_without_segments_there_is_nothing_to_note() -> None:
    """Not a byte is taken; and what was noted by a playbook that had some is not known any more."""
    assert Membership(()).packed(THREE) == b""
    assert Membership(()).unpacked(bytes.fromhex("d7325d")) is None
    assert Membership(THREE).unpacked(b"") is None


def test_segments_of_another_playbook_are_not_guessed() -> None:
    """One that came, went, has another name or another place: nothing is said of any."""
    noted = Membership(THREE).packed(("vip",))
    others = (("vip", "new-guest"), (*THREE, "regular"), ("vip", "new-guest", "angry"), THREE[::-1], ("a",))

    assert [Membership(names).unpacked(noted) for names in others] == [None] * 5
    assert Membership(THREE).unpacked(noted) == ("vip",)


def test_of_many_segments_the_first_sixteen_are_told_apart() -> None:
    """The 17th is not noted, whoever is in it; it plays no part in what the others are read by."""
    names = [f"segment-{number}" for number in range(MAX_SEGMENTS + 4)]
    noted = Membership(names).packed(names[10:])

    assert MAX_SEGMENTS == 16
    assert len(noted) == 3
    assert Membership(names).unpacked(noted) == tuple(names[10:16])
    assert Membership(names[:16]).unpacked(noted) == tuple(names[10:16])
    assert Membership(names[:15]).unpacked(noted) is None


NAMES = st.lists(st.from_regex(r"[a-z0-9]{1,12}(-[a-z0-9]{1,6})?", fullmatch=True), max_size=16, unique=True)


@settings(PROPERTY_TEST)
@given(NAMES, st.data())
def test_whatever_is_noted_is_read(names: list[str], data: st.DataObject) -> None:
    """Of any playbook's segments, any of them, in the playbook's order; by a copy of it as well."""
    members = data.draw(st.sets(st.sampled_from(names))) if names else set()
    noted = Membership(names).packed(members)

    assert len(noted) == (3 if names else 0)
    assert Membership(list(names)).unpacked(noted) == (
        tuple(name for name in names if name in members) if names else None
    )
