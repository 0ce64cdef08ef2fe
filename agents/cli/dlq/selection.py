"""Which letters are meant: by their places, by reason, by time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from agents.cli.times import Moment

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


reason_option = click.option("--reason", metavar="CODE", help="Only these, such as json-invalid.")
since_option = click.option(
    "--since", type=Moment(), metavar="TIME", help="Only those put aside since, as 2026-03-14T00:00:00Z."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")
