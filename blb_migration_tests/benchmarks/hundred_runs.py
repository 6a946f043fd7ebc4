"""A hundred runs of the ERP against one target: what they leave in the ledger, and what reading it takes.

    .venv/bin/python -m blb_migration_tests.benchmarks.hundred_runs --runs 100

The runs are the command's own (``run_in_process``), one after the other. Prints the sizes after each tenth,
then how long ``blb-migrate report`` and ``blb-migrate history`` take (a new process each, its start included,
median of three), a line of JSON each; ends with 1 where the ledger or the report is over its limit.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from blb_migration.sandbox.erp import SOURCE_DATABASE, create_target
from blb_migration_tests.benchmarks.sections import make_home
from blb_migration_tests.benchmarks.servers import running_source, running_target
from blb_migration_tests.benchmarks.worker import build_environment, run_worker

_MOST_MEGABYTES, _MOST_SECONDS = 20.0, 2.0
_COMMAND = str(Path(sys.executable).with_name("blb-migrate"))  # python -m would look for newer packages first
_TIMES = 3
_TABLES = """
SELECT relname, pg_total_relation_size(relid) FROM pg_stat_user_tables
WHERE schemaname = 'blb_migration' ORDER BY 2 DESC
"""


def main(arguments: Sequence[str]) -> int:
    """Carry out the runs and measure what they have left; 1 where that is too much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--scale", type=int, default=1)
    parser.add_argument("--home", action="store_true", help="with a DAGSTER_HOME, which keeps every event")
    options = parser.parse_args(arguments)
    with (
        running_source(erp_scale=options.scale) as source,
        running_target() as target,
        TemporaryDirectory(prefix="blb-hundred-runs-", ignore_cleanup_errors=True) as name,
    ):
        folder = Path(name)
        home = make_home(folder / "home") if options.home else None
        target_url = target.server.create_database("erp")
        create_target(target_url)
        done = 0
        for count in _split(options.runs):
            run_worker(
                "whole_erp.jobs_in_process",
                source_url=source.urls[SOURCE_DATABASE],
                target_url=target_url,
                home=None if home is None else str(home),
                count=count,
            )
            done += count
            _say({"runs": done, **_measure_sizes(target_url, home)})
        report = _time_command(folder, "report", target_url, "--output", str(folder / "report.json"))
        history = _time_command(folder, "history", target_url)
        outcome = {
            "runs": options.runs,
            **_measure_sizes(target_url, home),
            "report_seconds": report,
            "report_kilobytes": round((folder / "report.json").stat().st_size / 1e3),
            "history_seconds": history,
        }
    is_good = outcome["ledger_megabytes"] < _MOST_MEGABYTES and report < _MOST_SECONDS
    _say({**outcome, "is_good": is_good})
    return 0 if is_good else 1


def _split(runs: int) -> list[int]:
    """Cut the runs into ten parts at most, so that growth shows."""
    parts = min(10, runs)
    return [(runs * (number + 1)) // parts - (runs * number) // parts for number in range(parts)]


def _measure_sizes(target_url: str, home: Path | None) -> dict[str, Any]:
    with psycopg.connect(target_url) as connection:
        sizes = [(str(name), int(size)) for name, size in connection.execute(_TABLES).fetchall()]
    found: dict[str, Any] = {
        "ledger_megabytes": round(sum(size for _, size in sizes) / 1e6, 2),
        "largest": {name: round(size / 1e6, 2) for name, size in sizes[:5]},
    }
    if home is not None:
        held = sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
        found["home_megabytes"] = round(held / 1e6, 1)
    return found


def _time_command(folder: Path, subcommand: str, target_url: str, *options: str) -> float:
    """Return the median seconds of the whole command, which must succeed."""
    seconds = []
    environment = build_environment() | {"BLB_TARGET_CONN": target_url}
    for _ in range(_TIMES):
        started = time.perf_counter()
        subprocess.run(
            [_COMMAND, subcommand, *options],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        seconds.append(time.perf_counter() - started)
    return round(statistics.median(seconds), 2)


def _say(outcome: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(outcome) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
