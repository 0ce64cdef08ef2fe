"""The page of `dangol evaluate churn`: the figures as a table on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click


def show(figures: Mapping[str, Any], name: str) -> None:
    """Print the figures of the model of this name, and of what it is compared with."""
    click.echo(
        f"{figures['points']:,} points, {figures['evaluated']:,} judged, {figures['base_rate']:.1%} lost"
    )
    click.echo(
        f"{'':<20}{'AUC':>9}{'log loss':>10}{'ECE':>8}{'worst month':>13}"
        f"{'µs a score':>12}{'µs a lesson':>13}"
    )
    for model, its in {name: figures, **figures["models"]}.items():
        ratio = its["worst_month_ratio"]
        click.echo(
            f"{model:<20}{its['auc']:>9.4f}{its['log_loss']:>10.4f}{its['ece']:>8.3f}"
            f"{'–' if ratio is None else f'{ratio:.2f}':>13}{its['us_score']:>12.1f}{its['us_learn']:>13.1f}"
        )
    if figures["baselines"]:
        click.echo()
        click.echo(f"{'':<20}{'AUC':>9}{'log loss':>10}{'ECE':>8}{'Δ AUC':>9}{'Δ log loss':>12}")
    for baseline, its in figures["baselines"].items():
        click.echo(
            f"{baseline.replace('_', ' '):<20}{its['auc']:>9.4f}{its['log_loss']:>10.4f}{its['ece']:>8.3f}"
            f"{its['delta_auc']:>+9.4f}{its['delta_log_loss']:>+12.4f}"
        )
    click.echo("worst month: the highest log loss of 28 days over the median one")
