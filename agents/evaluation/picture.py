"""Picture: calibration, and AUC over time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.evaluation.boosting import EXTRA
from schemas.errors import InputError

FORMATS = (".png", ".svg", ".pdf")
"""What a picture's file may end in."""


def plotting() -> Any:
    """What draws.

    Raises:
        InputError: it is not installed.
    """
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an extra
    except ImportError:
        raise InputError(f"--plot needs matplotlib: pip install 'dangol[{EXTRA}]'") from None
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the choice above

    return plt


def check(path: Path) -> None:
    """See whether a picture could be written to a file, before there is anything to draw.

    Raises:
        InputError: the file is none that a picture is written to, or matplotlib is not installed.
    """
    if path.is_dir():
        raise InputError(f"--plot {path}: that is a directory")
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"--plot {path}: the name of a picture ends in {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise InputError(f"--plot {path}: there is no directory {path.parent}")
    plotting()


def draw(path: Path, figures: Mapping[str, Any]) -> None:
    """Draw figures (see `agents.evaluation.figures`) to a file.

    Raises:
        InputError: the file can't be written.
    """
    plt = plotting()
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
