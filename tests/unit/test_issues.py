"""Issues: opened, closed, never twice, never too many."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from schemas.profile import MAX_ISSUES, Issue, new_profile
from schemas.touchpoint import MAX_ID
from stream.issues import close_issue, issue_of, open_issue
from tests.hotel import NOON, happened


def test_issue_is_named_or_is_the_touchpoint() -> None:
    """The data says which issue; else the touchpoint that opened it gives its id."""
    assert issue_of(happened("complaint.opened", data={"issue": "i1"})) == "i1"
    assert issue_of(happened("complaint.opened", id_="t1")) == "t1"
    assert issue_of(happened("complaint.opened", data={"issue": None}, id_="t1")) == "t1"


@pytest.mark.parametrize("issue", [7, 7.5, True, "", "x" * (MAX_ID + 1), ["i1"], {"id": "i1"}, 10**400])
def test_issue_named_by_no_id(issue: Any) -> None:
    """An issue that is named wrongly is refused: opened under another name it could never be closed."""
    profile = new_profile("ann")
    touchpoint = happened("complaint.opened", data={"issue": issue})

    for change in (open_issue, close_issue):
        with pytest.raises(msgspec.ValidationError, match="issue"):
            change(profile, touchpoint)


def test_open_and_close() -> None:
    """An issue is open from its opening to its closing, and each happens once."""
    profile = new_profile("ann")
    touchpoint = happened("complaint.opened", data={"issue": "i1"})

    assert open_issue(profile, touchpoint) is True
    assert list(profile.issues) == [Issue("i1", NOON, "complaint.opened")]
    assert open_issue(profile, touchpoint) is False
    assert close_issue(profile, touchpoint) is True
    assert profile.issues == ()
    assert close_issue(profile, touchpoint) is False


def test_newest_issues_are_kept() -> None:
    """Beyond the limit the oldest issue goes."""
    profile = new_profile("ann")
    for number in range(MAX_ISSUES + 1):
        open_issue(profile, happened("complaint.opened", data={"issue": f"i{number}"}))

    assert [issue.id for issue in profile.issues] == [f"i{n}" for n in range(1, MAX_ISSUES + 1)]
