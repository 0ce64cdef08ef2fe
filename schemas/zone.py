"""Zone: time zones by their names."""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The IANA time zone of this name; there are some 600.

    Raises:
        ValueError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, OSError):
        raise ValueError(f"`{name}` is no IANA time zone") from None


def is_zone(name: str) -> bool:
    """Whether there is an IANA time zone of this name.

    >>> is_zone("Asia/Seoul"), is_zone("Mars/Olympus"), is_zone("../etc")
    (True, False, False)
    """
    try:
        zone(name)
    except ValueError:
        return False
    return True
