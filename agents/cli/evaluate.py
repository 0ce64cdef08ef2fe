"""`dangol evaluate churn`: how good churn risks would have been on data of the past, as they were given."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schemas.errors import InputError

if TYPE_CHECKING:
    from schemas.touchpoint import Touchpoint
    from stream.churn.prequential import Prequential, Scored
    from stream.churn.scorer import Scorer

CDNOW = "cdnow"

TASKS: dict[str, dict[str, str]] = {
    "E": {"score_on": "activity"},
    "W": {"score_on": "every:7d", "customers": "id % 10 == 0"},
}
"""The two tasks on CDNOW: after each purchase; and weekly, of one customer in ten. The horizon is 90 days."""

MODELS = ("stacked", "stacked-forgetting", "logistic", "naive-bayes", "adaptive-tree", "adaptive-forest")
"""As `stream.churn.kinds.KINDS`; here too, because --help must not import River. The default first."""

_MOST_DAYS = 100_000.0
"""Days beyond all that touchpoints can tell of, 1970 to 2099."""

_EVERY = re.compile(r"every:([1-9][0-9]{0,3})d")


@click.group
def command() -> None:
    """Judge what dangol predicts on data of the past.

    \b
    Example:
      dangol evaluate churn --data cdnow --task E
    """


@command.command
@click.option("--data", metavar="FILE|cdnow", required=True, help="Touchpoints: CSV, JSON lines, or CDNOW.")
@click.option("--task", type=click.Choice(list(TASKS)), help="With --data cdnow: after purchases, or weekly.")
@click.option("--horizon-days", type=float, help="Who doesn't come back for so long is lost.  [default: 90]")
@click.option(
    "--activity", multiple=True, metavar="TYPE", help="Types that count as coming back; repeatable."
)
@click.option("--score-on", metavar="activity|every:7d", help="When to score.  [default: activity]")
@click.option("--max-recency-days", type=float, default=182.0, show_default=True, help="With every:…, whom.")
@click.option(
    "--split-day", type=float, help="Judge only what was said after it.  [default: half of the days]"
)
@click.option(
    "--customers", metavar="EXPR", help="Which customers, such as 'id % 10 == 0' or \"id != 'test'\"."
)
@click.option(
    "--model",
    "--scorer",
    "models",
    type=click.Choice([*MODELS, "all"]),
    multiple=True,
    default=MODELS[:1],
    show_default=True,
    help="What predicts; repeatable, and all run side by side.",
)
@click.option(
    "--baselines", is_flag=True, help="Compare with a constant, recency, BG/NBD, gradient boosting."
)
@click.option("--sort", is_flag=True, help="Sort the file by time first.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE.png", help="Draw calibration and AUC.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def churn(
    data: str,
    task: str | None,
    horizon_days: float | None,
    activity: tuple[str, ...],
    score_on: str | None,
    max_recency_days: float,
    split_day: float | None,
    customers: str | None,
    models: tuple[str, ...],
    baselines: bool,
    sort: bool,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Run through the past once, in order of time, and judge each risk as it was given at its time.

    It runs on profiles as the worker keeps them. A label matures at exactly the horizon after a point, for
    those who came back as for those who were lost, and is learned before anything is scored at that moment.
    A customer's touchpoints of one UTC day are one activity; touchpoints of other types tell something, and
    never decide who came back.

    \b
    Examples:
      dangol evaluate churn --data cdnow --task E --baselines
      dangol evaluate churn --data sales.csv --horizon-days 60 --activity order.placed --json
    """
    import msgspec

    from agents.cli.evaluate_page import show
    from agents.evaluation.catalogue import playbook_of
    from agents.evaluation.customers import chosen
    from agents.evaluation.history import history
    from schemas.timestamp import DAY

    if task and data != CDNOW:
        raise InputError(
            "--task is for --data cdnow; for your own data say --score-on, --horizon-days, --customers"
        )
    asked = TASKS[task or "E"] if data == CDNOW else {}
    horizon_days = 90.0 if horizon_days is None else horizon_days
    if not 0.0 < horizon_days <= 3650.0:
        raise InputError(f"--horizon-days {horizon_days:g}: a horizon is more than 0 and at most 3650 days")
    _check_days("--split-day", split_day or 0.0)
    _check_days("--max-recency-days", max_recency_days)
    every = _every(score_on or asked.get("score_on", "activity"))
    wanted = chosen(customers or asked.get("customers"))
    _check_extras(plot, baselines)
    touchpoints = history(data, wanted, _tell, sort=sort)
    start = touchpoints[0].time - touchpoints[0].time % DAY
    span = (touchpoints[-1].time - start) // DAY
    split = start + int((-(-span // 2) if split_day is None else split_day) * DAY)
    horizon = int(horizon_days * DAY)
    playbook = playbook_of(touchpoints, activity, data)

    from agents.evaluation.figures import figures_of
    from agents.evaluation.timed import Timed
    from stream.churn.kinds import new
    from stream.churn.prequential import Prequential

    names = MODELS if "all" in models else tuple(dict.fromkeys(models))
    timed = [Timed(new(name, horizon_days)) for name in names]
    scorers: list[Scorer] = [*timed, *_anchors(horizon_days, baselines)]
    run = Prequential(playbook, scorers, horizon, every=every, longest_silence=int(max_recency_days * DAY))
    points = list(_shown(run, touchpoints, span, start))
    found = [
        figures_of(points, split, start, data, horizon_days, number)
        | {"us_score": round(watched.us_score, 2), "us_learn": round(watched.us_learn, 2)}
        for number, watched in enumerate(timed)
    ]
    figures = found[0]
    figures["baselines"] = {}
    if baselines:
        from agents.evaluation.comparison import compared

        _tell("fitting gradient boosting every 28 days")
        figures["baselines"] = compared(points, len(timed), figures, horizon, split)
    figures["models"] = dict(zip(names[1:], found[1:], strict=True))
    _tell_what_is_left_out(run)
    if plot:
        from agents.evaluation.picture import draw

        draw(plot, figures)
    if as_json:
        click.echo(msgspec.json.encode(figures))
    else:
        show(figures, names[0])


def _check_days(option: str, days: float) -> None:
    if not 0.0 <= days <= _MOST_DAYS:
        raise InputError(f"{option} {days:g}: say a number of days, from 0 to {_MOST_DAYS:,.0f}")


def _check_extras(plot: Path | None, baselines: bool) -> None:
    """Raise InputError at once, rather than after minutes, where what is needed is not there."""
    if plot:
        from agents.evaluation.picture import check

        check(plot)
    if baselines:
        from agents.evaluation.boosting import boosting

        boosting()


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _tell_what_is_left_out(run: Prequential) -> None:
    if run.rejected or run.outages:
        _tell(f"{run.rejected:,} touchpoints left out, {run.outages} outages of ingestion")
    if run.duplicates:
        _tell(f"{run.duplicates:,} touchpoints left out, as their ids had been seen before")


def _anchors(horizon_days: float, asked: bool) -> list[Scorer]:
    from agents.evaluation.anchors import Constant, Purchases, Recency

    return [Constant(), Recency(), Purchases(horizon_days)] if asked else []


def _every(score_on: str) -> int:
    """Milliseconds between two looks; 0 for scoring upon activity."""
    from schemas.timestamp import DAY

    if score_on == "activity":
        return 0
    if found := _EVERY.fullmatch(score_on):
        return int(found[1]) * DAY
    raise InputError(f"--score-on {score_on}: say `activity`, or `every:7d` for every so many days")


def _shown(run: Prequential, touchpoints: list[Touchpoint], span: int, start: int) -> Iterator[Scored]:
    """The points, in order of time, with a bar on a terminal."""
    from schemas.timestamp import DAY

    if not sys.stderr.isatty():
        yield from run.run(touchpoints)
        return
    with click.progressbar(length=span + 1, label="evaluating", file=click.get_text_stream("stderr")) as bar:
        for point in run.run(touchpoints):
            yield point
            if (day := (point.time - start) // DAY) > bar.pos:
                bar.update(day - bar.pos)
        bar.update(span + 1 - bar.pos)
