"""Report: what became of the rounds, as a table."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from deploy.kafka.jars import version
from tests.chaos.rounds import WORKERS, Result

HEAD = (
    *("round", "seed", "mode", "store", "batch", "faults", "published", "records", "profiles", "triggers"),
    *(
        "dead letters",
        "lost",
        "double",
        "ids missing",
        "unexpected",
        "repeated",
        "stale",
        "standstills",
        "settled s",
    ),
    "s",
)

INTRODUCTION = """\
# Chaos

Written by `make chaos`. In each round a driver publishes touchpoints while workers, their network, their
disks and the broker break; when all is quiet again, profiles, triggers, decisions and dead letters are
compared with a replay of the touchpoint topic without a broker.

- *published*: records that the driver sent, some of them broken, repeated or out of order.
- *records*: what stands on the touchpoint topic in the end, with what was sent twice, and what the workers
  published once more under its right key.
- *lost*, *double*: touchpoints missing in profiles, or in them twice.
- *ids missing*, *unexpected*: triggers and decisions that are not there; that should not be, or differ.
- *repeated*: triggers delivered once more under the id that they had: allowed by at least once only.
- *settled s*: seconds from the last fault and the last touchpoint until all was done.
- *standstills*: how often a worker noticed that nothing moved though the broker answered, and started over.
- *stale*: profiles written behind a newer one of the same customer, whatever stands behind them by now.
"""


def row(result: Result) -> list[str]:
    """A round as cells."""
    comparison = result.comparison
    counts = (
        ["?"] * 6
        if comparison is None
        else [
            *(f"{comparison.lost}", f"{comparison.doubled}", f"{len(comparison.missing)}"),
            *(f"{len(comparison.unexpected)}", f"{comparison.repeated}", f"{len(comparison.stale)}"),
        ]
    )
    return [
        f"{result.number}{'' if result.holds else ' **failed**'}",
        f"{result.seed}",
        result.mode,
        result.store,
        f"{result.batch}",
        ", ".join(f"{name} {count}" for name, count in sorted(result.broken.items())),
        *(f"{number:,}" for number in (result.published, result.records, result.profiles)),
        *(f"{number:,}" for number in (result.triggers, result.dead_letters)),
        *counts,
        f"{result.standstills}",
        f"{result.settled:.0f}",
        f"{result.seconds:.0f}",
    ]


def line(result: Result) -> str:
    """A round as one line of progress."""
    cells = dict(zip(HEAD, row(result), strict=True))
    told = (
        "records",
        "profiles",
        "triggers",
        "lost",
        "double",
        "ids missing",
        "repeated",
        "stale",
        "standstills",
        "settled s",
    )
    return (
        f"round {cells['round']}  {result.mode}  {result.seconds:.0f} s  {cells['faults']}  |  "
        + "  ".join(f"{name} {cells[name]}" for name in told)
    )


def totals(results: Sequence[Result]) -> str:
    """All rounds of each mode, and all faults, as sentences."""
    lines = []
    for mode in sorted({result.mode for result in results}):
        chosen = [result for result in results if result.mode == mode]
        compared = [result.comparison for result in chosen if result.comparison is not None]
        lines.append(
            f"- **{mode}**: rounds {len(chosen)}, {sum(each.records for each in chosen):,} records, "
            f"{sum(each.triggers for each in chosen):,} triggers: "
            f"{sum(each.lost for each in compared)} updates lost, "
            f"{sum(each.doubled for each in compared)} applied twice, "
            f"{sum(len(each.missing) for each in compared)} ids missing, "
            f"{sum(len(each.unexpected) for each in compared)} unexpected, "
            f"{sum(each.repeated for each in compared)} triggers delivered more than once, "
            f"{sum(len(each.stale) for each in compared)} stale writes; "
            f"{sum(each.standstills for each in chosen)} standstills."
        )
    faults = sum((result.broken for result in results), Counter[str]())
    lines.append(
        f"- **Faults**: {faults.total()}, of {len(faults)} kinds: "
        + ", ".join(f"{name} {count}" for name, count in faults.most_common())
        + "."
    )
    inputs = sum((result.spoilt for result in results), Counter[str]())
    lines.append(
        "- **Input**: " + ", ".join(f"{name} {count}" for name, count in sorted(inputs.items())) + "."
    )
    failed = [result.number for result in results if not result.holds]
    lines.append(f"- **Rounds that failed**: {', '.join(map(str, failed)) or 'none'}.")
    return "\n".join(lines)


def write(path: Path, results: Sequence[Result]) -> None:
    """Write all of it as Markdown."""
    today = datetime.now(UTC).date().isoformat()
    head = f"{today}, Apache Kafka {version()}, Python {platform.python_version()}, {WORKERS} workers."
    table = [list(HEAD), ["---"] * len(HEAD), *(row(result) for result in results)]
    text = "\n".join("| " + " | ".join(cells) + " |" for cells in table)
    path.write_text(f"{INTRODUCTION}\n{head}\n\n{totals(results)}\n\n{text}\n", encoding="utf-8")
