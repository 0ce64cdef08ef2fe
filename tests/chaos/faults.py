"""Faults: what happens to workers, their network, their disk and their broker, each under its name.

A fault begins, lasts for seconds, and ends; after its end everything works again, or is about to.
"""

from __future__ import annotations

import resource
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import ClassVar

from deploy.kafka import KafkaServer
from schemas.topics import Topics
from tests.chaos.proxy import Proxy
from tests.cluster import Worker

SESSION_SECONDS = 6.0
"""Session timeout of the workers: the shortest that a broker allows by default."""

DISK_MIB = 48
"""Room of a state folder that is to be filled: several times what the profiles of a round take."""

FULL_BYTES = 256 * 1024
"""What no file of a process may grow beyond while its disk is full: a database wants to, a log doesn't."""

STATE_EXIT = 5
"""Exit code of a worker whose state can't be written."""

ON_THE_WIRE_SECONDS = 0.2
"""How long a worker goes on after its network has stalled: until all its runs wait for an answer."""

NOTICED_SECONDS = 45.0
"""How long a worker may take to notice that its disk is full: it may first have to join its group."""


class Disk:
    """The state folder of a worker as a small file system of its own, where one may be mounted.

    Args:
        folder: the worker's state folder.

    Attributes:
        mounted: whether it is one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)]
        try:
            self.mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            self.mounted = False

    def fill(self) -> None:
        """Leave no room."""
        with (self._folder / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(bytes(64 * 1024))

    def empty(self) -> None:
        """Make room again."""
        (self._folder / "filler").unlink(missing_ok=True)

    def remove(self) -> None:
        """Unmount it."""
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self._folder)], capture_output=True, check=False)


class Scene:
    """What faults happen to.

    Args:
        server: the broker.
        topics: the round's topics.
        proxies: one for each worker.
        folder: for the workers' logs and state.
        options: of the workers' command line.
        own_disks: whether each worker's state folder is one that can be filled.
    """

    def __init__(
        self,
        server: KafkaServer,
        topics: Topics,
        proxies: list[Proxy],
        folder: Path,
        options: tuple[str, ...],
        *,
        own_disks: bool = False,
    ) -> None:
        self.server = server
        self.proxies = proxies
        self.busy: set[int] = set()
        """Workers that a fault is about at the moment."""
        self.oddities: list[str] = []
        """What should not have happened, whatever the topics say in the end."""
        folders = [folder / f"worker-{number}" for number in range(len(proxies) + 1)]
        self.disks = [Disk(each / "state") for each in folders[:-1]] if own_disks else []
        addresses = [*(proxy.bootstrap for proxy in proxies), server.bootstrap]
        *self.workers, self.extra = (
            Worker(address, topics, place, *options)
            for address, place in zip(addresses, folders, strict=True)
        )

    def look(self) -> None:
        """Note workers that ended although nobody ended them, and start them again."""
        for number, worker in enumerate(self.workers):
            if number not in self.busy and (code := worker.process.poll()) is not None:
                self.oddities.append(f"worker {number} ended by itself with exit code {code}")
                worker.start()

    def stop(self, worker: Worker, name: str) -> None:
        """Tell a worker to stop, which it has to do in time and in good order."""
        try:
            code = worker.stop()
            # Before it says that it starts, Python has not yet got to where it listens to signals.
            if code != 0 and not (code == -signal.SIGTERM and '"starting"' not in worker.latest_log()):
                self.oddities.append(f"{name} ended with exit code {code} when told to stop")
        except subprocess.TimeoutExpired:
            worker.kill()
            self.oddities.append(f"{name} did not stop when told to")

    def close(self) -> None:
        """End what still runs, and let go of the disks."""
        for worker in (*self.workers, self.extra):
            if worker.running:
                # A stopped process takes no other signal but this one.
                worker.kill()
        for disk in self.disks:
            disk.remove()


class Fault(ABC):
    """Something that goes wrong.

    Args:
        random: what its parameters are drawn from.
        number: which worker it is about, for those that are about one.

    Attributes:
        number: as given; of the broker and of a further worker, which have no number, below zero.
        seconds: how long it lasts.
    """

    name: ClassVar[str]
    """What it is called in reports."""

    lasts: ClassVar[tuple[float, float]]
    """The shortest and the longest that it may last, in seconds."""

    def __init__(self, random: Random, number: int) -> None:
        self.number = number
        self.seconds = random.uniform(*self.lasts)

    @abstractmethod
    def begin(self, scene: Scene) -> None:
        """Let it happen."""

    def may_end(self, scene: Scene) -> bool:
        """Whether what has to happen meanwhile has happened."""
        return True

    @abstractmethod
    def end(self, scene: Scene) -> None:
        """Let it be over."""


class Kill(Fault):
    """A worker is gone at once, as when its machine loses power, and comes back."""

    name = "worker kill -9"
    lasts = (0.0, 4.0)

    def begin(self, scene: Scene) -> None:
        """Kill it."""
        scene.workers[self.number].kill()

    def end(self, scene: Scene) -> None:
        """Start it again."""
        scene.workers[self.number].start()


class Restart(Fault):
    """A worker is told to stop, and started again, as in a deployment."""

    name = "worker restart"
    lasts = (0.0, 2.0)

    def begin(self, scene: Scene) -> None:
        """Stop it in good order."""
        scene.stop(scene.workers[self.number], f"worker {self.number}")

    def end(self, scene: Scene) -> None:
        """Start it again."""
        scene.workers[self.number].start()


class Pause(Fault):
    """A worker stands still for less than its session lasts, as in a busy machine."""

    name = "worker pause"
    lasts = (0.5, SESSION_SECONDS * 0.6)

    def begin(self, scene: Scene) -> None:
        """Stop its process."""
        scene.workers[self.number].process.send_signal(signal.SIGSTOP)

    def end(self, scene: Scene) -> None:
        """Let it go on."""
        scene.workers[self.number].process.send_signal(signal.SIGCONT)


class Zombie(Pause):
    """A worker stands still until its partitions are someone else's, and goes on as if nothing was."""

    name = "zombie"
    lasts = (SESSION_SECONDS * 2, SESSION_SECONDS * 2.2)


