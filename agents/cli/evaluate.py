"""`dangol evaluate churn`: how good churn risks would have been on data of the past, as they were given."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

import click

from schemas.errors import InputError

if TYPE_CHECKING:
    from schemas.playbook import Playbook
    from schemas.touchpoint import Touchpoint
    from stream.churn.prequential import Prequential, Scored
    from stream.churn.scorer import Features, Scorer

CDNOW = "cdnow"

TASKS: dict[str, dict[str, str]] = {
    "E": {"score_on": "activity"},
    "W": {"score_on": "every:7d", "customers": "id % 10 == 0"},
}
"""The two tasks on CDNOW: after each purchase; and weekly, of one customer in ten. The horizon is 90 days."""

SCORERS = ("stacked", "logistic")

MONTH_DAYS = 28
"""Days that are judged together over time."""

LEAST_OF_A_MONTH = 50
"""Points that such a month must have to be compared with others."""

_EVERY = re.compile(r"every:([1-9][0-9]{0,3})d")
_CLAUSE = re.compile(
    r"\s*(?:(id|hash)\s*(?:%\s*([1-9][0-9]*)\s*)?(==|!=|<=|>=|<|>)\s*(-?[0-9]+)|id\s*(==|!=)\s*(?:'([^']*)'|\"([^\"]*)\"))\s*"
)


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
    "--scorer", type=click.Choice(SCORERS), default=SCORERS[0], show_default=True, help="What predicts."
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
    scorer: str,
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

    from schemas.timestamp import DAY

    if task and data != CDNOW:
        raise InputError(
            "--task is for --data cdnow; for your own data say --score-on, --horizon-days, --customers"
        )
    asked = TASKS[task or "E"] if data == CDNOW else {}
    horizon_days = 90.0 if horizon_days is None else horizon_days
    if not 0.0 < horizon_days <= 3650.0:
        raise InputError(f"--horizon-days {horizon_days:g}: a horizon is more than 0 and at most 3650 days")
    every = _every(score_on or asked.get("score_on", "activity"))
    wanted = _customers(customers or asked.get("customers"))
    if plot:
        _plotting()
    if baselines:
        from agents.baselines import boosting

        boosting()

    touchpoints = _in_order(_read(data, wanted), data, sort=sort)
    if not touchpoints:
        raise InputError(f"{data} holds no touchpoint of these customers that can be read")
    start = touchpoints[0].time - touchpoints[0].time % DAY
    span = (touchpoints[-1].time - start) // DAY
    split = start + int((-(-span // 2) if split_day is None else split_day) * DAY)
    horizon = int(horizon_days * DAY)
    playbook = _playbook(touchpoints, activity, data)

    from stream.churn.prequential import Prequential

    timed = Timed(_scorer(scorer, horizon_days))
    scorers: list[Scorer] = [timed, *_anchors(horizon_days, baselines)]
    run = Prequential(playbook, scorers, horizon, every=every, longest_silence=int(max_recency_days * DAY))
    points = list(_shown(run, touchpoints, span, start))
    judged = [place for place, point in enumerate(points) if point.time > split]
    figures = _figures(points, judged, start, split, data, horizon_days)
    figures |= {"us_score": round(timed.us_score, 2), "us_learn": round(timed.us_learn, 2)}
    figures["baselines"] = _baselines(points, judged, figures, horizon, split) if baselines else {}
    if run.rejected or run.outages:
        click.echo(f"{run.rejected:,} touchpoints left out, {run.outages} outages of ingestion", err=True)
    if plot:
        _draw(plot, figures)
    if as_json:
        click.echo(msgspec.json.encode(figures))
    else:
        _print(figures)


class Timed:
    """A Scorer that is asked and taught by the watch, which counts what the processor spent on it.

    Args:
        scorer: what predicts and learns.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._scored = self._learned = 0
        self._scoring = self._learning = 0.0

    def predict(self, features: Features) -> float:
        """What the scorer says."""
        begun = process_time()
        risk = self._scorer.predict(features)
        self._scoring += process_time() - begun
        self._scored += 1
        return risk

    def learn(self, features: Features, *, churned: bool) -> None:
        """Teach the scorer."""
        begun = process_time()
        self._scorer.learn(features, churned=churned)
        self._learning += process_time() - begun
        self._learned += 1

    def refit(self, histories: list[tuple[float, float, float]]) -> None:
        """Hand histories on, where the scorer takes any."""
        from stream.churn.prequential import Refitted

        if isinstance(self._scorer, Refitted):
            self._scorer.refit(histories)

    def snapshot(self) -> dict[str, Any]:
        """What the scorer learned."""
        return self._scorer.snapshot()

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Have the scorer take on a snapshot."""
        self._scorer.restore(snapshot)

    @property
    def us_score(self) -> float:
        """Mean microseconds of a score."""
        return 1e6 * self._scoring / max(self._scored, 1)

    @property
    def us_learn(self) -> float:
        """Mean microseconds of a lesson."""
        return 1e6 * self._learning / max(self._learned, 1)


def _scorer(name: str, horizon_days: float) -> Scorer:
    from stream.churn.logistic import Logistic
    from stream.churn.stacked import Stacked

    return Stacked(horizon_days) if name == "stacked" else Logistic()


def _anchors(horizon_days: float, asked: bool) -> list[Scorer]:
    from agents.baselines import Constant, Purchases, Recency

    return [Constant(), Recency(), Purchases(horizon_days)] if asked else []


def _every(score_on: str) -> int:
    """Milliseconds between two looks; 0 for scoring upon activity."""
    from schemas.timestamp import DAY

    if score_on == "activity":
        return 0
    if found := _EVERY.fullmatch(score_on):
        return int(found[1]) * DAY
    raise InputError(f"--score-on {score_on}: say `activity`, or `every:7d` for every so many days")


def _customers(expression: str | None) -> Callable[[str], bool]:
    """Whether a customer is meant; clauses of `id` or `hash` joined by `and`, `or`, `&&`, `||`."""
    from zlib import crc32

    if expression is None:
        return lambda _customer: True
    alternatives = []
    for alternative in re.split(r"\|\||\bor\b", expression):
        clauses = []
        for clause in re.split(r"&&|\band\b", alternative):
            found = _CLAUSE.fullmatch(clause)
            if not found:
                raise InputError(
                    f"--customers {expression!r}: can't read {clause.strip()!r}; "
                    "say such as `id % 10 == 0`, `hash % 4 < 2`, `id == 'ann'`, joined by `and` or `or`"
                )
            clauses.append(found.groups())
        alternatives.append(clauses)
    compare: dict[str, Callable[[Any, Any], bool]] = {
        "==": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
    }

    def holds(customer: str, clause: Sequence[str | None]) -> bool:
        subject, divisor, sign, number, text_sign, single, double = clause
        if text_sign is not None:
            return compare[text_sign](customer, single if single is not None else double)
        # An id that is no number is taken by its hash, so that one in ten is one in ten anywhere.
        is_number = subject == "id" and re.fullmatch(r"-?[0-9]{1,18}", customer)
        value = int(customer) if is_number else crc32(customer.encode())
        if divisor is not None:
            value %= int(divisor)
        assert sign is not None
        assert number is not None
        return compare[sign](value, int(number))

    return lambda customer: any(
        all(holds(customer, clause) for clause in clauses) for clauses in alternatives
    )


def _read(data: str, wanted: Callable[[str], bool]) -> Iterator[Touchpoint]:
    from agents import cdnow
    from agents.touchpoint_files import TouchpointFile
    from schemas.touchpoint import decode

    if data == CDNOW:
        yield from (touchpoint for touchpoint in map(decode, cdnow.lines()) if wanted(touchpoint.customer))
        return
    rejected = 0
    with TouchpointFile(data) as file:
        for line in file:
            if line.touchpoint is None:
                rejected += 1
                if rejected <= 3:
                    click.echo(f"{file.name}, line {line.number}: {line.reject}; left out", err=True)
            elif wanted(line.touchpoint.customer):
                yield line.touchpoint
    if rejected > 3:
        click.echo(f"{file.name}: {rejected - 3:,} more lines left out", err=True)


def _in_order(touchpoints: Iterable[Touchpoint], data: str, *, sort: bool) -> list[Touchpoint]:
    if sort or data == CDNOW:
        return sorted(touchpoints, key=lambda touchpoint: touchpoint.time)
    ordered = []
    before = -1
    for number, touchpoint in enumerate(touchpoints, start=1):
        if touchpoint.time < before:
            raise InputError(
                f"{data}: touchpoint {number:,} is earlier than the one before it; "
                "sort the file by time, or say --sort"
            )
        before = touchpoint.time
        ordered.append(touchpoint)
    return ordered


def _playbook(touchpoints: list[Touchpoint], activity: tuple[str, ...], data: str) -> Playbook:
    """The playbook that ships, with these types as activity and without what else touchpoints do."""
    from collections import Counter

    import msgspec

    from schemas.catalogue import TouchpointType
    from schemas.playbook import load
    from stream.engine import DEFAULT_PLAYBOOK

    playbook = load(DEFAULT_PLAYBOOK.read_text(encoding="utf-8"), str(DEFAULT_PLAYBOOK))
    found = Counter(touchpoint.type for touchpoint in touchpoints)
    usual = [name for name, entry in playbook.catalogue.items() if entry.effect == "activity"]
    chosen = (
        activity
        or tuple(name for name in usual if name in found)
        or (tuple(found) if len(found) == 1 else ())
    )
    seen = ", ".join(f"{name} ({count:,})" for name, count in found.most_common(8))
    if not chosen:
        raise InputError(f"{data}: say with --activity which type is coming back; there are {seen}")
    if missing := [name for name in chosen if name not in found]:
        raise InputError(f"--activity {missing[0]}: no such type in {data}; there are {seen}")
    catalogue = {}
    for name in found:
        entry = playbook.catalogue.get(name, TouchpointType())
        issue = entry.effect if entry.effect in ("issue.opened", "issue.closed") else None
        effect = "activity" if name in chosen else issue
        catalogue[name] = msgspec.structs.replace(entry, effect=effect)
    return msgspec.structs.replace(playbook, catalogue=catalogue, plays=())


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


def _figures(
    points: list[Scored], judged: list[int], start: int, split: int, data: str, horizon_days: float
) -> dict[str, Any]:
    from schemas.timestamp import DAY
    from stream.churn.quality import brier_of, calibration_of, quality_of

    if not judged:
        raise InputError(
            f"{data}: no point after day {(split - start) / DAY:g} has a label: the data end before "
            f"{horizon_days:g} days have passed; take a shorter --horizon-days or an earlier --split-day"
        )
    risks = [points[place].risks[0] for place in judged]
    churned = [points[place].churned for place in judged]
    quality = quality_of(risks, churned)
    if quality is None:
        raise InputError(
            f"{data}: all {len(judged):,} points judged {'were lost' if churned[0] else 'came back'} within "
            f"{horizon_days:g} days, so that nothing can be told apart; take another --horizon-days"
        )
    months = _months(points, judged, split, start)
    losses = sorted(month["log_loss"] for month in months if month["points"] >= LEAST_OF_A_MONTH)
    middle = len(losses) // 2
    median = (losses[middle] + losses[-middle - 1]) / 2 if losses else 0.0
    return {
        "points": len(points),
        "evaluated": len(judged),
        "base_rate": quality.churned,
        "auc": quality.auc,
        "log_loss": quality.log_loss,
        "brier": brier_of(risks, churned),
        "ece": quality.calibration_error,
        "worst_month_ratio": losses[-1] / median if median else None,
        "calibration": calibration_of(risks, churned),
        "over_time": months,
    }


def _months(points: list[Scored], judged: list[int], split: int, start: int) -> list[dict[str, Any]]:
    """How good what was said in each 28 days was."""
    from itertools import groupby

    from schemas.timestamp import DAY
    from stream.churn.quality import log_loss_of, quality_of

    months = []
    for number, places in groupby(
        judged, key=lambda place: (points[place].time - split) // (MONTH_DAYS * DAY)
    ):
        here = [points[place] for place in places]
        risks, churned = [point.risks[0] for point in here], [point.churned for point in here]
        quality = quality_of(risks, churned)
        months.append(
            {
                "day": (split - start) // DAY + number * MONTH_DAYS,
                "points": len(here),
                "base_rate": sum(churned) / len(here),
                "auc": quality.auc if quality else None,
                "log_loss": log_loss_of(risks, churned),
                "ece": quality.calibration_error if quality else None,
            }
        )
    return months


def _baselines(
    points: list[Scored], judged: list[int], figures: Mapping[str, Any], horizon: int, split: int
) -> dict[str, Any]:
    from agents.baselines import boosted
    from stream.churn.quality import quality_of

    click.echo("fitting gradient boosting every 28 days", err=True)
    said = {
        name: [points[place].risks[number] for place in judged]
        for number, name in enumerate(("constant", "recency", "bgnbd"), start=1)
    }
    by_place = dict(boosted(points, [point.risks[3] for point in points], horizon, split))
    said["gradient_boosting"] = [by_place[place] for place in judged]
    churned = [points[place].churned for place in judged]
    compared = {}
    for name, risks in said.items():
        quality = quality_of(risks, churned)
        assert quality is not None
        compared[name] = {
            "auc": quality.auc,
            "log_loss": quality.log_loss,
            "ece": quality.calibration_error,
            "delta_auc": figures["auc"] - quality.auc,
            "delta_log_loss": figures["log_loss"] - quality.log_loss,
        }
    return compared


def _print(figures: Mapping[str, Any]) -> None:
    click.echo(
        f"{figures['points']:,} points, {figures['evaluated']:,} judged, {figures['base_rate']:.1%} lost"
    )
    click.echo(f"{'':<20}{'AUC':>9}{'log loss':>10}{'ECE':>8}{'Δ AUC':>9}{'Δ log loss':>12}")
    click.echo(f"{'dangol':<20}{figures['auc']:>9.4f}{figures['log_loss']:>10.4f}{figures['ece']:>8.3f}")
    for name, other in figures["baselines"].items():
        click.echo(
            f"{name.replace('_', ' '):<20}{other['auc']:>9.4f}{other['log_loss']:>10.4f}{other['ece']:>8.3f}"
            f"{other['delta_auc']:>+9.4f}{other['delta_log_loss']:>+12.4f}"
        )
    ratio = figures["worst_month_ratio"]
    worst = "too few points for months" if ratio is None else f"worst month {ratio:.2f} × the median log loss"
    click.echo(f"Brier {figures['brier']:.4f}, {worst}")
    click.echo(f"{figures['us_score']:.1f} µs a score, {figures['us_learn']:.1f} µs a lesson")


def _plotting() -> Any:
    try:
        import matplotlib as mpl
    except ImportError:
        from agents.baselines import EXTRA

        raise InputError(f"--plot needs matplotlib: pip install 'dangol[{EXTRA}]'") from None
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return plt


def _draw(path: Path, figures: Mapping[str, Any]) -> None:
    plt = _plotting()
    picture, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    left.plot([0, 1], [0, 1], color="0.8", linewidth=1)
    bins = figures["calibration"]
    left.plot([bin_.risk for bin_ in bins], [bin_.churned for bin_ in bins], "o-", color="#2a6f97")
    left.set(xlabel="risk given", ylabel="share lost", title=f"Calibration, ECE {figures['ece']:.3f}")
    months = [month for month in figures["over_time"] if month["auc"] is not None]
    right.plot([month["day"] for month in months], [month["auc"] for month in months], "o-", color="#2a6f97")
    right.set(xlabel="day", ylabel="AUC of 28 days", title=f"AUC over time, {figures['auc']:.3f} over all")
    try:
        picture.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        raise InputError(f"can't write {path}: {error}") from None
    finally:
        plt.close(picture)
