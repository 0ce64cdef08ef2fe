"""Issues: the complaints and faults of a customer that are not settled yet."""

from __future__ import annotations

import msgspec

from schemas.profile import MAX_ISSUES, Issue, Profile
from schemas.touchpoint import Identifier, Touchpoint


class IssueData(msgspec.Struct, frozen=True):
    """What an issue touchpoint may say: which issue it is about."""

    issue: Identifier | None = None


def issue_of(touchpoint: Touchpoint) -> str:
    """The issue that a touchpoint is about: what its data says, or else its own id.

    Raises:
        msgspec.ValidationError: the data names the issue by something that is no id.
    """
    return msgspec.convert(touchpoint.data, IssueData).issue or touchpoint.id


def open_issue(profile: Profile, touchpoint: Touchpoint) -> bool:
    """Enter an issue; False if it is open already.

    Raises:
        msgspec.ValidationError: as `issue_of`.
    """
    id_ = issue_of(touchpoint)
    if any(issue.id == id_ for issue in profile.issues):
        return False
    profile.issues = (*profile.issues[-(MAX_ISSUES - 1) :], Issue(id_, touchpoint.time, touchpoint.type))
    return True


def close_issue(profile: Profile, touchpoint: Touchpoint) -> bool:
    """Strike an issue off; False if it was not open.

    Raises:
        msgspec.ValidationError: as `issue_of`.
    """
    id_ = issue_of(touchpoint)
    left = tuple(issue for issue in profile.issues if issue.id != id_)
    closed = len(left) < len(profile.issues)
    profile.issues = left
    return closed
