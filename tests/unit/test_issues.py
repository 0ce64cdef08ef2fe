"""Issues: opened, closed, never twice, never too many."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from schemas.issue import MAX_ISSUES, Issue
from schemas.profile import Profile, new_profile
from schemas.touchpoint import MAX_ID
from stream.issues import close_issue, open_issue
from tests.hotel import NOON, happened


def opened(*issues: str) -> Profile:
    """A profile on which these issues are open."""
    profile = new_profile("ann")
    for issue in issues:
        open_issue(profile, happened("complaint.opened", data={"issue": issue}))
    return profile


@pytest.mark.parametrize(("data", "issue"), [({"issue": "i1"}, "i1"), ({}, "t1"), ({"issue": None}, "t1")])
def test_issue_is_named_or_is_the_touchpoint(data: dict[str, Any], issue: str) -> None:
    """The data says which issue; else the touchpoint that opened it gives its id."""
    profile = new_profile("ann")

    assert open_issue(profile, happened("complaint.opened", data=data, id_="t1")) == issue
    assert list(profile.issues) == [Issue(issue, NOON, "complaint.opened")]


@pytest.mark.parametrize("issue", [7, 7.5, True, "", "x" * (MAX_ID + 1), ["i1"], {"id": "i1"}, 10**400])
def test_issue_named_by_no_id(issue: Any) -> None:
    """An issue that is named wrongly is refused: opened under another name it could never be closed."""
    profile = opened("i1")
    touchpoint = happened("complaint.opened", data={"issue": issue})

    for change in (open_issue, close_issue):
        with pytest.raises(msgspec.ValidationError, match="issue"):
            change(profile, touchpoint)
    assert profile == opened("i1")


def test_open_and_close() -> None:
    """An issue is open from its opening to its closing, and each happens once."""
    profile = new_profile("ann")
    touchpoint = happened("complaint.opened", data={"issue": "i1"})

    assert open_issue(profile, touchpoint) == "i1"
    assert list(profile.issues) == [Issue("i1", NOON, "complaint.opened")]
    assert open_issue(profile, touchpoint) is None
    assert close_issue(profile, touchpoint) == "i1"
    assert profile.issues == ()
    assert close_issue(profile, touchpoint) is None


@pytest.mark.parametrize(
    ("issues", "data", "closed", "left"),
    [
        (["i1"], {}, "i1", []),
        (["i1"], {"issue": None}, "i1", []),
        (["i1", "i2"], {}, None, ["i1", "i2"]),
        (["i1", "i2"], {"issue": "i2"}, "i2", ["i1"]),
        (["i1"], {"issue": "i2"}, None, ["i1"]),
        ([], {}, None, []),
    ],
)
def test_closing_that_names_no_issue(
    issues: list[str], data: dict[str, Any], closed: str | None, left: list[str]
) -> None:
    """Where one issue is open it is the one that is meant; where several are, nobody knows which."""
    profile = opened(*issues)

    assert close_issue(profile, happened("complaint.closed", data=data)) == closed
    assert [issue.id for issue in profile.issues] == left


def test_newest_issues_are_kept() -> None:
    """Beyond the limit the oldest issue goes."""
    profile = opened(*(f"i{number}" for number in range(MAX_ISSUES + 1)))

    assert [issue.id for issue in profile.issues] == [f"i{n}" for n in range(1, MAX_ISSUES + 1)]
