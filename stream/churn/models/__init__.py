"""Models that ship: plain numbers, each with the version that decisions name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from schemas.errors import InputError
from stream.churn.logistic import Logistic
from stream.churn.scorer import Scorer

DEFAULT = "cdnow-2026.11"
"""The version that is scored with unless another is pinned."""

FOLDER = Path(__file__).parent


class Model(msgspec.Struct, forbid_unknown_fields=True):
    """A pinned model as it is stored.

    Attributes:
        version: what decisions and triggers name.
        horizon_days: days within which a customer counts as lost.
        made_by: the command that made it.
        snapshot: what the scorer learned.
    """

    version: str
    horizon_days: int
    made_by: str
    snapshot: dict[str, Any]


def load(version: str = DEFAULT) -> Scorer:
    """The scorer with the weights of a shipped version.

    Raises:
        InputError: there is no such version, or its file can't be used.
    """
    path = FOLDER / f"{version}.json"
    known = sorted(file.stem for file in FOLDER.glob("*.json"))
    if version not in known:
        raise InputError(f"no model `{version}`: there is {', '.join(known) or 'none'}")
    scorer = Logistic()
    try:
        scorer.restore(msgspec.json.decode(path.read_bytes(), type=Model).snapshot)
    except (ValueError, msgspec.DecodeError) as error:
        raise InputError(f"{path}: not a model: {error}") from None
    return scorer
