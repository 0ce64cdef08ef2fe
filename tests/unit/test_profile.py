"""Profile: what it is stored as, and what is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from schemas.errors import DangolError
from schemas.profile import VERSION, Profile, decode, encode, new_profile
from schemas.timestamp import DAY
from tests.hotel import NOON, after, checked

YESTERDAY = NOON - DAY


def test_new_profile_knows_nothing() -> None:
    """A new profile has a version and a customer; everything else is at its default and not stored."""
    assert encode(new_profile("ann")) == b"\xde\x00\x02\xa7version\x02\xa8customer\xa3ann"
    assert decode(encode(new_profile("ann"))) == Profile(version=VERSION, customer="ann")


def test_stored_profile_describes_itself() -> None:
    """The bytes are a map with field names, readable without this program."""
    fields = msgspec.msgpack.decode(encode(after(checked())))

    assert fields["customer"] == "ann"
    assert (fields["device"], fields["device_bound"]) == ("phone", YESTERDAY + 1)
    assert fields["consents"] == [[YESTERDAY, False, "location", ""]]
    assert fields["bookings"] == [
        {
            "id": "b1",
            "property": "seoul",
            "arrival": "2026-03-14",
            "departure": "2026-03-16",
            "changed": YESTERDAY + 2,
        }
    ]


def test_same_life_same_bytes() -> None:
    """The same touchpoints give the same bytes."""
    assert encode(after(checked())) == encode(after(checked()))


def test_unknown_fields_are_skipped() -> None:
    """A field that a later program added and did not need is no obstacle."""
    stored = msgspec.msgpack.encode({"version": VERSION, "customer": "ann", "moon_phase": 0.5})

    assert decode(stored) == new_profile("ann")


@pytest.mark.parametrize(
    "stored",
    [{"version": VERSION + 1, "customer": "ann"}, {"version": VERSION + 1, "customer": {"id": "ann"}}],
)
def test_newer_version_is_refused(stored: dict[str, Any]) -> None:
    """A profile of a later program is not guessed at, whatever its fields look like."""
    with pytest.raises(DangolError, match=f"version {VERSION + 1}"):
        decode(msgspec.msgpack.encode(stored))


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"\xc1",
        b"\x82\xa7version\x01",
        msgspec.msgpack.encode([]),
        msgspec.msgpack.encode({"customer": "ann"}),
        msgspec.msgpack.encode({"version": VERSION}),
        msgspec.msgpack.encode({"version": VERSION, "customer": 7}),
        msgspec.msgpack.encode({"version": 1, "customer": "ann", "kinds": {"page.viewed": [1, -1]}}),
    ],
)
def test_what_is_no_profile(stored: bytes) -> None:
    """Bytes that are no profile raise what the docstring says."""
    with pytest.raises(msgspec.DecodeError):
        decode(stored)
