"""Which letters are meant: by their places, by reason, by time."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from agents.dead_letters import Address

_ADDRESS = re.compile(r"([0-9]{1,9}):([0-9]{1,18})")


class AddressParam(click.ParamType):
    """Where a letter stands on the dead-letter topic, written as `PARTITION:OFFSET`."""

    name = "partition:offset"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """The address."""
        from agents.dead_letters import Address

        match = _ADDRESS.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is no place of a letter; write PARTITION:OFFSET, as 3:17", param, ctx)
        return Address(int(match[1]), int(match[2]))


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


reason_option = click.option("--reason", metavar="CODE", help="Only these, such as json-invalid.")
since_option = click.option(
    "--since", type=Moment(), metavar="TIME", help="Only those put aside since, as 2026-03-14T00:00:00Z."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")
