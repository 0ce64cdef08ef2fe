"""Duration: a length of time as a playbook writes it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from schemas.timestamp import DAY, HOUR, MINUTE, SECOND

Duration = Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,5}(?:s|m|h|d)$")]
"""A length of time: a whole number and `s`, `m`, `h` or `d`, such as `30d`."""

_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}


def millis_of(duration: Duration) -> int:
    """Milliseconds of a duration.

    >>> millis_of("30m")
    1800000
    """
    return int(duration[:-1]) * _UNITS[duration[-1]]
