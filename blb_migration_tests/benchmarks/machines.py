"""One large table loaded by several machines, each a network namespace with its address and working folder.

    sudo .venv/bin/python -m blb_migration_tests.benchmarks.machines --rows 2000000 --machines 1,2,4

Needs Linux, root and ``ip``. The source is behind a line of 20 ms and 20 MB/s a connection, and every machine
has one connection; the first begins the load, the others run ``blb-migrate work``. ``simulated`` is what the
replay of the first load's chunks says of as many machines (``simulation``). ``--lost``: one of four machines
is killed, and one's link is taken down, in the middle of the load; both for good.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from blb_migration.compare.run_checks import run_check
from blb_migration.plan.project import save_project
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.link import Link
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration_tests.benchmarks.killed import Watch, read_rows_sent
from blb_migration_tests.benchmarks.namespaces import (
    BRIDGE_ADDRESS,
    Machine,
    Process,
    running_bridge,
    running_machine,
)
from blb_migration_tests.benchmarks.one_table import Pair, open_pair
from blb_migration_tests.benchmarks.sections import SLOW_LINE, build_target_table
from blb_migration_tests.benchmarks.shapes import SHAPES
from blb_migration_tests.benchmarks.simulation import Chunk, build_chunks, replay
from blb_migration_tests.benchmarks.target_process import serving_databases

_SHAPE = "inventory_transactions"
_COMMAND = str(Path(sys.executable).with_name("blb-migrate"))  # python -m would look for newer packages first
_CHUNK_ROWS = 25_000
_LOADING = {"connections": 1, "chunked_from_rows": 1000, "chunk_rows": _CHUNK_ROWS}
_READ_CHUNKS = """
SELECT count(*), count(*) FILTER (WHERE status = 'finished'), count(DISTINCT load_xid)
FROM blb_migration.table_chunks
"""

_READ_TIMES = "SELECT elapsed_seconds, rows_written FROM blb_migration.table_chunks ORDER BY chunk_no"


@dataclass(frozen=True)
class Servers:
    """Source and target at the bridge's own address, where every machine reaches them."""

    source_url: str
    target_url: str
    pair: Pair
    project_folder: Path


