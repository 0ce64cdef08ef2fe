"""`dangol model show`: the learned models, and how good what is in force and its challenger are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from agents.cli import options

if TYPE_CHECKING:
    from agents.connection import Connection
    from agents.shelf import Shelf
    from agents.training_figures import Told, TrainingFigures
    from stream.churn.challenger import Comparison

_COLUMNS = f"{'examples':>10}{'lost':>9}{'AUC':>9}{'log loss':>11}{'calibration error':>20}"

_WHOSE = {"said": "said by workers", "learned": "in force", "challenger": "challenger"}


@click.command(short_help="Show what was learned, and how good it is.")
@options.connection
@options.prefix
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")
def show(connection: Connection, prefix: str, as_json: bool) -> None:
    """Show the learned models on the topic, and how good the one in force and its challenger are.

    Figures are those of when the one in force was published, over the latest 5,000 examples, each judged
    before it was learned from; by 5A stage and by the playbook's
    segments (`in vip`), if there were 100 examples of it.

    \b
    Example:
      dangol model show
      dangol model show --json
    """
    import orjson

    from agents import model_shelf, shelf
    from schemas.topics import Topics

    topics = Topics(prefix)
    found = asyncio.run(shelf.fetch(connection, topics, topics.models))
    model = model_shelf.in_force(found, topics.models)
    rows = [about for version in reversed(found.editions) if (about := _about(found, version)) is not None]
    if as_json:
        click.echo(orjson.dumps({"models": rows, "figures": model.figures}))
        return
    for row in rows:
        click.echo(_line(row))
    if (figures := _figures(model.figures)) is not None:
        click.echo()
        _print(figures)


def _about(shelf: Shelf, version: str) -> dict[str, Any] | None:
    """What is known of a model; None for what can't be read."""
    from schemas import model as codec
    from schemas.errors import InputError
    from schemas.timestamp import to_rfc3339

    published = shelf.editions[version]
    try:
        model = codec.decode(published.text, version)
    except InputError:
        return None
    return {
        "version": version,
        "role": {shelf.current: "in force", shelf.challenger: "challenger"}.get(version),
        "kind": model.kind,
        "learned": model.learned,
        "horizon_days": model.horizon_s / 86_400,
        "bytes": len(published.text),
        "published": to_rfc3339(published.published),
    }


def _line(about: Mapping[str, Any]) -> str:
    from agents.display import printable

    role = click.style(f"{about['role'] or '':<10}", fg="green" if about["role"] == "in force" else None)
    return (
        f"{role}  {printable(about['version']):<24}  {printable(about['kind']):<18}  "
        f"{about['learned']:>9,} examples  {about['bytes']:>9,} bytes  {about['published']}"
    )


def _figures(told: dict[str, Any]) -> TrainingFigures | None:
    """The figures that a model holds; None where it has none, or those of another program."""
    import msgspec

    from agents.training_figures import TrainingFigures

    try:
        return msgspec.convert(told, TrainingFigures)
    except msgspec.ValidationError:
        return None


def _print(figures: TrainingFigures) -> None:
    click.echo(f"{'':<32}{_COLUMNS}")
    for of, name in _WHOSE.items():
        if of in figures.risks:
            kind = figures.kinds.get({"learned": "champion"}.get(of, of))
            click.echo(_row(name if kind is None else f"{name}: {kind}", figures.risks[of]))
            for stage, told in figures.stages.get(of, {}).items():
                click.echo(_row(f"  {stage}", told))
            for segment, told in figures.segments.get(of, {}).items():
                click.echo(_row(f"  in {segment}", told))
    if figures.comparison is not None:
        click.echo()
        click.echo(_verdict(figures.comparison))


def _row(name: str, told: Told) -> str:
    from agents.display import printable

    return (
        f"{printable(name):<32}{told.points:>10,}{told.churned:>9.1%}{told.auc:>9.3f}{told.log_loss:>11.3f}"
        f"{told.calibration_error:>20.3f}"
    )


def _verdict(its: Comparison) -> str:
    what = (
        f"challenger less what is in force, on the same {its.examples:,} examples: "
        f"log loss {its.difference:+.4f}, AUC {its.auc:+.4f}\nwith a certainty of 99.9 % the log loss "
        f"is below {its.bound:+.4f}: "
    )
    if its.better:
        return f"{what}it is better, `dangol model promote` puts it in force"
    return f"{what}not enough (5,000 examples, below −0.0020, and no lower AUC)"
