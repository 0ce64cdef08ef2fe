"""Fences: near and far, at any place on earth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.property import Fence, Property
from stream.fences import Fences, distance
from tests.hotel import PROPERTY_TEST


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        ((0.0, 0.0), (0.0, 0.0), 0),
        ((0.0, 0.0), (0.0, 1.0), 111_195),
        ((37.5665, 126.978), (37.5665, 126.979), 88),
        ((90.0, 0.0), (-90.0, 0.0), 20_015_114),
        ((0.0, 179.9995), (0.0, -179.9995), 111),
        ((89.9999, 0.0), (89.9999, 180.0), 22),
    ],
)
def test_distance(one: tuple[float, float], other: tuple[float, float], metres: int) -> None:
    """Along the great circle, across the date line and over the pole."""
    assert round(distance(Fence(*one, radius_m=100), *other)) == metres
    assert round(distance(Fence(*other, radius_m=100), *one)) == metres


@PROPERTY_TEST
@given(
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    radius=st.floats(10, 5000),
    north=st.floats(-0.1, 0.1),
    east=st.floats(-0.5, 0.5),
)
def test_whoever_is_within_a_fence_is_found(
    latitude: float, longitude: float, radius: float, north: float, east: float
) -> None:
    """The look-up by cells finds every fence that a point lies in, at the poles and the date line too."""
    fence = Fence(latitude, longitude, radius_m=radius)
    here = min(max(latitude + north, -90.0), 90.0), (longitude + east + 180) % 360 - 180
    metres = distance(fence, *here)

    found = dict(Fences({"hotel": Property("UTC", fence)}).near(*here))

    assert found in ({"hotel": metres}, {})
    assert metres > radius or found == {"hotel": metres}


def test_hotel_without_a_fence_is_nowhere() -> None:
    """It has no place on the map."""
    assert list(Fences({"hotel": Property("UTC")}).near(0.0, 0.0)) == []
