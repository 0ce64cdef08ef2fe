"""Permissions: what a customer agreed to, and the device that is theirs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from schemas.profile import new_profile
from schemas.touchpoint import MAX_ID
from stream.permissions import MAX_PURPOSES, bind_device, grant, withdraw
from tests.hotel import happened


def test_grant_and_withdraw() -> None:
    """A purpose is agreed to until it is withdrawn; others stay as they are."""
    profile = new_profile("ann")
    grant(profile, happened("consent.granted", data={"purpose": "location"}))
    grant(profile, happened("consent.granted", data={"purpose": "e-mail"}))
    grant(profile, happened("consent.granted", data={"purpose": "location"}))

    assert profile.consents == ("e-mail", "location")

    withdraw(profile, happened("consent.withdrawn", data={"purpose": "location"}))
    withdraw(profile, happened("consent.withdrawn", data={"purpose": "never-given"}))

    assert list(profile.consents) == ["e-mail"]


def test_purposes_are_bounded_on_the_safe_side() -> None:
    """Beyond the limit the oldest consent counts as not given."""
    profile = new_profile("ann")
    for number in range(MAX_PURPOSES + 1):
        grant(profile, happened("consent.granted", data={"purpose": f"p{number}"}))

    assert profile.consents == tuple(f"p{number}" for number in range(1, MAX_PURPOSES + 1))


def test_newest_device_is_the_bound_one() -> None:
    """A customer has one device for keys: the latest."""
    profile = new_profile("ann")
    bind_device(profile, happened("device.bound", data={"device": "old"}))
    bind_device(profile, happened("device.bound", data={"device": "new"}))

    assert profile.device == "new"


@pytest.mark.parametrize("name", [None, 7, True, "", "x" * (MAX_ID + 1), ["p"], {"p": 1}])
@pytest.mark.parametrize("change", [bind_device, grant, withdraw])
def test_data_that_names_nothing(change: Any, name: Any) -> None:
    """Without a proper name nothing is bound, granted or withdrawn, and the reason is said."""
    profile = new_profile("ann")

    for data in ({}, {"device": name, "purpose": name}):
        with pytest.raises(msgspec.ValidationError):
            change(profile, happened("x", data=data))
    assert profile == new_profile("ann")
