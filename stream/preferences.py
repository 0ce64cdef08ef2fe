"""Preferences: how a customer likes it, with who said so and when.

What a customer or a member of staff stated outranks what was learned, however much later that is: a guess
never corrects a guest. Of two words of the same kind the later holds, whatever order they arrive in.
Nothing is learned here: a model beside the stream publishes it as a touchpoint, with its own name as source.
"""

from __future__ import annotations

import msgspec

from schemas.preference import MAX_PREFERENCES, Preference
from schemas.profile import Profile
from schemas.touchpoint import Identifier, Touchpoint


class PreferenceData(msgspec.Struct, frozen=True):
    """What a preference touchpoint must say.

    Attributes:
        name: what it is about, such as `pillow`.
        value: how the customer likes it, such as `feather`; left out, there is no preference any more.
        by: who said so, such as a member of staff; the touchpoint's source if left out.
    """

    name: Identifier
    value: Identifier | None = None
    by: Identifier | None = None


def note(profile: Profile, touchpoint: Touchpoint, *, stated: bool) -> None:
    """Note a preference that was stated or learned.

    Raises:
        msgspec.ValidationError: the data names none, or says something that is no text.
    """
    said = msgspec.convert(touchpoint.data, PreferenceData)
    by = said.by or touchpoint.source
    _keep(profile, [Preference(stated, touchpoint.time, said.name, said.value or "", by)])


def merge(profile: Profile, other: Profile) -> None:
    """Take in the preferences of another profile of the same customer."""
    if other.preferences:
        _keep(profile, other.preferences)


def known(profile: Profile) -> list[Preference]:
    """The preferences that hold: those stated first, of each kind the latest first."""
    return [each for each in reversed(profile.preferences) if each.value]


def _keep(profile: Profile, words: list[Preference] | tuple[Preference, ...]) -> None:
    latest = {each.name: each for each in profile.preferences}
    for word in words:
        latest[word.name] = max(latest.get(word.name, word), word)
    # The least are learned and old. By the same order as one word outranks another, so that what is kept does
    # not depend on the order of arrival.
    profile.preferences = tuple(sorted(latest.values())[-MAX_PREFERENCES:])
