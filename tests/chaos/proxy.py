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

LINE = 128
"""Chunks under way on one connection at most."""

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
        """From now on everything takes so long on its way."""
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
        try:
            await self._connect(reader, writer)
        except asyncio.CancelledError:
            pass  # All of it ends; asyncio would complain of a connection that was not let finish.
        finally:
            self._drop(writer)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        await self._flows.wait()
        if self._is_cut:
            return
        try:
            back, onward = await asyncio.open_connection(HOST, self._target)
        except OSError:
            return  # As if nobody had been there to connect to.
        self._writers.add(onward)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, onward, self._flows))
                both.create_task(self._pass(back, writer, self._answers_flow))
        except* OSError:
            pass  # One of the two has gone: then so does the connection, as without a proxy.
        finally:
            self._drop(onward)

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        writer.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flows: asyncio.Event
    ) -> None:
        """Pass on what comes one way until its end; what takes long on its way holds up nothing behind it."""
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(LINE)
        async with asyncio.TaskGroup() as way:
            way.create_task(self._take(reader, line))
            way.create_task(self._deliver(line, writer, flows))

    async def _take(self, reader: asyncio.StreamReader, line: asyncio.Queue[tuple[float, bytes]]) -> None:
        data = b"-"
        while data:
            data = await reader.read(CHUNK)
            if self._rate:
                await asyncio.sleep(len(data) / self._rate)
            await line.put((self._loop.time() + self._delay, data))

    async def _deliver(
        self, line: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, flows: asyncio.Event
    ) -> None:
        while True:
            due, data = await line.get()
            await asyncio.sleep(max(due - self._loop.time(), 0))
            await flows.wait()
            if not data:
                break
            writer.write(data)
            await writer.drain()
        with suppress(OSError, RuntimeError):
            writer.write_eof()
