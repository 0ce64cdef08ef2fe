"""How what stands in a letter is written."""

from __future__ import annotations

from agents.display import FORMAT, header_value, printable


def text_of(raw: bytes | None, header: str = "") -> str | int | None:
    """Bytes as text, or as the number that the header of this name holds."""
    return None if raw is None else header_value(header, raw)


def when(millis: int) -> str:
    """A time for people; what lies outside the calendar stays a number."""
    from schemas.timestamp import to_datetime

    try:
        return f"{to_datetime(millis):{FORMAT}}"
    except OverflowError:
        return f"{millis} ms"


def short(text: str, length: int) -> str:
    """A text for the terminal, cut after so many characters."""
    return printable(text if len(text) <= length else f"{text[:length]}...")
