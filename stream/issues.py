"""Issues: the complaints and faults of a customer that are not settled yet."""

from __future__ import annotations

import msgspec

from schemas.profile import MAX_ISSUES, Issue, Profile
from schemas.touchpoint import Identifier, Touchpoint


class IssueData(msgspec.Struct, frozen=True):
    """What an issue touchpoint may say: which issue it is about."""

    issue: Identifier | None = None


def open_issue(profile: Profile, touchpoint: Touchpoint) -> str | None:
    """Enter an issue by the id that the data gives it, or else by the touchpoint's own.

    Returns:
        The issue's id; None if it is open already.

    Raises:
        msgspec.ValidationError: the data names the issue by something that is no id.
    """
    id_ = msgspec.convert(touchpoint.data, IssueData).issue or touchpoint.id
    if any(issue.id == id_ for issue in profile.issues):
        return None
    profile.issues = (*profile.issues[-(MAX_ISSUES - 1) :], Issue(id_, touchpoint.time, touchpoint.type))
    return id_


def close_issue(profile: Profile, touchpoint: Touchpoint) -> str | None:
    """Strike off the issue that the data names, or else the only one that is open.

    Returns:
        The issue's id; None if it was not open, or several are and none is named.

    Raises:
        msgspec.ValidationError: the data names the issue by something that is no id.
    """
    id_ = msgspec.convert(touchpoint.data, IssueData).issue
    if id_ is None and len(profile.issues) == 1:
        id_ = profile.issues[0].id
    left = tuple(issue for issue in profile.issues if issue.id != id_)
    if len(left) == len(profile.issues):
        return None
    profile.issues = left
    return id_
