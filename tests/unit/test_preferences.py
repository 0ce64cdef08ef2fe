"""Preferences: the latest word, what was stated before what was learned, in any order of arrival."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.preference import MAX_PREFERENCES, Preference
from schemas.profile import VERSION, Profile, new_profile
from schemas.touchpoint import Touchpoint
from stream import merger, preferences
from tests.hotel import NOON, PROPERTY_TEST, after, engine, happened


def stated(value: str | None, at: int = NOON, name: str = "pillow", **data: Any) -> Touchpoint:
    """The customer or a member of staff says how something is liked."""
    said = {"name": name, "value": value, **data}
    return happened("preference.stated", at, {k: v for k, v in said.items() if v is not None})


def learned(value: str, at: int = NOON, name: str = "pillow") -> Touchpoint:
    """A model says so."""
    return happened("preference.learned", at, {"name": name, "value": value})


def test_who_said_so_and_when() -> None:
    """A preference is kept with its source, or with whoever the data names."""
    profile = after([stated("feather"), stated("still", NOON + 1, "water", by="j.kim")])

    assert preferences.known(profile) == [
        Preference(True, NOON + 1, "water", "still", "j.kim"),
        Preference(True, NOON, "pillow", "feather", "/test"),
    ]


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        ([stated("feather"), stated("foam", NOON + 1)], "foam"),
        ([stated("foam", NOON + 1), stated("feather")], "foam"),
        ([learned("foam"), stated("feather", NOON - 9)], "feather"),
        ([stated("feather", NOON - 9), learned("foam")], "feather"),
        ([learned("foam"), learned("feather", NOON + 1)], "feather"),
        ([stated("feather"), stated(None, NOON + 1)], None),
        ([stated(None, NOON + 1), stated("feather")], None),
    ],
)
def test_which_word_holds(words: list[Touchpoint], holds: str | None) -> None:
    """Stated before learned, then the later; a preference that was taken back is none."""
    profile = new_profile("ann")
    for word in words:
        profile = engine().step(profile, word, NOON + 10).profile

    assert [each.value for each in preferences.known(profile)] == ([holds] if holds else [])


@pytest.mark.parametrize("data", [{}, {"name": ""}, {"name": "pillow", "value": 7}, {"name": "p" * 257}])
def test_what_is_no_preference(data: dict[str, Any]) -> None:
    """Whatever names nothing, or says something that is no text, goes to the dead letters."""
    with pytest.raises(msgspec.ValidationError):
        engine().step(None, happened("preference.stated", NOON, data), NOON)


words = st.lists(
    st.builds(
        Preference,
        st.booleans(),
        st.integers(0, 40),
        st.sampled_from([f"n{n}" for n in range(MAX_PREFERENCES + 8)]),
        st.sampled_from(["", "a", "b"]),
        st.just("/test"),
    ),
    max_size=80,
)


@PROPERTY_TEST
@given(words=words, data=st.data())
def test_order_and_ids_play_no_part(words: list[Preference], data: st.DataObject) -> None:
    """However words arrive, under one id or two, the same are kept, and no more than stated."""
    shuffled = data.draw(st.permutations(words))
    at = data.draw(st.integers(0, len(words)))
    one, other, whole = new_profile("ann"), new_profile("ann"), new_profile("ann")
    for profile, part in ((one, shuffled[:at]), (other, shuffled[at:]), (whole, words)):
        for word in part:
            said = Profile(version=VERSION, customer="ann", preferences=(word,))
            preferences.merge(profile, said)
    merger.merge(one, other)

    assert one.preferences == whole.preferences
    assert len(whole.preferences) == min(len({word.name for word in words}), MAX_PREFERENCES)
