"""Languages: what a customer wants to be spoken to in; the latest word holds."""

from __future__ import annotations

import msgspec

from schemas.profile import Profile
from schemas.quantities import Language
from schemas.touchpoint import Touchpoint


class LanguageData(msgspec.Struct, frozen=True):
    """What a `profile.stated` touchpoint may say: the language that the customer wants."""

    language: Language | None = None


def state(profile: Profile, touchpoint: Touchpoint) -> None:
    """Note the language that a customer states.

    Raises:
        msgspec.ValidationError: what it names is no language.
    """
    language = msgspec.convert(touchpoint.data, LanguageData).language
    if language is not None:
        _note(profile, language, touchpoint.time)


def merge(profile: Profile, other: Profile) -> None:
    """Take over what another profile of the same customer stated later."""
    if other.language is not None:
        _note(profile, other.language, other.language_said)


def _note(profile: Profile, language: str, time: int) -> None:
    # Of two at once the greater name, so that both orders of arrival come to the same.
    if (time, language) > (profile.language_said, profile.language or ""):
        profile.language, profile.language_said = language, time
