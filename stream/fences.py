"""Fences: which hotels a location is at, found by one look-up however many there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import asin, ceil, cos, floor, radians, sin, sqrt

from schemas.property import Fence, Property

EARTH_M = 6_371_008.8
"""Mean radius of the earth, in metres (IUGG); a sphere is wrong by at most 0.6 % of a fence's radius."""

CELLS = 10
"""Cells a degree: some eleven kilometres, so that a fence lies in one or a few."""

_METRES_A_DEGREE = radians(1) * EARTH_M
_AROUND = 360 * CELLS


class Fences:
    """The fences of a playbook's properties.

    >>> fences = Fences({"seoul": Property("Asia/Seoul", Fence(37.5665, 126.9780, 150))})
    >>> [(name, round(metres)) for name, metres in fences.near(37.5670, 126.9780)]
    [('seoul', 56)]
    >>> list(fences.near(0, 0))
    []
    """

    def __init__(self, properties: Mapping[str, Property]) -> None:
        self.fences: dict[str, Fence] = {
            name: place.fence for name, place in properties.items() if place.fence is not None
        }
        cells: dict[tuple[int, int], list[str]] = {}
        for name, fence in self.fences.items():
            for cell in _cells(fence):
                cells.setdefault(cell, []).append(name)
        self._cells = {cell: tuple(names) for cell, names in cells.items()}

    def near(self, latitude: float, longitude: float) -> Iterator[tuple[str, float]]:
        """Hotels of which the fence lies about here, and how many metres from its centre that is."""
        cell = floor(latitude * CELLS), floor(longitude * CELLS) % _AROUND
        for name in self._cells.get(cell, ()):
            yield name, distance(self.fences[name], latitude, longitude)


def distance(fence: Fence, latitude: float, longitude: float) -> float:
    """Metres from a fence's centre, along the great circle."""
    here, there = radians(latitude), radians(fence.latitude)
    half_north = sin((there - here) / 2)
    half_east = sin(radians(fence.longitude - longitude) / 2)
    share = half_north * half_north + cos(here) * cos(there) * half_east * half_east
    return 2 * EARTH_M * asin(min(sqrt(share), 1.0))


def _cells(fence: Fence) -> Iterator[tuple[int, int]]:
    """The cells that a fence may touch; all the way round where it is near a pole."""
    north = fence.radius_m / _METRES_A_DEGREE
    widest = min(abs(fence.latitude) + north, 90.0)
    shrunk = cos(radians(widest))
    east = north / shrunk if shrunk > north / 180 else 180.0
    rows = range(floor((fence.latitude - north) * CELLS), ceil((fence.latitude + north) * CELLS) + 1)
    first, last = floor((fence.longitude - east) * CELLS), ceil((fence.longitude + east) * CELLS)
    columns = {column % _AROUND for column in range(first, min(last + 1, first + _AROUND))}
    for row in rows:
        for column in columns:
            yield row, column
