"""Proxy: a network that can be cut, stalled and slowed, between one worker and its broker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Self

from deploy.broker import HOST, free_port

CHUNK = 16 * 1024
"""Bytes passed on at a time: small enough that a slowed connection moves in steps, not in jumps."""

START_SECONDS = 10.0
"""How long its thread may take to listen; it takes milliseconds."""

UNLIMITED = 0.0


class Proxy:
    """A TCP proxy on loopback in a thread of its own; it changes no byte.

    While it is stalled it holds what came, and delivers it when it is mended, also for clients that have
    gone by then: as the sockets of a machine do whose network comes back.

    Attributes:
        port: where clients connect.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self._target = 0
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"proxy-{self.port}", daemon=True)
        self._flows = asyncio.Event()
        self._answers_flow = asyncio.Event()
        self._is_cut = False
        self._rate = UNLIMITED
        self._delay = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def bootstrap(self) -> str:
        """Its address for clients, `host:port`."""
        return f"{HOST}:{self.port}"

    def start(self, target: int) -> Self:
        """Listen, and pass everything on to this loopback port."""
        self._target = target
        self._thread.start()
        if not self._listening.wait(START_SECONDS):
            raise RuntimeError(f"the proxy does not listen on {self.bootstrap}")
        return self

    def stop(self) -> None:
        """Close all connections and stop listening."""
        self._call(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS)

    def delay(self, seconds: float) -> None:
        """From now on every chunk takes so long on its way."""
        self._delay = seconds

    def cut(self) -> None:
        """End all connections, what is on its way is lost, and refuse new ones."""
        self._call(self._cut())

    def stall(self, *, answers: bool = True) -> None:
        """Let nothing through, and tell nobody; or let what the broker says through, and nothing else."""
        self._call(self._stall(answers))

    def slow(self, bytes_a_second: float) -> None:
        """Let no more than this through on each connection and way."""
        self._rate = bytes_a_second

    def mend(self) -> None:
        """Work again; what was held is delivered now."""
        self._call(self._mend())

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(START_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._listening.set()
        self._loop.run_forever()
        self._loop.close()

    async def _listen(self) -> None:
        self._flows.set()
        self._answers_flow.set()
        self._server = await asyncio.start_server(self._serve, HOST, self.port)

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._cut()
        self._flows.set()
        self._answers_flow.set()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _cut(self) -> None:
        self._is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    async def _stall(self, answers: bool) -> None:
        self._flows.clear()
        if answers:
            self._answers_flow.clear()

    async def _mend(self) -> None:
        self._is_cut = False
        self._rate = UNLIMITED
        self._flows.set()
        self._answers_flow.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        onward: asyncio.StreamWriter | None = None
        try:
            await self._flows.wait()
            if self._is_cut:
                return
            back, onward = await asyncio.open_connection(HOST, self._target)
            self._writers.add(onward)
            await asyncio.gather(
                self._pass(reader, onward, self._flows), self._pass(back, writer, self._answers_flow)
            )
        except (OSError, asyncio.CancelledError):
            pass  # One of the two has gone, or all of it ends: then so does the connection.
        finally:
            for end in (writer, onward):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flows: asyncio.Event
    ) -> None:
        while data := await reader.read(CHUNK):
            if self._delay:
                await asyncio.sleep(self._delay)
            if self._rate:
                await asyncio.sleep(len(data) / self._rate)
            await flows.wait()
            writer.write(data)
            await writer.drain()
        with suppress(OSError, RuntimeError):
            writer.write_eof()
