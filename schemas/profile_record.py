"""Profile record: a profile as JSON has it, with all names in full."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.kinds import Kind
from schemas.profile import Profile


def _field(name: str, type_: Any, default: Any) -> tuple[str, Any, Any]:
    return (name, dict[str, Kind], {}) if name == "kinds" else (name, type_, default)


ProfileRecord = msgspec.defstruct(
    "Profile",
    [
        _field(each.name, each.type, {} if each.default_factory is dict else each.default)
        for each in msgspec.structs.fields(Profile)
    ],
    omit_defaults=True,
    namespace={"__doc__": Profile.__doc__},
    gc=False,
)
"""A profile but for the form in which it is stored."""


def encode(profile: Profile) -> bytes:
    """A profile as JSON.

    >>> from schemas.profile import new_profile
    >>> encode(new_profile("ann"))
    b'{"version":2,"customer":"ann"}'
    """
    said = {name: getattr(profile, name) for name in Profile.__struct_fields__}
    return msgspec.json.encode(ProfileRecord(**{**said, "kinds": dict(profile.kinds)}))
