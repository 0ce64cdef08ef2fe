"""`dangol model train`: the churn model that ships, made by one command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from schemas.errors import InputError

if TYPE_CHECKING:
    from schemas.touchpoint import Touchpoint
    from stream.churn.training import Point

CDNOW = "cdnow"

DEFAULT_VERSION = "cdnow-2026.11"
"""As `stream.churn.models.DEFAULT`; stands here too because --help must not import River."""

_VERSION = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
_COLUMNS = ("points", "churned", "AUC", "log loss", "calibration error")


@click.command(short_help="Make the model that ships, or one from a file.")
@click.option(
    "--data",
    metavar="FILE|cdnow",
    default=CDNOW,
    show_default=True,
    help="Touchpoints to learn from: a file (JSON lines or CSV), or the real purchases of CDNOW.",
)
@click.option(
    "--horizon-days",
    type=click.IntRange(1, 3650),
    default=90,
    show_default=True,
    help="A customer who doesn't come back for so long counts as lost.",
)
@click.option(
    "--version", default=DEFAULT_VERSION, show_default=True, help="What decisions will call the model."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="The file to write; without it, the model ships."
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def train(data: str, horizon_days: int, version: str, out: Path | None, as_json: bool) -> None:
    """Learn from the past in one pass, and say how good the risks were.

    Every risk is judged as it was given at its time, from what was known by then, in the second half of
    the data. The same data always give the same file.

    \b
    Example:
      dangol model train --data sales.csv --horizon-days 60 --version shop-2027.01 --out shop.json
    """
    import msgspec

    from schemas.playbook import load
    from schemas.timestamp import DAY
    from stream.churn.logistic import Logistic
    from stream.churn.models import FOLDER, Model
    from stream.churn.training import Training
    from stream.engine import DEFAULT_PLAYBOOK

    if not _VERSION.fullmatch(version):
        raise InputError(f"{version!r} can't name a model; use lower-case letters, digits, dots and hyphens")
    touchpoints = sorted(_read(data), key=lambda touchpoint: touchpoint.time)
    if not touchpoints:
        raise InputError(f"{data} holds no touchpoint that can be read: nothing to learn from")
    customers = len({touchpoint.customer for touchpoint in touchpoints})
    days = (touchpoints[-1].time - touchpoints[0].time) // DAY
    click.echo(f"read {len(touchpoints):,} touchpoints of {customers:,} customers over {days} days", err=True)

    scorer = Logistic()
    playbook = load(DEFAULT_PLAYBOOK.read_text(encoding="utf-8"), str(DEFAULT_PLAYBOOK))
    points = []
    with click.progressbar(length=days + 1, label="learning", file=click.get_text_stream("stderr")) as bar:
        for point in Training(playbook, scorer, horizon_days * DAY).run(touchpoints):
            points.append(point)
            bar.update((point.time - touchpoints[0].time) // DAY - bar.pos)
        bar.update(days + 1 - bar.pos)
    if not points:
        raise InputError(
            f"{data} covers {days} days: no label matures before {horizon_days} days after a purchase"
        )

    made_by = f"dangol model train --data {_name_of(data)} --horizon-days {horizon_days} --version {version}"
    model = Model(version, horizon_days, made_by, scorer.snapshot())
    path = out or FOLDER / f"{version}.json"
    size = _write(path, msgspec.json.format(msgspec.json.encode(model), indent=1) + b"\n")

    half = touchpoints[0].time + -(-days // 2) * DAY
    figures = _figures([point for point in points if point.time > half])
    if as_json:
        click.echo(
            msgspec.json.encode(
                {"version": version, "file": str(path), "bytes": size, "points": len(points), **figures}
            )
        )
        return
    _print(figures)
    click.echo(f"learned from {len(points):,} points; wrote {path} ({size:,} bytes)")


def _read(data: str) -> Iterator[Touchpoint]:
    from agents import cdnow
    from agents.touchpoint_files import TouchpointFile
    from schemas.touchpoint import decode

    if data == CDNOW:
        yield from map(decode, cdnow.lines())
        return
    with TouchpointFile(data) as file:
        for line in file:
            if line.touchpoint is not None:
                yield line.touchpoint
            else:
                click.echo(f"{file.name}, line {line.number}: {line.reject}; left out", err=True)


def _name_of(data: str) -> str:
    """What the data are called in the model: a file by its name and content, not by where it lay."""
    import hashlib

    if data in {CDNOW, "-"}:
        return data
    return f"{Path(data).name} (sha256 {hashlib.sha256(Path(data).read_bytes()).hexdigest()[:12]})"


def _figures(points: list[Point]) -> dict[str, Any]:
    from stream.churn.quality import quality_of

    return {
        name: quality_of(
            [p.risk for p in points if p.bought is bought], [p.churned for p in points if p.bought is bought]
        )
        for name, bought in (("after_purchase", True), ("in_silence", False))
    }


def _print(figures: dict[str, Any]) -> None:
    click.echo(f"{'risk given':<16}" + "".join(f"{name:>18}" for name in _COLUMNS))
    for name, quality in figures.items():
        label = name.replace("_", " ")
        if quality is None:
            click.echo(f"{label:<16}  too few points to tell")
            continue
        cells = (
            f"{quality.points:,}",
            f"{quality.churned:.1%}",
            f"{quality.auc:.3f}",
            f"{quality.log_loss:.3f}",
            f"{quality.calibration_error:.3f}",
        )
        click.echo(f"{label:<16}" + "".join(f"{cell:>18}" for cell in cells))


def _write(path: Path, content: bytes) -> int:
    """Write a file in one step: a model is there as a whole or not at all."""
    beside = path.with_name(f".{path.name}.part")
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)  # A pipe or a device is written to, never replaced.
            return len(content)
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        raise InputError(f"can't write {path}: {error.strerror or error}") from None
    return len(content)
