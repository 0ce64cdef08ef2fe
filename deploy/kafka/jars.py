"""The jars of Apache Kafka: resolved once by Maven into a cache folder, then found there."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from schemas.errors import BrokerError

POM = Path(__file__).with_name("pom.xml")

JAVA_MIN = 17
"""The oldest Java that a broker of Kafka 4 runs on."""

RESOLVE_SECONDS = 600
"""How long Maven may take for about 45 MB on a slow line."""


def version() -> str:
    """The version of Apache Kafka that the pom names.

    Raises:
        BrokerError: it names none.

    >>> version().split(".")[0]
    '4'
    """
    found = re.search(r"<kafka\.version>([\d.]+)</kafka\.version>", POM.read_text())
    if found is None:
        raise BrokerError(f"{POM} names no kafka.version; give it one, such as 4.3.1")
    return found[1]


def java() -> str:
    """The `java` command, new enough for Kafka; `JAVA_HOME` goes before the path.

    Raises:
        BrokerError: there is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    command = shutil.which("java", path=f"{home}/bin") if home else None
    command = command or shutil.which("java")
    if command is None:
        raise BrokerError(
            f"Apache Kafka needs Java {JAVA_MIN} or newer and there is no `java` here; install a JDK"
        )
    told = subprocess.run([command, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', told)
    if found is None or int(found[1]) < JAVA_MIN:
        has = f"Java {found[1]}" if found is not None else "no Java that runs"
        raise BrokerError(
            f"Apache Kafka needs Java {JAVA_MIN} or newer; {command} is {has}; install a newer JDK"
        )
    return command


def cache() -> Path:
    """The folder that holds (or will hold) the jars; it changes with the pom.

    It stands under `$XDG_CACHE_HOME/dangol`, by default `~/.cache/dangol`.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dangol"
    # The pom's digest, so that a changed dependency of the same Kafka is not overlooked.
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:8]
    return base / f"kafka-{version()}-{digest}"


def jars() -> Path:
    """The folder with the jars, filled on the first call (needs Maven and its repository then).

    Several processes may call this at once: one resolves, the others wait for it.

    Raises:
        BrokerError: Maven is missing or could not resolve them.
    """
    folder = cache()
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerError(
            "Apache Kafka's jars are not here yet and there is no `mvn` to get them; install Maven"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():  # While we waited, another process may have done it.
            _resolve(maven, folder)
    return folder


def _resolve(maven: str, folder: Path) -> None:
    # Into a neighbour first: a folder of that name is complete, or it is not there.
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        done = subprocess.run(
            [
                maven,
                "--batch-mode",
                "--quiet",
                f"--file={POM}",
                "dependency:copy-dependencies",
                "-DincludeScope=runtime",
                f"-DoutputDirectory={partial}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RESOLVE_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            errors = [line for line in done.stdout.splitlines() if "ERROR" in line]
            reason = errors[0][:300] if errors else f"exit code {done.returncode}"
            raise BrokerError(
                f"Maven could not get Apache Kafka {version()}: {reason}; check its network and settings"
            )
        partial.rename(folder)
    except subprocess.TimeoutExpired as error:
        raise BrokerError(
            f"Maven did not get Apache Kafka {version()} within {RESOLVE_SECONDS} s; check its network"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
