"""Issues: the complaints and faults of a customer that are not settled yet.

When it happened decides, not when it arrived: an opening that is told after its closing opens nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from schemas.issue import MAX_CLOSED, MAX_ISSUES, MAX_REOPENED, Issue
from schemas.profile import Profile
from schemas.touchpoint import Identifier, Touchpoint


class IssueData(msgspec.Struct, frozen=True):
    """What an issue touchpoint may say: which issue it is about."""

    issue: Identifier | None = None


def open_issue(profile: Profile, touchpoint: Touchpoint) -> str | None:
    """Enter an issue by the id that the data gives it, or else by the touchpoint's own.

    Returns:
        The issue's id; None if it is open already, or was closed since.

    Raises:
        msgspec.ValidationError: the data names the issue by something that is no id.
    """
    id_ = msgspec.convert(touchpoint.data, IssueData).issue or touchpoint.id
    was_open = _find(profile, id_) is not None
    _enter(profile, Issue(id_, touchpoint.time, touchpoint.type))
    return None if was_open or _find(profile, id_) is None else id_


def close_issue(profile: Profile, touchpoint: Touchpoint) -> str | None:
    """Strike off the issue that the data names, or else the only one that is open.

    Returns:
        The issue's id; None if it was not open, was opened since, or several are and none is named.

    Raises:
        msgspec.ValidationError: the data names the issue by something that is no id.
    """
    id_ = msgspec.convert(touchpoint.data, IssueData).issue
    if id_ is None and len(profile.issues) == 1:
        id_ = profile.issues[0].id
    if id_ is None:
        return None
    was_open = _find(profile, id_) is not None
    _close(profile, id_, touchpoint.time)
    return id_ if was_open and _find(profile, id_) is None else None


def merge(profile: Profile, other: Profile) -> None:
    """Take in what another profile of the same customer was told of issues."""
    for issue in other.issues:
        _enter(profile, issue, *other.reopened.get(issue.id, ()))
    for id_, time in other.closed.items():
        _close(profile, id_, time)


def _enter(profile: Profile, issue: Issue, *again: int) -> None:
    """Enter an issue that was opened, and opened again at these times (ms), after its last closing."""
    id_ = issue.id
    closed = profile.closed.get(id_, -1)
    known = _find(profile, id_)
    openings = {issue.opened, *again}
    if known is not None:
        openings |= {known.opened, *profile.reopened.get(id_, ())}
        issue = min(known, issue, key=lambda each: (each.opened, each.type))
    _set(profile, id_, issue.type, sorted(time for time in openings if time > closed))


def _close(profile: Profile, id_: str, time: int) -> None:
    """Note that an issue was closed, and strike it off unless it was opened since."""
    closed = {**profile.closed, id_: max(time, profile.closed.get(id_, -1))}
    newest = sorted(closed.items(), key=lambda entry: (entry[1], entry[0]))[-MAX_CLOSED:]
    profile.closed = dict(newest)
    known = _find(profile, id_)
    if known is not None and known.opened <= time:
        since = [at for at in profile.reopened.get(id_, ()) if at > time]
        _set(profile, id_, known.type, since)


def _set(profile: Profile, id_: str, type_: str, openings: Sequence[int]) -> None:
    """Let an issue be open since the first of its openings, or not at all without any."""
    others = [issue for issue in profile.issues if issue.id != id_]
    if openings:
        others.append(Issue(id_, openings[0], type_))
        others.sort(key=lambda each: (each.opened, each.id))
    profile.issues = tuple(others[-MAX_ISSUES:])
    if profile.reopened or len(openings) > 1:
        reopened = {**profile.reopened, id_: tuple(openings[1:][-MAX_REOPENED:])}
        kept = {issue.id for issue in profile.issues}
        profile.reopened = {name: times for name, times in reopened.items() if times and name in kept}


def _find(profile: Profile, id_: str) -> Issue | None:
    return next((issue for issue in profile.issues if issue.id == id_), None)
