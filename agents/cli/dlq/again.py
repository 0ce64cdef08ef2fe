"""`dangol dlq replay`: letters to the touchpoint topic once more."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

from agents.cli import options
from agents.cli.dlq.reading import bar, letters_at
from agents.cli.dlq.selection import AddressParam, json_option, reason_option, since_option
from agents.cli.dlq.wording import when
from agents.display import printable
from schemas.errors import InputError

if TYPE_CHECKING:
    from agents.connection import Connection
    from agents.dead_letters import Address, Letter
    from agents.publisher import Publisher
    from schemas.topics import Topics


@click.command(short_help="Publish them to the touchpoint topic again.")
@click.argument("addresses", nargs=-1, type=AddressParam(), metavar="[PARTITION:OFFSET]...")
@options.connection
@options.prefix
@reason_option
@since_option
@click.option("--all", "everything", is_flag=True, help="All that are there.")
@click.option("--dry-run", is_flag=True, help="Say what would be replayed, and publish nothing.")
@click.option("--force", is_flag=True, help="Also those that were replayed five times and died each time.")
@json_option
def replay(
    addresses: tuple[Address, ...],
    connection: Connection,
    prefix: str,
    reason: str | None,
    since: int | None,
    everything: bool,
    dry_run: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Publish dead letters to the touchpoint topic again, once what was wrong is mended.

    Key, value and headers are the original ones; headers say which letter it was and count the attempts.
    They pass deduplication like any touchpoint: one whose source and id were applied meanwhile is
    counted as a duplicate and changes nothing, if it is among the customer's latest 64; else it would count
    twice, so name what you mean, by place, --reason or --since. One that happened before its customer was
    erased brings nobody back. A touchpoint without a time of its own keeps that of its first record.

    Nothing is deleted from the dead-letter topic. Of a letter that was replayed and died again only the last
    one is taken, unless named by its place. What can't be replayed is told; then the exit code is 2.

    \b
    Example:
      dangol dlq replay --reason engine-error --since 2026-03-14T00:00:00Z --dry-run
      dangol dlq replay 3:17 3:18
    """
    from schemas.topics import Topics

    filtered = reason is not None or since is not None
    if not (addresses or filtered or everything):
        raise click.UsageError("say which: places as 3:17, --reason, --since, or --all")
    if addresses and (filtered or everything):
        raise click.UsageError("places go neither with --reason and --since nor with --all")
    if everything and filtered:
        raise click.UsageError("--all goes neither with --reason nor with --since")
    run = _Run(connection, Topics(prefix), dry_run, force, not as_json)
    started = time.monotonic()
    asyncio.run(run.named(addresses) if addresses else run.filtered(reason, since))
    _report(run, time.monotonic() - started, as_json)


class _Run:
    """One replay, and what became of its letters.

    Attributes:
        dry: whether nothing is published.
        replayed: letters that were published, or would be.
        superseded: letters left out because they were replayed before and died again.
        refused: letters that can't be replayed, by reason code.
    """

    def __init__(self, connection: Connection, topics: Topics, dry: bool, force: bool, told: bool) -> None:
        self.dry = dry
        self.replayed = 0
        self.superseded = 0
        self.refused: Counter[str] = Counter()
        self._connection = connection
        self._topics = topics
        self._force = force
        self._told = told

    async def named(self, addresses: tuple[Address, ...]) -> None:
        """Replay the letters at these addresses; all of them are looked up before the first is published."""
        letters = await letters_at(self._connection, self._topics, addresses)
        async with self._publisher() as publisher:
            for letter in letters:
                await self._take(letter, publisher)

    async def filtered(self, reason: str | None, since: int | None) -> None:
        """Replay what is there as of now, for a reason and since a time."""
        from agents.dead_letters import DeadLetters, died_again

        async with DeadLetters(self._connection, self._topics) as dead:
            span = await dead.span(since)
            superseded = set()
            with bar("reading", span.length) as look:
                async for letter in dead.letters(span):
                    look()
                    if before := died_again(letter, self._topics):
                        superseded.add(before)
            with bar("replaying", span.length) as look:
                async with self._publisher() as publisher:
                    async for letter in dead.letters(span):
                        look()
                        if reason not in (None, letter.code):
                            continue
                        if letter.address in superseded:
                            self.superseded += 1
                        else:
                            await self._take(letter, publisher)

    async def _take(self, letter: Letter, publisher: Publisher | None) -> None:
        from agents.dead_letters import publish_again, refusal

        if refused := refusal(letter, force=self._force):
            code, why = refused
            self.refused[code] += 1
            click.echo(f"{letter.address}: {code}: {why}", err=True)
        elif publisher is not None:
            await publish_again(letter, self._topics, publisher)
        else:
            self.replayed += 1
            if self._told:
                click.echo(f"{letter.address}  {when(letter.timestamp)}  {printable(letter.code)}")

    @asynccontextmanager
    async def _publisher(self) -> AsyncIterator[Publisher | None]:
        """What a letter is handed to; None in a dry run."""
        from agents.publisher import Publisher

        if self.dry:
            yield None
            return
        async with Publisher(self._connection, self._topics) as publisher:
            yield publisher
        self.replayed = publisher.acknowledged


def _report(run: _Run, seconds: float, as_json: bool) -> None:
    """The counts, and an error if anything was refused."""
    import orjson

    if as_json:
        counts = {
            "dry_run": run.dry,
            "replayed": run.replayed,
            "superseded": run.superseded,
            "refused": dict(sorted(run.refused.items())),
            "seconds": round(seconds, 3),
        }
        click.echo(orjson.dumps(counts))
    else:
        did = "would replay" if run.dry else "replayed"
        left = f"; left out {run.superseded:,} that died again since" if run.superseded else ""
        click.echo(f"{did} {run.replayed:,} dead letters in {seconds:.1f} s{left}")
    if run.refused:
        reasons = ", ".join(f"{count:,} {code}" for code, count in sorted(run.refused.items()))
        others = "would be replayed" if run.dry else "were replayed"
        raise InputError(
            f"{run.refused.total():,} letters can't be replayed ({reasons}); the others {others}"
        )
