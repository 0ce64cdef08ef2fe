"""Times: inside dangol an integer of milliseconds since 1970 (UTC), on the wire RFC 3339."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_EXACT = 2**33 * SECOND
"""Milliseconds (to the year 2242) up to which seconds as a float are within half a microsecond."""


def to_millis(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware datetime, rounded down.

    >>> to_millis(datetime(2026, 3, 14, 9, 30, tzinfo=UTC))
    1773480600000
    """
    since = moment - _EPOCH
    return since.days * DAY + since.seconds * SECOND + since.microseconds // SECOND


def to_datetime(millis: int) -> datetime:
    """The UTC datetime of milliseconds since 1970.

    >>> to_datetime(1773480600000).isoformat()
    '2026-03-14T09:30:00+00:00'
    """
    if 0 <= millis < _EXACT:
        # On nearly every record: a quarter of a microsecond, against 0.6 by way of a timedelta.
        return datetime.fromtimestamp(millis / SECOND, UTC)
    return _EPOCH + timedelta(milliseconds=millis)


def to_rfc3339(millis: int) -> str:
    """RFC 3339 text in UTC with milliseconds.

    >>> to_rfc3339(1773480600123)
    '2026-03-14T09:30:00.123Z'
    """
    return to_datetime(millis).isoformat(timespec="milliseconds").replace("+00:00", "Z")