def main(arguments: list[str]) -> int:
    """Measure, print one line of JSON for each load; 1 where one of them is not equal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--machines", default="1,2,4")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--megabytes", type=float, help="a second and connection, instead of 20")
    parser.add_argument("--lost", action="store_true")
    options = parser.parse_args(arguments)
    counts = [int(number) for number in options.machines.split(",")]
    good = True
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="blb-machines-")))
        stack.enter_context(running_bridge())
        link = SLOW_LINE
        if options.megabytes:
            link = replace(link, bytes_per_second=options.megabytes * 1e6)
        servers = stack.enter_context(_serve(folder, options.rows, link))
        machines = [
            stack.enter_context(running_machine(number, folder)) for number in range(1, max(counts) + 1)
        ]
        groups = [machines[:count] for _ in range(options.rounds) for count in counts]
        measured: list[Chunk] | None = None
        for group in [machines[:4]] if options.lost else groups:
            outcome = _load(servers, group, loses=options.lost)
            measured = outcome.pop("measured") if measured is None else measured
            outcome.pop("measured", None)
            outcome["simulated"] = round(replay(measured, len(group), os.cpu_count() or 1), 2)
            good = good and outcome["is_equal"]
            sys.stdout.write(json.dumps(outcome) + "\n")
            sys.stdout.flush()
    return 0 if good else 1


def _load(servers: Servers, machines: list[Machine], *, loses: bool = False) -> dict[str, Any]:
    urls = {"source_url": servers.source_url, "target_url": servers.target_url}
    table = servers.pair.table.source.name.name
    order = json.dumps({**urls, "table": table, "loading": _LOADING})
    with psycopg.connect(servers.target_url, autocommit=True) as watch:
        name = servers.pair.table.target.name
        watch.execute(f"TRUNCATE {servers.pair.target_name}".encode())
        watch.execute(b"DROP SCHEMA IF EXISTS blb_migration CASCADE")
        before = read_rows_sent(watch, name, 0)
        helpers = [_start_helper(servers, machine) for machine in machines[1:]]
        _wait_until_they_look(watch, {machine.address for machine in machines[1:]})
        owner = machines[0].run(
            ["-W", "ignore", "-m", "blb_migration_tests.benchmarks.killed"], stdin=subprocess.PIPE
        )
        assert owner.stdin is not None and owner.stdout is not None
        owner.stdin.write(order + "\n")
        owner.stdin.close()
        owner.stdout.readline()
        started = time.perf_counter()
        if loses:
            _wait_for(watch, 0.25)
            helpers[0].kill()
            _wait_for(watch, 0.45)
            machines[2].cut_off()
        chunks = _wait_for(watch, 1.0)
        rows_seconds = time.perf_counter() - started
        is_done = owner.wait() == 0
        seconds = time.perf_counter() - started
        for helper in helpers:
            helper.kill()
            helper.wait()
        row_count = watch.execute(f"SELECT count(*) FROM {servers.pair.target_name}".encode()).fetchone()
        assert row_count is not None
        sent = read_rows_sent(watch, name, before + row_count[0]) - before
        times = watch.execute(_READ_TIMES).fetchall()
    pair = open_pair(servers.source_url, servers.target_url, table)  # a run of its own
    checks = [run_check(pair.migration, pair.table, name) for name in ("row_count", "key_totals", "content")]
    return {
        "machines": len(machines),
        "rows": row_count[0],
        "rows_seconds": round(rows_seconds, 2),
        "seconds": round(seconds, 2),
        "rows_per_second": round(row_count[0] / rows_seconds),
        "chunks": chunks[0],
        "transactions_of_chunks": chunks[2],
        "work": round(sent / row_count[0], 3),
        "measured": build_chunks([each for each, _ in times], [rows for _, rows in times]),
        "is_equal": is_done and all(check.passed for check in checks),
    }


def _start_helper(servers: Servers, machine: Machine) -> Process:
    return machine.run(
        [_COMMAND, "work", "--wait", "--project", str(servers.project_folder)],
        environment={
            "BLB_SOURCE_CONN": servers.source_url,
            "BLB_TARGET_CONN": servers.target_url,
            "BLB_CONNECTIONS": "1",
        },
    )


def _wait_until_they_look(watch: Watch, addresses: set[str]) -> None:
    """Wait until each helper has looked for a load once: its start is not measured."""
    seen = set[str]()
    while not addresses <= seen:
        rows = watch.execute("SELECT host(client_addr) FROM pg_stat_activity WHERE client_addr IS NOT NULL")
        seen |= {address for (address,) in rows}
        time.sleep(0.002)


def _wait_for(watch: Watch, share: float) -> tuple[int, int, int]:
    """Wait until that share of the chunks is finished; returns chunks, finished ones, their transactions."""
    while True:
        exists = watch.execute("SELECT to_regclass('blb_migration.table_chunks') IS NOT NULL").fetchone()
        row = watch.execute(_READ_CHUNKS).fetchone() if exists and exists[0] else None
        if row is not None and row[0] and row[1] >= share * row[0]:
            return row[0], row[1], row[2]
        time.sleep(0.05)


@contextmanager
def _serve(folder: Path, row_count: int, link: Link) -> Iterator[Servers]:
    shape = SHAPES[_SHAPE]
    table = shape.table(row_count)
    engine_folder, project_folder = folder / "engine", folder / "project"
    engine_folder.mkdir()
    engine = TsqlEngine(engine_folder, memory_limit="4GB")
    engine.add_login("sa", "machines")
    database = engine.create_database("BENCHMARK")
    database.create_table(table)
    database.load(table.name, shape.iterate_batches(row_count))
    server = SqlServerEmulator(engine, has_clients_in_process=False)
    server.host = "0.0.0.0"
    with server, serving_databases(folder / "target", BRIDGE_ADDRESS, "benchmark") as urls:
        server.link = link
        target_url = urls["benchmark"]
        with psycopg.connect(target_url) as connection:
            for statement in build_target_table(table):
                connection.execute(statement)
        source_url = server.url("BENCHMARK", "sa", "machines").replace("0.0.0.0", BRIDGE_ADDRESS)
        pair = open_pair(source_url, target_url, table.name.name)
        save_project(replace(pair.migration.project, folder=project_folder))
        yield Servers(source_url, target_url, pair, project_folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
