"""Times: whole milliseconds inside, RFC 3339 outside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.timestamp import to_datetime, to_millis, to_rfc3339
from schemas.touchpoint import MAX_TIME
from tests.hotel import NOON, PROPERTY_TEST


def test_millis_of_a_known_moment() -> None:
    """The moment all tests start from is noon of 14 March 2026 in UTC."""
    assert to_millis(datetime(2026, 3, 14, 12, tzinfo=UTC)) == NOON


def test_offset_is_taken_into_account() -> None:
    """The same moment written in Seoul is the same number."""
    seoul = timezone(timedelta(hours=9))

    assert to_millis(datetime(2026, 3, 14, 21, tzinfo=seoul)) == NOON


@pytest.mark.parametrize(("microseconds", "millis"), [(999, 0), (1000, 1), (-1, -1), (-1000, -1)])
def test_fractions_are_rounded_down(microseconds: int, millis: int) -> None:
    """Microseconds are cut off towards the past, before 1970 too."""
    assert to_millis(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)) == millis


def test_text_has_milliseconds_and_z() -> None:
    """The text form always has three decimals, also when they are zero."""
    assert to_rfc3339(NOON) == "2026-03-14T12:00:00.000Z"


@PROPERTY_TEST
@given(st.integers(0, MAX_TIME))
def test_round_trip(millis: int) -> None:
    """Every time that a touchpoint may have survives both ways."""
    assert to_millis(to_datetime(millis)) == millis
    assert to_millis(datetime.fromisoformat(to_rfc3339(millis))) == millis
