"""A load that is killed again and again, and run again each time: what it costs, and whether it ends equal.

``python -m blb_migration_tests.benchmarks.killed`` is the process that is killed: it reads one JSON document
from standard input, says on standard output that it begins, and loads one table.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import psycopg

from blb_migration.compare.run_checks import run_check
from blb_migration.load.table import load_table
from blb_migration.migration import Loading
from blb_migration.postgres.names import qualified_name
from blb_migration_tests.benchmarks.one_table import Outcome, open_pair

_POLL_SECONDS = 0.005
_STATISTICS_SECONDS = 10.0  # within these, the server has counted what ended sessions did
# Of all moments at which to kill, one in so many comes after the last chunk, while indexes are built.
_END_SHARE = 0.1

_RANGES = """
SELECT chunk_no, status, load_xid, finished_at FROM blb_migration.table_chunks WHERE load_id > %s
"""
_HAS_LEDGER = "SELECT to_regclass('blb_migration.table_chunks') IS NOT NULL"
_LATEST_LOAD = "SELECT coalesce(max(load_id), 0) FROM blb_migration.table_loads"

Watch = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class KilledLoad:
    """How a load went that was killed ``kills`` times.

    ``work`` is how often the average row was sent to the target, 1.0 at best; ``loaded_twice`` counts chunks
    that were finished and then written again.
    """

    kills: int
    chunks: int
    loaded_twice: int
    work: float
    is_equal: bool


def load_killed(
    source_url: str,
    target_url: str,
    table: str,
    kills: int,
    *,
    loading: dict[str, Any],
    longest_delay_seconds: float = 0.3,
    seed: int = 1,
) -> KilledLoad:
    """Load ``table``, killed at random moments of its way, and run again until it is done; then compare.

    Each moment is a share of the chunks, and up to ``longest_delay_seconds`` after that. What was quicker
    than its last moments is killed less often than asked for.
    """
    chance = random.Random(seed)
    moments = sorted(chance.uniform(0, 1 + _END_SHARE) for _ in range(kills))
    order = json.dumps(
        {"source_url": source_url, "target_url": target_url, "table": table, "loading": loading}
    )
    finished: dict[int, tuple[Any, ...]] = {}
    loaded_twice = killed = 0
    pair = open_pair(source_url, target_url, table)
    name = pair.table.target.name
    with psycopg.connect(target_url, autocommit=True) as watch:
        rows_before = read_rows_sent(watch, name, 0)
        base = _read_one(watch, _LATEST_LOAD) if _read_one(watch, _HAS_LEDGER) else 0
        for moment in (*moments, None):
            process = _start(order)
            if moment is not None:
                _wait_for(watch, base, moment, process)
                time.sleep(chance.uniform(0, longest_delay_seconds))
                process.kill()
            is_done = process.wait() == 0
            if not is_done and moment is None:
                raise RuntimeError("the load failed; its error is above")
            killed += not is_done
            for number, *facts in _read_chunks(watch, base)[0]:
                loaded_twice += number in finished and finished[number] != tuple(facts)
                finished[number] = tuple(facts)
            if is_done:
                break
        row_count = _read_one(watch, f"SELECT count(*) FROM {pair.target_name}")
        rows_sent = read_rows_sent(watch, name, rows_before + row_count) - rows_before
    checks = [run_check(pair.migration, pair.table, name) for name in ("row_count", "key_totals", "content")]
    work = rows_sent / max(row_count, 1)
    return KilledLoad(killed, len(finished), loaded_twice, work, all(check.passed for check in checks))


def measure(**arguments: Any) -> Outcome:
    """``load_killed`` as a piece of work for the benchmark."""
    started = time.perf_counter()
    outcome = load_killed(**arguments)
    return time.perf_counter() - started, asdict(outcome)


def _start(order: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "blb_migration_tests.benchmarks.killed"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(order + "\n")
    process.stdin.close()
    process.stdout.readline()
    process.stdout.close()
    return process


def _wait_for(watch: Watch, base: int, moment: float, process: subprocess.Popen[str]) -> None:
    """Wait until that share of the chunks is finished, or the process is."""
    while process.poll() is None:
        finished, total = _read_chunks(watch, base)
        if total and len(finished) >= min(moment, 1.0) * total:
            return
        time.sleep(_POLL_SECONDS)


def _read_chunks(watch: Watch, base: int) -> tuple[list[tuple[Any, ...]], int]:
    """Read the finished chunks of loads after ``base``, and how many there are in all."""
    if not _read_one(watch, _HAS_LEDGER):
        return [], 0
    rows = watch.execute(_RANGES.encode(), (base,)).fetchall()
    return [(number, *facts) for number, status, *facts in rows if status == "finished"], len(rows)


def _read_one(watch: Watch, statement: str) -> Any:
    row = watch.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]


def read_rows_sent(watch: Watch, name: Any, at_least: int) -> int:
    """All rows that any session ever inserted, those of transactions that were rolled back included."""
    until = time.monotonic() + _STATISTICS_SECONDS
    while True:
        row = watch.execute(
            "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relid = %s::regclass",
            (qualified_name(name).as_string(),),
        ).fetchone()
        if (row is not None and row[0] >= at_least) or time.monotonic() > until:
            return int(row[0]) if row else 0
        time.sleep(_STATISTICS_SECONDS / 20)


def main() -> None:
    """Load what standard input says."""
    order = json.loads(sys.stdin.readline())
    pair = open_pair(order["source_url"], order["target_url"], order["table"])
    sys.stdout.write("begins\n")
    sys.stdout.flush()
    load_table(replace(pair.migration, loading=Loading(**order["loading"])), pair.table)


if __name__ == "__main__":
    main()
