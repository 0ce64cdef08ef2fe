"""`dangol playbook popularity`: how often each item was bought, as a section of a playbook."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.cli import options
from agents.cli.times import Moment
from schemas.errors import InputError, RejectedError
from schemas.families.recommendation import MAX_ITEMS_RANKED

if TYPE_CHECKING:
    from stream.engine import Engine
    from stream.recommend.takings import Takings

MOST = 100
"""Items of each table unless asked for otherwise: far more than a customer will have bought or declined."""


@click.command(short_help="Count what was bought, for `recommendation` to go by.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@options.playbook
@click.option("--since", type=Moment(), metavar="TIME", help="Count what was bought from then on.")
@click.option(
    "--most",
    type=click.IntRange(1, MAX_ITEMS_RANKED),
    default=MOST,
    show_default=True,
    help="Items of each table.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")
def popularity(
    files: tuple[str, ...], playbook: Path | None, since: int | None, most: int, as_json: bool
) -> None:
    """Print the section `popularity` of a playbook, counted from touchpoints of the past.

    FILEs are JSON lines or CSV, `-` is standard input. What buys an item (`bought_by`) and which field names
    it (`item`) the playbook's recommendation plays say; there is a table of everyone, and one of each segment
    that they name or that the playbook has one of already. Put what is printed in the place of the section,
    and apply the playbook. A playbook needs some table to be taken at all: begin with any.

    \b
    Example:
      dangol playbook popularity march.jsonl april.jsonl --playbook mine.yaml
      dangol playbook popularity all.jsonl --since 2026-03-01T00:00:00Z --most 50
    """
    import orjson
    import yaml

    from stream.engine import load_engine
    from stream.recommend.takings import Takings

    engine = load_engine(playbook)
    takings = Takings(engine)
    if not takings.bought_by:
        raise InputError(
            f"{engine.playbook_version} has no play of family recommendation: nothing to count for"
        )
    rejects = _count(files, engine, takings, since or 0)
    tables = takings.tables(most)
    if not tables:
        wanted = ", ".join(takings.bought_by)
        raise InputError(f"nothing was bought: no touchpoint of {wanted} names an item{_left_out(rejects)}")
    if as_json:
        click.echo(orjson.dumps({"popularity": tables, "purchases": takings.purchases, "rejected": rejects}))
        return
    click.echo(f"{takings.purchases:,} purchases counted{_left_out(rejects)}", err=True)
    click.echo(yaml.safe_dump({"popularity": tables}, sort_keys=False, allow_unicode=True), nl=False)


def _count(files: tuple[str, ...], engine: Engine, takings: Takings, since: int) -> Counter[str]:
    """Run the files through the engine, one after another; why lines can't be used, and how many."""
    import msgspec

    from agents.cli.progress import counted, progress
    from agents.touchpoint_files import TouchpointFile
    from stream.replay import Replay

    replay = Replay(engine)
    rejects: Counter[str] = Counter()
    for file in files:
        with TouchpointFile(file) as lines, progress(lines, "counting", shown=True) as look:
            for line in counted(lines, look):
                try:
                    if line.reject is not None:
                        raise line.reject
                    assert line.touchpoint is not None
                    outcomes = replay.take(line.touchpoint)
                except RejectedError as reject:
                    rejects[reject.code] += 1
                except msgspec.ValidationError:
                    rejects["data-invalid"] += 1
                else:
                    # What an alias did is applied to the customer's own profile, where it was sent.
                    applied = next((each for each in outcomes if each.profile.moved_to is None), outcomes[0])
                    if line.touchpoint.time >= since:
                        takings.take(line.touchpoint, applied)
    return rejects


def _left_out(rejects: Counter[str]) -> str:
    """How many lines could not be used, and why, as the end of a sentence.

    >>> _left_out(Counter({"json-invalid": 2}))
    '; 2 lines left out (json-invalid 2)'
    """
    if not rejects:
        return ""
    why = ", ".join(f"{code} {count:,}" for code, count in sorted(rejects.items()))
    return f"; {rejects.total():,} lines left out ({why})"
