"""A playbook's file, as the commands read it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import InputError

if TYPE_CHECKING:
    from schemas.playbook import Playbook


def is_file(named: str) -> bool:
    """Whether this is a playbook's file, or the name of one that ships."""
    from stream.engine import SHIPPED

    return named in SHIPPED or Path(named).exists()


def read(named: str | Path) -> tuple[bytes, Playbook]:
    """A file as it is written, and the playbook that it holds.

    Args:
        named: its path, or the name of one that ships.

    Raises:
        InputError: it can't be read, is too large, or has a mistake (`SourceError`).
    """
    from agents.shelf import too_large
    from schemas.edition import MAX_BYTES
    from schemas.playbook import load
    from stream.engine import SHIPPED

    path = SHIPPED[named] if isinstance(named, str) and named in SHIPPED else Path(named)
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
            if len(text) > MAX_BYTES:
                raise InputError(f"{path}: {too_large(path.stat().st_size)}")
        decoded = text.decode()
    except OSError as error:
        raise InputError(f"{path}: the playbook can't be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}") from None
    return text, load(decoded, str(path))
