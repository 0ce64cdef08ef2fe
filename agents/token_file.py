"""Token file: the token of OAUTHBEARER, as whoever renews it left it in a file."""

from __future__ import annotations

from pathlib import Path

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import AuthenticationFailedError

MAX_TOKEN_BYTES = 64 * 1024
"""Largest token: real ones have a few kB, and a file named by mistake may be anything."""


class TokenFile(AbstractTokenProvider):  # type: ignore[misc]
    """Reads the token at every connection, so that one renewed in place is used from then on.

    Args:
        path: the file that holds the token and nothing else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        """The token as it stands in the file now.

        Raises:
            OSError: the file can't be read.
            AuthenticationFailedError: it holds no token.
        """
        with self._path.open("rb") as file:
            said = file.read(MAX_TOKEN_BYTES + 1).strip()
        # A token of other characters would end the message that carries it.
        if not said or len(said) > MAX_TOKEN_BYTES or not said.isascii() or b"\x01" in said:
            raise AuthenticationFailedError(f"{self._path} holds no token")
        return said.decode("ascii")
