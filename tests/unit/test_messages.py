"""Messages: said in the customer's language, of what is known, and never by running anything."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InputError
from schemas.families import CONTENT, Content
from schemas.families.continuation import Continue
from schemas.families.participation import Participation
from schemas.families.room_key import RoomKey
from schemas.families.wow import Wow
from schemas.playbook import load
from schemas.template import MAX_TEXT, facts_of, pieces, placeholders
from stream.messages import Messages
from tests.hotel import NOON, PROPERTY_TEST, happened, run
from tests.moments import MOMENTS, MOMENTS_YAML, moments, playing

ROOM = RoomKey("issue", "b", "seoul", "d", date(2026, 3, 16), "501")


def said(text: str, content: Content) -> str | None:
    """What a play with this text says of a content."""
    playbook = msgspec.structs.replace(MOMENTS, templates={**MOMENTS.templates, "surprise": {"en": text}})
    return Messages(playbook).message_of(playbook.plays[0], content, None)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (None, "For you: tea, worth 10 EUR."),
        ("en", "For you: tea, worth 10 EUR."),
        ("ko", "선물: tea."),
        ("ko-KR", "선물: tea."),
        ("fr", "For you: tea, worth 10 EUR."),
    ],
)
def test_in_the_language_that_was_stated(stated: str | None, message: str) -> None:
    """The nearest language there is, and the playbook's for all others."""
    words = [happened("profile.stated", NOON - 1, {"language": stated})] if stated else []
    outcomes = run([*words, happened("stay.checked-in")], engine=moments(playing("treat")))

    assert outcomes[-1].triggers[0].data.message == message


def test_latest_word_on_the_language_holds() -> None:
    """What was said later holds, in whichever order it arrives."""
    said_ = [happened("profile.stated", NOON + at, {"language": word}) for at, word in ((2, "ko"), (1, "pt"))]
    profile = None
    for each in said_:
        profile = moments().step(profile, each, NOON + 3).profile

    assert profile is not None
    assert (profile.language, profile.language_said) == ("ko", NOON + 2)


@pytest.mark.parametrize(
    ("content", "text", "message"),
    [
        (Wow("x", 0.5, "tea", 10.0, "EUR"), "{{{offer}}} {amount}", "{tea} 10"),
        (Wow("x", 0.5, "tea", 10.5, "EUR"), "{amount} at {odds}", "10.5 at 0.5"),
        (
            ROOM,
            "{room} to {departure}",
            "501 to 2026-03-16",
        ),
        (msgspec.structs.replace(ROOM, room=None), "Room {room}", None),
        (Participation("review", "stay.checked-out"), "You get {benefit}", None),
        (
            Continue("cart", "c-1", "web", datetime(2026, 3, 14, 12, tzinfo=UTC), "cart.added", "app"),
            "{thing} of {left_at}",
            "cart of 2026-03-14 12:00 UTC",
        ),
    ],
)
def test_facts_in_a_sentence(content: Content, text: str, message: str | None) -> None:
    """Numbers as people write them; nothing is said of what is not known."""
    assert said(text, content) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{offer.__class__}", "`{offer.__class__}` is not a name alone"),
        ("{offer[0]}", "`{offer[0]}` is not a name alone"),
        ("{offer!r}", "`{offer!r}` is not a name alone"),
        ("{amount:>999999999}", "`{amount:>999999999}` is not a name alone"),
        ("{}", "`{}` is not a name alone"),
        ("{offer", "its braces can't be read"),
        ("offer}", "its braces can't be read"),
        ("", "a text has 1 to 500 characters"),
        ("x" * (MAX_TEXT + 1), "a text has 1 to 500 characters"),
    ],
)
def test_text_that_is_refused(text: str, message: str) -> None:
    """A place holds one name: no attribute, no index, no format by which anything could be reached."""
    with pytest.raises(ValueError, match=re.escape(message)):
        pieces(text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "{offer}, worth",
            "{ofer}, worth",
            "play `treat`: `{ofer}` of template `surprise` (en) is nothing that a `wow` knows",
        ),
        (
            "    template: surprise",
            "    template: suprise",
            "there is no template `suprise` (did you mean `surprise`?)",
        ),
        ("{offer}, worth", "{offer!s}, worth", "templates.surprise.en: `{offer!s}` is not a name alone"),
        (
            "language: en",
            "language: pt",
            "templates.surprise: it has to be in `pt`,",
        ),
        ("language: en", "language: English", "at `$.language`"),
        ("    ko: ", "    korean: ", "at `key` in `$.templates.surprise`"),
        (
            'en: "Would you? You get {benefit}."',
            "en: 7",
            "got `int` - at `$.templates.ask.en`",
        ),
    ],
)
def test_mistake_in_a_text_is_named(old: str, new: str, message: str) -> None:
    """What can't be said is refused when the playbook is loaded."""
    assert old in MOMENTS_YAML
    with pytest.raises(InputError) as refused:
        load(MOMENTS_YAML.replace(old, new, 1), "my.yaml")

    assert message in str(refused.value)


@PROPERTY_TEST
@given(st.text(max_size=40) | st.text(alphabet="{}!:.[]offeramunt_", max_size=30))
def test_any_text(text: str) -> None:
    """Any text is refused by a message, or is made of its pieces and of names alone."""
    try:
        names = placeholders(text)
    except ValueError:
        names = []
    assert [name for name in names if not name.isidentifier()] == []


def test_every_family_has_facts() -> None:
    """What a text may say of a family is what its content says."""
    assert [family for family, content in CONTENT.items() if not facts_of(content)] == []
