"""Times as people give them on the command line."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click


class Moment(click.ParamType):
    """A time with its UTC offset, in RFC 3339; becomes ms since 1970."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Milliseconds since 1970."""
        from schemas.timestamp import to_millis

        wanted = "write it with its UTC offset, as 2026-03-14T00:00:00Z"
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time; {wanted}", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} could be anywhere; {wanted}", param, ctx)
        return to_millis(moment)


class Length(click.ParamType):
    """A length of time as a playbook has it, such as `7d`; becomes ms."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Milliseconds."""
        import msgspec

        from schemas.duration import Duration, millis_of

        try:
            return millis_of(msgspec.convert(value, Duration))
        except msgspec.ValidationError:
            self.fail(
                f"{value!r} is no length of time; write a whole number and s, m, h or d, as 7d", param, ctx
            )
