"""CloudEvents: the envelope, and ids that follow from their cause."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import CONTENT_TYPE, HEADERS, deterministic_id
from tests.hotel import PROPERTY_TEST


def test_id_is_the_same_everywhere() -> None:
    """An id is a promise to subscribers: this one must never change."""
    assert deterministic_id("ann", "key-at-the-door", "/app", "t1", "0") == "a3b820140480890776b1d4e581cd6fd9"


def test_parts_are_not_run_together() -> None:
    """Moving a letter from one part to the next makes another id."""
    ids = {deterministic_id("ab", "c"), deterministic_id("a", "bc"), deterministic_id("abc")}
    ids |= {deterministic_id("abc", ""), deterministic_id("", "abc")}

    assert len(ids) == 5


@PROPERTY_TEST
@given(st.lists(st.text(st.characters(exclude_categories=()))))
def test_any_text_has_an_id(parts: list[str]) -> None:
    """Text that is no valid Unicode has an id of 128 bits like any other."""
    assert len(bytes.fromhex(deterministic_id(*parts))) == 16


def test_header_says_structured_mode() -> None:
    """Subscribers know structured mode by how the content type begins."""
    assert HEADERS == [("content-type", CONTENT_TYPE)]
    assert CONTENT_TYPE.startswith(b"application/cloudevents+json")
