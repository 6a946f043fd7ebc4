"""The servers that are measured against, and what each costs: the emulator's process and PostgreSQL.

A source named by ``BLB_SOURCE_CONN`` takes the emulator's place; its processor time is then not ours to
see.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import psutil
import psycopg

from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.sandbox.emulator.tds.link import Link


@dataclass(frozen=True)
class Source:
    """A running source: its URLs by database, and its process when it is ours."""

    urls: dict[str, str]
    process: subprocess.Popen[str] | None = None

    def cpu_seconds(self) -> float | None:
        """Processor time spent so far; None for a server that is not ours."""
        return None if self.process is None else _cpu_seconds(psutil.Process(self.process.pid))

    def put_behind(self, link: Link) -> None:
        """From now on every connection is behind this line; raises RuntimeError for a source not ours."""
        if self.process is None:
            raise RuntimeError("only the emulator can be put behind a slow line; unset BLB_SOURCE_CONN")
        _exchange(self.process, asdict(link))


@contextmanager
def running_source(
    tables: Sequence[tuple[str, int]] = (),
    erp_scale: int | None = None,
    link: Link | None = None,
    small_tables: int = 0,
) -> Iterator[Source]:
    """Yield the emulator with these tables (shape, rows), so many small ones and the ERP, in a process of its
    own, behind ``link``."""
    process = subprocess.Popen(
        [sys.executable, "-m", "blb_migration_tests.benchmarks.source_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        order = {"tables": tables, "erp_scale": erp_scale, "small_tables": small_tables}
        source = Source(_exchange(process, order), process)
        if link is not None:
            source.put_behind(link)
        yield source
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(60)


def _exchange(process: subprocess.Popen[str], document: dict[str, Any]) -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(document) + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise RuntimeError("the emulator's process has ended; its error is above")
    return json.loads(answer)


@dataclass(frozen=True)
class Target:
    """A running PostgreSQL of our own."""

    server: EmbeddedPostgres

    def cpu_seconds(self) -> float:
        """Processor time of all of its processes so far, those that ended included."""
        with psycopg.connect(self.server.url()) as connection:
            row = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
        assert row is not None
        postmaster = psutil.Process(int(row[0].split()[0]))
        times = postmaster.cpu_times()
        ended: float = times.children_user + times.children_system if hasattr(times, "children_user") else 0.0
        running = sum(_cpu_seconds(process) for process in (postmaster, *_children(postmaster)))
        return ended + running


@contextmanager
def running_target() -> Iterator[Target]:
    """Yield an embedded PostgreSQL."""
    with EmbeddedPostgres() as server:
        yield Target(server)


def _cpu_seconds(process: Any) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:  # it ended just now: its parent counts it
        return 0.0
    return float(times.user + times.system)


def _children(process: Any) -> list[Any]:
    children: list[Any] = process.children()
    return children
