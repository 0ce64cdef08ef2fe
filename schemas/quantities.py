"""Quantities: the numbers and names of a playbook, each with the bounds within which it makes sense."""

from __future__ import annotations

from typing import Annotated

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Weight = Annotated[float, msgspec.Meta(ge=-1, le=1)]
Severity = Annotated[float, msgspec.Meta(gt=0, le=1)]
Answer = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
Amount = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
Priority = Annotated[int, msgspec.Meta(ge=-1_000, le=1_000)]
Metres = Annotated[float, msgspec.Meta(gt=0, le=1_000)]
"""Beyond a kilometre of error a location says nothing about a door."""

Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]
Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180)]
Radius = Annotated[float, msgspec.Meta(ge=10, le=5_000)]
"""Metres: less than ten no phone can tell, and five kilometres hold the largest resort."""
Width = Annotated[float, msgspec.Meta(ge=0, le=5_000)]
"""Metres."""

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(?:[.-][a-z0-9]+)*$", max_length=64)]

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
"""A name that others gave, such as an item's: as long as any id may be."""

Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]

Language = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,3}(?:-[A-Z]{2})?$")]
"""A language, such as `en`, or as it is spoken somewhere, such as `pt-BR`."""
