"""The command in a process of its own, that is quick to start, can be killed, and whose lines have times.

A server process has imported the product once, and forks for each command: a try of the campaign starts two
or three, and importing costs more than the whole migration of a small shop. POSIX alone.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection

_PRODUCT = [
    "blb_migration.cli.migrate",
    "blb_migration.cli.restore_keys",
    "blb_migration.defs.in_process",
    "blb_migration.report.page",
    "blb_migration_tests.faults.command",
]


class Command:
    """One ``blb-migrate`` that runs from now on."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], folder: str) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_PRODUCT)
        reader, writer = context.Pipe(duplex=False)
        self.began_at = time.monotonic()
        self._pieces: list[tuple[float, bytes]] = []
        self._process = context.Process(
            target=_run, args=(writer, list(arguments), dict(environment), folder), daemon=True
        )
        self._process.start()
        writer.close()
        self._listener = threading.Thread(target=self._listen, args=(reader,), daemon=True)
        self._listener.start()
        self.ended_at: float | None = None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.is_alive()

    def kill(self) -> None:
        """End it by SIGKILL: nothing of it may run on."""
        self._process.kill()

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        if self._process.pid is not None and self.is_running:
            os.kill(self._process.pid, number)

    def wait(self, seconds: float) -> int | None:
        """Return its exit code, -9 where it was killed, or None where it does not end in time."""
        self._process.join(seconds)
        if self._process.exitcode is None:
            return None
        self._listener.join(5)
        self.ended_at = self.ended_at or time.monotonic()
        return self._process.exitcode

    @property
    def output(self) -> str:
        """All that it has printed on both streams."""
        return b"".join(piece for _, piece in self._pieces).decode(errors="replace")

    def find_silences(self, since: float) -> list[tuple[float, float, str]]:
        """Return from when to when it printed nothing after ``since``, in seconds since it began, and what it
        said before."""
        said = [(self.began_at, b""), *self._pieces, (self.ended_at or time.monotonic(), b"")]
        return [
            (max(before, since) - self.began_at, after - self.began_at, text.decode(errors="replace"))
            for (before, text), (after, _) in itertools.pairwise(said)
        ]

    def _listen(self, reader: Connection) -> None:
        while True:
            try:
                piece = os.read(reader.fileno(), 65536)
            except OSError:
                return
            if not piece:
                return
            self._pieces.append((time.monotonic(), piece))


def _run(writer: Connection, arguments: list[str], environment: dict[str, str], folder: str) -> None:
    """Be the command, in the forked process."""
    os.dup2(writer.fileno(), 1)
    os.dup2(writer.fileno(), 2)
    writer.close()
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    for name in [name for name in os.environ if name.startswith(("BLB_", "DAGSTER_"))]:
        del os.environ[name]
    os.environ.update(environment)
    os.chdir(folder)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    from blb_migration.cli.main import main

    code = main(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)
