"""`dangol replay`: a file of touchpoints through the engine, without a broker."""

from __future__ import annotations

import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.cli import options
from schemas.errors import InputError, RejectedError

if TYPE_CHECKING:
    from typing import BinaryIO

    from agents.touchpoint_files import Line
    from schemas.touchpoint import Touchpoint
    from stream.outcome import Outcome
    from stream.replay import Replay


@click.command
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="Print triggers and decisions as JSON lines.")
@options.playbook
@click.option("--model", metavar="VERSION", help="Churn model to score with; else the one that ships.")
@click.option("--stages", is_flag=True, help="Print changes of 5A stage too.")
@click.option(
    "--partitions",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Of the topic that it is compared with: outages of ingestion are told by partition.",
)
@click.option(
    "--profiles",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the profiles at the end, as JSON lines in order of customer.",
)
def command(
    file: str,
    as_json: bool,
    playbook: Path | None,
    model: str | None,
    stages: bool,
    partitions: int,
    profiles: Path | None,
) -> None:
    """Run touchpoints through the engine: what would have been done, for whom, and why not.

    FILE holds JSON lines or CSV; - reads them from standard input. The time of each decision is the
    touchpoint's own, so the same input always gives the same output, byte for byte. Lines that can't be
    used are told on stderr with their reason, and counted. Timers fire with their customer's next
    touchpoint, and at the end for those who have none.

    \b
    Example:
      dangol data cdnow | dangol replay - --json > decided.jsonl
    """
    from agents.cli.progress import progress
    from agents.partitioner import partition_of
    from agents.touchpoint_files import TouchpointFile
    from stream.engine import load_engine
    from stream.replay import Replay

    engine = load_engine(playbook, model)
    replay = Replay(engine, lambda customer: partition_of(customer.encode(), partitions))
    rejects: Counter[str] = Counter()
    out = click.get_binary_stream("stdout")
    write = partial(_write_json, out, stages) if as_json else partial(_print_lines, stages)
    # Where the lines themselves run down the terminal, a bar would only get in their way.
    with TouchpointFile(file) as lines, progress(lines, "replaying", shown=not sys.stdout.isatty()) as look:
        for count, line in enumerate(lines, start=1):
            for outcome in _take(replay, line, rejects):
                write(outcome, line.touchpoint)
            look(count)
        for outcome in replay.finish():
            write(outcome, None)
    if profiles:
        _write_profiles(profiles, replay)
    _print_summary(replay, rejects, err=as_json)


def _take(replay: Replay, line: Line, rejects: Counter[str]) -> list[Outcome]:
    """What a line leads to; nothing where it can't be used, which is told and counted."""
    import msgspec

    try:
        if line.reject is not None:
            raise line.reject
        assert line.touchpoint is not None
        return replay.take(line.touchpoint)
    except RejectedError as reject:
        code, reason = reject.code, str(reject)
    except msgspec.ValidationError as error:
        code, reason = "data-invalid", str(error)
    rejects[code] += 1
    click.echo(f"line {line.number}: {code}: {reason}", err=True)
    return []


def _write_json(out: BinaryIO, stages: bool, outcome: Outcome, _: Touchpoint | None) -> None:
    from schemas import decision, erasure, stage, trigger

    out.writelines(trigger.encode(fired) + b"\n" for fired in outcome.triggers)
    out.writelines(decision.encode(decided) + b"\n" for decided in outcome.decisions)
    if stages and outcome.stage is not None and outcome.erasure is None:
        out.write(stage.encode(outcome.stage) + b"\n")
    if outcome.erasure is not None:
        out.write(erasure.encode(outcome.erasure) + b"\n")


def _print_lines(stages: bool, outcome: Outcome, touchpoint: Touchpoint | None) -> None:
    import msgspec

    from agents.display import decision_lines, erasure_line, stage_line, trigger_line
    from schemas import decision, erasure, stage, trigger

    if outcome.erasure is not None:
        proof = msgspec.json.decode(erasure.encode(outcome.erasure), type=erasure.ErasureEvent)
        click.echo(erasure_line(proof))
    for fired in outcome.triggers:
        event = msgspec.json.decode(trigger.encode(fired), type=trigger.TriggerEvent)
        cause = touchpoint.type if touchpoint is not None and touchpoint.id == fired.touchpoint else None
        click.echo(trigger_line(event, cause))
    for decided in outcome.decisions:
        decision_event = msgspec.json.decode(decision.encode(decided), type=decision.DecisionEvent)
        for text in decision_lines(decision_event, held_only=True):
            click.echo(text)
    if stages and outcome.stage is not None and outcome.erasure is None:
        click.echo(stage_line(msgspec.json.decode(stage.encode(outcome.stage), type=stage.StageEvent)))


def _write_profiles(path: Path, replay: Replay) -> None:
    from stream.erasure import is_blank
    from stream.replay import profile_line

    try:
        with path.open("wb") as file:
            for _, profile in sorted(replay.customers.items()):
                if not is_blank(profile):
                    file.write(profile_line(profile) + b"\n")
    except OSError as error:
        raise InputError(f"can't write {path}: {error.strerror or error}") from None


def _print_summary(replay: Replay, rejects: Counter[str], *, err: bool) -> None:
    rows = [
        ("touchpoints", replay.touchpoints),
        ("customers", len(replay.customers)),
        ("duplicates", replay.duplicates),
        ("decisions", replay.decisions),
        *((("erasures", replay.erasures), ("erased", replay.erased)) if replay.erasures else ()),
        *((f"triggers {family}", count) for family, count in sorted(replay.triggers.items())),
        ("rejected", rejects.total()),
        *((f"rejected {code}", count) for code, count in sorted(rejects.items())),
    ]
    width = max(len(name) for name, _ in rows)
    for name, count in rows:
        click.echo(f"{name:<{width}}  {count:>10,}", err=err)
