"""Model: what was learned of who is lost, as it is published: plain numbers in MessagePack, and no program.

On their topic stand the models, each under its version, and under `current` the version in force; all of them
on one partition, so that they are read in the order of their writing.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec

from schemas.errors import InputError

FORMAT = 1
"""Version of the published form, as for profiles."""

PREFIX = "learned-"
"""Begins the version of every model that was learned in the stream."""

CHALLENGER = b"challenger"
"""Key of the record whose value is the version of the model that learns in the shadow, which decides
nothing; no version is called so, as each has an `@`."""

KIND = "stacked"
"""What a model is of that does not say its kind, as those from before there were others."""

MAX_BYTES = 1_000_000
"""Largest model, in bytes: with the record that puts it in force, it is one batch below the 1 MiB that a
topic takes. With as many features as a scorer takes, one has some 400,000."""


class Model(msgspec.Struct, frozen=True):
    """A model, and where its trainer stood.

    Attributes:
        format: version of the published form.
        version: what decisions and triggers name, such as `learned-12@3f9c2a1b`.
        number: how many the trainer has published by then.
        horizon_s: within which a customer who does not come back counts as lost, in seconds.
        learned: how many examples it has learned from.
        offsets: by partition, the offset of the first example that it has not learned from.
        scorer: what the scorer has learned, as plain numbers.
        trainer: what else the trainer has to know to go on from here, as plain numbers.
        kind: of the scorer, one of `stream.churn.kinds`.
        figures: how good it was when it was published, for people to look at; no program goes by it.
    """

    format: int
    version: str
    number: int
    horizon_s: float
    learned: int
    offsets: dict[int, int]
    scorer: dict[str, Any]
    trainer: dict[str, Any]
    kind: str = KIND
    figures: dict[str, Any] = {}


class Stood(msgspec.Struct, frozen=True):
    """What a model says of where its trainer stood.

    Attributes:
        format: version of the published form.
        number: as of the model.
        offsets: as of the model.
    """

    format: int
    number: int
    offsets: dict[int, int]


class _Formatted(msgspec.Struct):
    format: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Model).decode
_format_of = msgspec.msgpack.Decoder(_Formatted).decode
_stood = msgspec.msgpack.Decoder(Stood).decode


def new_model(
    number: int,
    horizon_s: float,
    learned: int,
    offsets: dict[int, int],
    scorer: dict[str, Any],
    trainer: dict[str, Any],
    kind: str = KIND,
    figures: dict[str, Any] | None = None,
) -> Model:
    """A model under the version that follows from its number and what was learned.

    >>> new_model(12, 7_776_000.0, 500, {0: 500}, {"weights": [0.5]}, {}).version
    'learned-12@651c48ee'
    """
    digest = blake2b(_encode(scorer), digest_size=4).hexdigest()
    version = f"{PREFIX}{number}@{digest}"
    return Model(FORMAT, version, number, horizon_s, learned, offsets, scorer, trainer, kind, figures or {})


def encode(model: Model) -> bytes:
    """The model's bytes."""
    return _encode(model)


def decode(published: bytes, where: str) -> Model:
    """Read a model.

    Args:
        published: its bytes.
        where: where they stand, for the error.

    Raises:
        InputError: they are no model, or of a format that this program doesn't know.
    """
    try:
        if (known := _format_of(published).format) != FORMAT:
            raise InputError(f"{where} has format {known}; this program knows {FORMAT}: update it")
        return _decode(published)
    except msgspec.DecodeError as error:
        raise InputError(f"{where} is no model: {error}") from None


def stood(published: bytes) -> Stood | None:
    """Where a model's trainer stood, without reading what it has learned; None where that can't be told."""
    try:
        told = _stood(published)
    except msgspec.DecodeError:
        return None
    return told if told.format == FORMAT else None
