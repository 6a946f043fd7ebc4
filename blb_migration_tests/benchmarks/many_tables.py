"""What a run of many small tables costs for each table: the engine, and what Dagster adds.

    .venv/bin/python -m blb_migration_tests.benchmarks.many_tables --tables 200,2000

Makes so many tables of ten columns, two foreign keys and three rows at the emulator, has the product design
the target, and migrates them with no Dagster in the process, as the command does it, and with its events
kept.
What grows faster than the number of tables shows as a number that rises from line to line. The emulator takes
0.2 seconds for a table's statements when it reads them first: up to 500 tables a run before the measured ones
does that, above it is in the first line's seconds, and only processor time is compared. 2,000 tables take a
quarter of an hour on two idle processors.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from rich.console import Console

from blb_migration.cli.init import write_new_project
from blb_migration.schema.script import SCHEMA_FILE
from blb_migration_tests.benchmarks.measure import Measurement, measure_in_turn
from blb_migration_tests.benchmarks.sections import BARE, IN_PROCESS, WITH_HOME, make_home
from blb_migration_tests.benchmarks.servers import Source, Target, running_source, running_target
from blb_migration_tests.benchmarks.source_process import DATABASE
from blb_migration_tests.benchmarks.whole_erp import PROCESSORS
from blb_migration_tests.benchmarks.worker import Cost, run_worker

DEFINITIONS = "definitions"
_WARMED_UP_TO = 500  # tables
_CONTESTANTS = {"bare": BARE, "job": IN_PROCESS, "events": WITH_HOME, "definitions": DEFINITIONS}


def main(arguments: list[str]) -> int:
    """Measure and print, one line for each contestant; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tables", default="200", metavar="N,...")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default=",".join(_CONTESTANTS), metavar="NAME,...", help="of the default's")
    options = parser.parse_args(arguments)
    chosen = [_CONTESTANTS[name] for name in options.only.split(",")]
    _say("milliseconds for each table: by the clock; of processors: itself, target, source; peak")
    for table_count in map(int, options.tables.split(",")):
        with many_tables(table_count) as sample:
            works = {name: work for name, work in sample.build_works().items() if name in chosen}
            is_warm = BARE in works and table_count <= _WARMED_UP_TO
            if is_warm:
                works[BARE]()  # the emulator translates statements and encodes rows at the first reading
            measured = measure_in_turn(
                f"{table_count} tables", table_count, works, (sample.source, sample.target), options.rounds
            )
        bare = next((each for each in measured if each.contestant == BARE), None)
        for each in measured:
            _say(_describe(each, bare, is_warm=is_warm))
    return 0


@dataclass(frozen=True)
class Sample:
    """Servers with the tables, and the project about them."""

    source: Source
    target: Target
    folder: Path

    def build_works(self) -> dict[str, Callable[[], Cost]]:
        """Build what is measured; each migrates into a database of its own."""
        numbers = count()

        def migrate(work: str, *, keeps_events: bool) -> Cost:
            name = f"many{next(numbers)}"
            target_url = self.target.server.create_database(name)
            with psycopg.connect(target_url) as connection:
                connection.execute((self.folder / SCHEMA_FILE).read_bytes())
            more = {"home": str(make_home(self.folder / name))} if keeps_events else {}
            try:
                return run_worker(
                    f"whole_erp.{work}",
                    source_url=self.source.urls[DATABASE],
                    target_url=target_url,
                    project=str(self.folder),
                    **more,
                )
            finally:
                self.target.server.drop_database(name)

        return {
            BARE: partial(migrate, "bare_engine", keeps_events=False),
            IN_PROCESS: partial(migrate, "job_in_process", keeps_events=False),
            WITH_HOME: partial(migrate, "job_in_process", keeps_events=True),
            DEFINITIONS: partial(run_worker, "whole_erp.load_definitions", project=str(self.folder)),
        }


@contextmanager
def many_tables(table_count: int) -> Iterator[Sample]:
    """Yield so many small tables at a source, and a project whose target is designed from them."""
    with (
        running_source(small_tables=table_count) as source,
        running_target() as target,
        TemporaryDirectory(prefix="blb-many-", ignore_cleanup_errors=True) as folder,
    ):
        project = Path(folder) / "many"
        write_new_project(
            source.urls[DATABASE], target.server.create_database("empty"), project, Console(quiet=True)
        )
        yield Sample(source, target, project)


def _describe(measured: Measurement, bare: Measurement | None, *, is_warm: bool) -> str:
    table_count = measured.row_count
    costs = [measured.seconds, *measured.cpu_seconds().values()]
    each = "  ".join(f"{seconds / table_count * 1000:7.1f}" for seconds in costs)
    line = f"{measured.subject:>12}  {each}  {measured.peak_megabytes or 0:6.0f} MB  {measured.contestant}"
    if bare is not None and measured.contestant in (IN_PROCESS, WITH_HOME):
        beyond = (measured.seconds - bare.seconds) / table_count * 1000
        spent = measured.median_detail(PROCESSORS) - bare.median_detail(PROCESSORS)
        of_processors = spent / table_count * 1000
        by_clock = f"{beyond:.1f} beyond the bare engine, " if is_warm else "beyond the bare engine "
        line += f": {by_clock}{of_processors:.1f} of processors"
    parts = {name: part for name, part in measured.rounds[-1].cost.details.items() if name != "rows"}
    return line + "".join(f"; {name} {part / table_count * 1000:.1f}" for name, part in parts.items())


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
