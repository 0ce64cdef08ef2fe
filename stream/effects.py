"""Effects: what a touchpoint does to the profile, by the word that the catalogue has for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from schemas.profile import Profile
from schemas.touchpoint import Touchpoint
from stream import accounts, issues, languages, permissions, preferences, recency, residence, stays


def apply(profile: Profile, touchpoint: Touchpoint, effect: str) -> tuple[str | None, str | None]:
    """What a touchpoint does to the profile; the issue that it opened, and the one that it closed."""
    if effect == "issue.opened":
        return issues.open_issue(profile, touchpoint), None
    if effect == "issue.closed":
        return None, issues.close_issue(profile, touchpoint)
    if (change := _EFFECTS.get(effect)) is not None:
        change(profile, touchpoint)
    return None, None


def _confirm(profile: Profile, touchpoint: Touchpoint) -> None:
    # A change of a booking is no further purchase.
    if stays.confirm(profile, touchpoint):
        recency.count_activity(profile, touchpoint)


def _state(profile: Profile, touchpoint: Touchpoint) -> None:
    residence.state(profile, touchpoint)
    languages.state(profile, touchpoint)


_EFFECTS: dict[str, Callable[[Profile, Touchpoint], None]] = {
    "activity": recency.count_activity,
    "booking.confirmed": _confirm,
    "booking.cancelled": partial(stays.set_status, status="cancelled"),
    "stay.checked-in": partial(stays.set_status, status="in-house"),
    "stay.checked-out": partial(stays.set_status, status="checked-out"),
    "room.ready": stays.make_ready,
    "preference.stated": partial(preferences.note, stated=True),
    "preference.learned": partial(preferences.note, stated=False),
    "device.bound": permissions.bind_device,
    "consent.granted": permissions.grant,
    "consent.withdrawn": permissions.withdraw,
    "profile.stated": _state,
    "account.stated": accounts.state,
}
"""What each effect does, but for those of issues and of triggers."""
