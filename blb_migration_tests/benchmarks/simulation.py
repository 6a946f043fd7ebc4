"""A load on N workers, replayed from the chunk times of one; and what a database of any size costs.

    .venv/bin/python -m blb_migration_tests.benchmarks.simulation --terabytes 1 --tables 10000 --rows 1e10

The replay knows three limits: a line of its own for each worker, the processors that all share, and that a
chunk is loaded by one worker. ``benchmarks.machines`` prints beside each load what the replay of its first
one says. Nothing here is measured; the constants below were, where their comments say.
"""

from __future__ import annotations

import argparse
import heapq
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from blb_migration.load.chunks.planning import choose_chunk_rows

# docs/performance.md, --only growth, 10 million rows in chunks: the load's own, PostgreSQL's, the source's.
PROCESSOR_SECONDS_PER_ROW = (1.31e-6, 1.90e-6, 0.12e-6)
# docs/performance.md, --only growth: rows a second of one machine with two processors, peak megabytes.
ROWS_PER_SECOND = 529_000
MEGABYTES_OF_ONE_LOAD = 213
_BYTES_PER_ROW = 150  # of that table, in COPY's binary form
# docs/performance.md, --only erp: 42 small tables in 2.92 s, and in 5.48 with Dagster's events kept.
ENGINE_SECONDS_PER_TABLE = 2.92 / 42
DAGSTER_SECONDS_PER_TABLE = (5.48 - 2.92) / 42
# docs/scaling.md, 2,000 tables: what a process that loads the code location spends, and what the UI is told.
DEFINITION_SECONDS_PER_TABLE = (7.4 + 9.5) / 2000
UI_SECONDS_PER_TABLE = 8.8 / 2000
UI_MEGABYTES_PER_TABLE = 50 / 2000
# benchmarks.celery_machines --only two: a run of 42 tables, 24 chunks of them counted apart.
LEDGER_ROWS_PER_TABLE = (826 - 24) / 42
EVENTS_PER_TABLE = 1446 / 42
_CHUNKED_FROM_BYTES = 4_000_000 * 256


@dataclass(frozen=True)
class Chunk:
    """One chunk on an idle machine: seconds by the clock, of which so many on a processor."""

    seconds: float
    processor_seconds: float


def replay(chunks: Sequence[Chunk], workers: int, processors: int) -> float:
    """Return the seconds until all ``chunks`` are loaded, each claimed in order by the next free worker.

    While those at work want more than there are ``processors``, all are slowed alike.
    """
    waiting = list(reversed(chunks))
    at_work: list[tuple[float, float]] = []  # when it ends, by a clock of work done; its share of a processor
    clock = worked = 0.0
    while waiting or at_work:
        while waiting and len(at_work) < workers:
            chunk = waiting.pop()
            share = chunk.processor_seconds / chunk.seconds
            heapq.heappush(at_work, (worked + chunk.seconds, share))
        speed = min(1.0, processors / max(sum(share for _, share in at_work), 1e-9))
        ends_at, _ = heapq.heappop(at_work)
        clock += (ends_at - worked) / speed
        worked = ends_at
    return clock


def build_chunks(seconds: Sequence[float], rows: Sequence[int]) -> list[Chunk]:
    """Build chunks from what one worker measured; none can be on a processor for longer than it took."""
    return [
        Chunk(each, min(each, row_count * sum(PROCESSOR_SECONDS_PER_ROW)))
        for each, row_count in zip(seconds, rows, strict=True)
    ]


@dataclass(frozen=True)
class Growth:
    """What a database costs: hours of its rows and, beside them, of its tables; sessions to fill the hours.

    ``definition_seconds`` are those of each process that loads the code location, ``ui_seconds`` those of
    telling the UI of it.
    """

    hours_of_rows: float
    hours_of_tables: float
    hours_of_tables_with_dagster: float
    rows_a_second_behind_a_line: int
    sessions_for_that_line: int
    megabytes_of_a_load: int
    chunks: int
    ledger_rows: int
    dagster_events: int
    definition_seconds: float
    ui_seconds: float
    ui_megabytes: int


def choose_table_chunks(rows: float, table_bytes: float) -> int:
    """Return how many chunks the product makes of a table."""
    return round(rows / choose_chunk_rows(round(rows), round(table_bytes)))


def grow(
    terabytes: float, tables: int, rows: float, workers: int, *, processors: int, line_megabytes: float
) -> Growth:
    """Compute what a database of this size costs with ``workers`` machines of ``processors`` each.

    One is a single machine for everything, as measured; more of them have a target and a source on machines
    of their own, the target with as many processors as a worker. Rows wider than the measured ones take
    longer in proportion. All tables are of one size: one that has most of the rows is loaded in chunks, by as
    many machines.
    """
    row_bytes = terabytes * 1e12 / rows
    wider = max(1.0, row_bytes / _BYTES_PER_ROW)
    on_worker, on_target, on_source = (each * wider for each in PROCESSOR_SECONDS_PER_ROW)
    if workers == 1:
        seconds_per_row = wider / ROWS_PER_SECOND
    else:
        seconds_per_row = max(on_worker / workers, on_target, on_source) / processors
    table_bytes = terabytes * 1e12 / tables
    is_chunked = table_bytes >= _CHUNKED_FROM_BYTES
    chunks = tables * (choose_table_chunks(rows / tables, table_bytes) if is_chunked else 0)
    line_rows = line_megabytes * 1e6 / row_bytes
    return Growth(
        hours_of_rows=round(rows * seconds_per_row / 3600, 2),
        hours_of_tables=round(tables * ENGINE_SECONDS_PER_TABLE / 3600, 2),
        hours_of_tables_with_dagster=round(
            tables * (ENGINE_SECONDS_PER_TABLE + DAGSTER_SECONDS_PER_TABLE) / 3600, 2
        ),
        rows_a_second_behind_a_line=round(line_rows),
        sessions_for_that_line=max(1, round(1 / seconds_per_row / line_rows)),
        megabytes_of_a_load=MEGABYTES_OF_ONE_LOAD,
        chunks=chunks,
        ledger_rows=round(tables * LEDGER_ROWS_PER_TABLE + chunks),
        dagster_events=round(tables * EVENTS_PER_TABLE),
        definition_seconds=round(tables * DEFINITION_SECONDS_PER_TABLE, 1),
        ui_seconds=round(tables * UI_SECONDS_PER_TABLE, 1),
        ui_megabytes=round(tables * UI_MEGABYTES_PER_TABLE),
    )


def main(arguments: list[str]) -> int:
    """Print what a database costs, a line of JSON for each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--terabytes", type=float, default=1.0)
    parser.add_argument("--tables", type=int, default=10_000)
    parser.add_argument("--rows", type=float, default=1e10)
    parser.add_argument("--workers", default="1,2,4,8")
    parser.add_argument("--processors", type=int, default=2, help="of each worker, and of the target")
    parser.add_argument("--megabytes", type=float, default=20.0, help="a second and connection")
    options = parser.parse_args(arguments)
    for workers in map(int, options.workers.split(",")):
        cost = grow(
            options.terabytes,
            options.tables,
            options.rows,
            workers,
            processors=options.processors,
            line_megabytes=options.megabytes,
        )
        sys.stdout.write(json.dumps({"workers": workers, **vars(cost)}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