class WiredZombie(Zombie):
    """A zombie with writes on the wire: they arrive when it goes on, before it learns anything new.

    What it sends is held first, while it still gets touchpoints; so it always has something under way.
    """

    name = "zombie with writes on the wire"

    def begin(self, scene: Scene) -> None:
        """Hold what it sends, and a moment later stop its process."""
        scene.proxies[self.number].stall(answers=False)
        time.sleep(ON_THE_WIRE_SECONDS)
        super().begin(scene)

    def end(self, scene: Scene) -> None:
        """Deliver what was held, and let it go on."""
        scene.proxies[self.number].mend()
        super().end(scene)


class Join(Fault):
    """One more worker joins, and leaves again."""

    name = "rebalance"
    lasts = (4.0, 8.0)

    def begin(self, scene: Scene) -> None:
        """Start it."""
        scene.extra.start()

    def end(self, scene: Scene) -> None:
        """Stop it."""
        scene.stop(scene.extra, "the further worker")


class BrokerRestart(Fault):
    """The broker is stopped in good order and started again."""

    name = "broker restart"
    lasts = (0.0, 0.0)

    def begin(self, scene: Scene) -> None:
        """Stop it and start it."""
        scene.server.restart()

    def end(self, scene: Scene) -> None:
        """Nothing is left to do."""


class BrokerKill(Fault):
    """The broker's process is gone at once, and comes back with what its machine had."""

    name = "broker kill -9"
    lasts = (0.0, 3.0)

    def begin(self, scene: Scene) -> None:
        """Kill it."""
        scene.server.kill()

    def end(self, scene: Scene) -> None:
        """Start it again."""
        scene.server.restart()


class Cut(Fault):
    """A worker's connections end, and new ones are refused."""

    name = "connection cut"
    lasts = (0.2, SESSION_SECONDS * 1.3)

    def begin(self, scene: Scene) -> None:
        """Cut them."""
        scene.proxies[self.number].cut()

    def end(self, scene: Scene) -> None:
        """Let new ones in."""
        scene.proxies[self.number].mend()


class Stall(Fault):
    """A worker's network carries nothing and says nothing; what was on its way arrives afterwards."""

    name = "connection stalled"
    lasts = (0.5, SESSION_SECONDS * 2)

    def __init__(self, random: Random, number: int) -> None:
        super().__init__(random, number)
        self._answers = random.random() < 0.5

    def begin(self, scene: Scene) -> None:
        """Hold everything, or what the worker says alone."""
        scene.proxies[self.number].stall(answers=self._answers)

    def end(self, scene: Scene) -> None:
        """Deliver what was held."""
        scene.proxies[self.number].mend()


class Slow(Fault):
    """A worker's network is as slow as a telephone line."""

    name = "connection slow"
    lasts = (2.0, 6.0)
    bytes_a_second = 60_000.0

    def begin(self, scene: Scene) -> None:
        """Slow it down."""
        scene.proxies[self.number].slow(self.bytes_a_second)

    def end(self, scene: Scene) -> None:
        """Let it run."""
        scene.proxies[self.number].mend()


class DiskFull(Fault):
    """A worker's state folder has no room left; it says so and ends, and is started when there is.

    Half of the time the worker runs on when its files can't grow any more, else it is started on a full
    file system, where one may be mounted.
    """

    name = "disk full"
    lasts = (1.0, 4.0)

    def __init__(self, random: Random, number: int) -> None:
        super().__init__(random, number)
        self._at_start = random.random() < 0.5
        self._given_up = 0.0

    def begin(self, scene: Scene) -> None:
        """Fill it."""
        worker, disk = scene.workers[self.number], scene.disks[self.number]
        if self._at_start and disk.mounted:
            worker.kill()
            disk.fill()
            worker.start()
        else:
            # Its databases have set room aside, so that a full file system alone would not stop them soon.
            resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (FULL_BYTES, resource.RLIM_INFINITY))
        self._given_up = time.monotonic() + NOTICED_SECONDS

    def may_end(self, scene: Scene) -> bool:
        """Whether the worker has ended, or had its time."""
        return not scene.workers[self.number].running or time.monotonic() > self._given_up

    def end(self, scene: Scene) -> None:
        """Make room and start the worker, which has to have ended with one clear line."""
        worker = scene.workers[self.number]
        code = worker.process.poll()
        said = worker.log().strip().rsplit("\n", 1)[-1]
        if code is None:
            worker.kill()
            scene.oddities.append(f"worker {self.number} went on with a full disk")
        elif code != STATE_EXIT or not said.startswith("dangol: "):
            scene.oddities.append(f"worker {self.number} on a full disk: exit code {code}, said {said[:300]}")
        scene.disks[self.number].empty()
        worker.start()


BROKER = -1
EXTRA = -2
"""Numbers of what is no numbered worker: faults of one number never overlap."""

OF_A_WORKER: tuple[type[Fault], ...] = (
    *(Kill, Zombie, Restart, Cut),
    *(Stall, Pause, WiredZombie, Slow),
)
OF_THE_BROKER: tuple[type[Fault], ...] = (BrokerRestart, BrokerKill)
