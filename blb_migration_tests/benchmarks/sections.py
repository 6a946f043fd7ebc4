"""What is measured against what: one large table, what people use today, growth, the whole ERP.

Each section starts its own servers, warms up (the emulator encodes a table's rows at the first reading
and replays the bytes after that) and returns measurements. ``quick`` is for the test of the benchmark
itself.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg import sql

from blb_migration.documents import read_document
from blb_migration.migration import Loading
from blb_migration.model import Table
from blb_migration.sandbox.emulator.tds.link import Link
from blb_migration.sandbox.erp import SOURCE_DATABASE, create_target
from blb_migration.settings import SOURCE_VARIABLE, parse_source_url
from blb_migration.settings.odbc import NATIVE_DRIVERS
from blb_migration.sqlserver.catalog import read_catalog
from blb_migration.sqlserver.connect import SourceConnector
from blb_migration_tests.benchmarks import todays_tools
from blb_migration_tests.benchmarks.measure import Measurement, measure_in_turn
from blb_migration_tests.benchmarks.servers import Source, Target, running_source, running_target
from blb_migration_tests.benchmarks.shapes import SHAPES, target_type, without_computed
from blb_migration_tests.benchmarks.source_process import DATABASE
from blb_migration_tests.benchmarks.worker import Cost, run_worker

LOAD, DRAIN, COPY = "our load", "floor: drain the source", "floor: COPY prepared bytes"
BOTH = "floor: both at once"
TODAYS_TOOLS = {
    "pandas read_sql + to_sql": "pandas",
    "fetchmany + execute_values": "execute_values",
    "pgloader": "pgloader",
    "sling": "sling",
}
_PROGRAMS = ("pgloader", "sling")
BARE, IN_PROCESS, WITH_HOME = "bare engine", "job in process", "job in process, events kept"
SLOW_LINE = Link(latency_seconds=0.02, bytes_per_second=20e6)
KILLS = 10
LAUNCHED, FORKSERVER = "job as the UI launches it", "job as the UI launches it, forkserver"


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int
    table_rows: dict[str, int]
    todays_rows: int
    growth_rows: tuple[int, ...]
    scales: tuple[int, ...]
    with_forkserver: bool = False  # minutes a round, on a busy machine


FULL = Size(
    5,
    {"inventory_transactions": 1_000_000, "wide": 400_000, "large_values": 4_000, "short_max": 1_000_000,
     "narrow": 3_000_000},
    500_000,
    (100_000, 1_000_000, 10_000_000),
    (1, 20, 200),
)  # fmt: skip
QUICK = Size(1, {"inventory_transactions": 2_000, "narrow": 3_000}, 500, (500, 1_000), (1,))


def measure_tables(size: Size) -> Iterator[Sequence[Measurement]]:
    """Our load of one large table beside its floors; with BLB_SOURCE_CONN, its largest table."""
    url = os.environ.get(SOURCE_VARIABLE)
    if url:
        table = _find_largest(url)
        rows = {table.name.name: table.row_estimate or 0}
        with running_target() as target:
            yield _measure_table(Source({DATABASE: url}), target, table, rows[table.name.name], size.rounds)
        return
    with running_source(list(size.table_rows.items())) as source, running_target() as target:
        for name, row_count in size.table_rows.items():
            yield _measure_table(source, target, SHAPES[name].table(row_count), row_count, size.rounds)


def measure_drivers(size: Size) -> Iterator[Sequence[Measurement]]:
    """Draining and loading each table through both drivers. One that cannot be loaded says what it needs."""
    with running_source(list(size.table_rows.items())) as source, running_target() as target:
        for name, row_count in size.table_rows.items():
            table = SHAPES[name].table(row_count)
            arguments = _prepare_target(source, target, table)
            contestants = {
                f"{title}, {driver}": partial(
                    run_worker,
                    work,
                    **arguments | {"source_url": name_driver(arguments["source_url"], driver)},
                )
                for title, work in ((DRAIN, "floors.drain"), (LOAD, "one_table.load"))
                for driver in NATIVE_DRIVERS
            }
            yield measure_in_turn(name, row_count, contestants, (source, target), size.rounds)


def name_driver(url: str, driver: str) -> str:
    """Return the emulator's URL with this driver in the place of the one that it names."""
    named = url.replace("driver=ODBC+Driver+18+for+SQL+Server", f"driver={driver}")
    assert named != url
    return named


def measure_todays_tools(size: Size) -> Iterator[Sequence[Measurement]]:
    """Our load beside what people use today, on a table small enough to wait for them."""
    shape, row_count = SHAPES["inventory_transactions"], size.todays_rows
    with running_source([(shape.name, row_count)]) as source, running_target() as target:
        table = shape.table(row_count)
        arguments = _prepare_target(source, target, table)
        contestants = {LOAD: partial(run_worker, "one_table.load", **arguments)}
        for title, tool in TODAYS_TOOLS.items():
            if tool in _PROGRAMS and not todays_tools.is_installed(tool):
                continue
            work = partial(run_worker, f"todays_tools.{tool}", **arguments)
            if _is_able(title, work, row_count):
                contestants[title] = work
        yield measure_in_turn(table.name.name, row_count, contestants, (source, target), size.rounds)


def measure_growth(size: Size) -> Iterator[Sequence[Measurement]]:
    """Our load of the same table with ten and a hundred times the rows: in chunks, and also as it is loaded
    where that is whole.

    Only loads of one kind are compared: a second connection has batches of its own in memory.
    """
    shape = SHAPES["inventory_transactions"]
    for row_count in size.growth_rows:
        with running_source([(shape.name, row_count)]) as source, running_target() as target:
            table = shape.table(row_count)
            arguments = _prepare_target(source, target, table)
            chunked = {"chunked_from_rows": 1, "connections": 2}
            contestants = {
                f"{LOAD}, chunks, two connections": partial(
                    run_worker, "one_table.load", **arguments, loading=chunked
                )
            }
            if row_count < Loading().chunked_from_rows:
                contestants[LOAD] = partial(run_worker, "one_table.load", **arguments)
            rounds = min(size.rounds, 3)
            yield measure_in_turn(table.name.name, row_count, contestants, (source, target), rounds)


def measure_chunked(size: Size) -> Iterator[Sequence[Measurement]]:
    """Measure a large table whole, in chunks by one, two and four connections, and from a slow source."""
    shape, row_count = SHAPES["inventory_transactions"], size.growth_rows[-1]
    with running_source([(shape.name, row_count)]) as source, running_target() as target:
        table = shape.table(row_count)
        arguments = _prepare_target(source, target, table)
        ways = {
            "whole": {"chunked_from_rows": 2 * row_count},
            **{f"ranges, {n} connections": {"chunked_from_rows": 1, "connections": n} for n in (1, 2, 4)},
        }
        contestants = {
            name: partial(run_worker, "one_table.load", **arguments, loading=loading)
            for name, loading in ways.items()
        }
        for warm_up in list(contestants.values())[:2]:
            warm_up()
        servers = (source, target)
        yield measure_in_turn(table.name.name, row_count, contestants, servers, size.rounds)
        source.put_behind(SLOW_LINE)
        subject = (
            f"{table.name.name} behind {SLOW_LINE.latency_seconds * 1000:.0f} ms and "
            f"{(SLOW_LINE.bytes_per_second or 0) / 1e6:.0f} MB/s per connection"
        )
        yield measure_in_turn(subject, row_count, contestants, servers, min(size.rounds, 3))


def measure_killed(size: Size) -> Iterator[Sequence[Measurement]]:
    """Measure a large table whose load is killed ten times at random moments, and run again each time."""
    shape, row_count = SHAPES["inventory_transactions"], size.growth_rows[-1]
    with running_source([(shape.name, row_count)]) as source, running_target() as target:
        table = shape.table(row_count)
        loading = {"chunked_from_rows": 1}
        arguments = _prepare_target(source, target, table)
        work = partial(run_worker, "killed.measure", **arguments, kills=KILLS, loading=loading)
        (measured,) = measure_in_turn(table.name.name, row_count, {"killed": work}, (source, target), 1)
        (only,) = measured.rounds
        sys.stdout.write(f"{json.dumps(only.cost.details)}\n")
        yield [measured]


def measure_content(size: Size) -> Iterator[Sequence[Measurement]]:
    """Measure what comparing every cell costs beside the load: digesting on the way in, reading back after
    it."""
    shape, row_count = SHAPES["inventory_transactions"], size.table_rows["inventory_transactions"]
    with running_source([(shape.name, row_count)]) as source, running_target() as target:
        table = shape.table(row_count)
        arguments = _prepare_target(source, target, table)
        contestants = {
            "load without a digest": partial(run_worker, "content.load_without_digest", **arguments),
            LOAD: partial(run_worker, "one_table.load", **arguments),
            "content: read the target back": partial(run_worker, "content.compare", **arguments),
            "--reread: digest the source": partial(run_worker, "content.digest_source", **arguments),
        }
        yield measure_in_turn(table.name.name, row_count, contestants, (source, target), size.rounds)


def measure_erp(size: Size) -> Iterator[Sequence[Measurement]]:
    """Measure the whole ERP, with no Dagster and in each way that Dagster can run it."""
    numbers = count()
    for scale in size.scales:
        with (
            running_source(erp_scale=scale) as source,
            running_target() as target,
            TemporaryDirectory(prefix="blb-dagster-", ignore_cleanup_errors=True) as folder,
        ):

            def run(
                work: str,
                *,
                keeps_events: bool,
                source: Source = source,
                target: Target = target,
                folder: str = folder,
                **arguments: str,
            ) -> Cost:
                name = f"erp{next(numbers)}"
                target_url = target.server.create_database(name)
                create_target(target_url)
                if keeps_events:
                    arguments["home"] = str(make_home(Path(folder) / name))
                try:
                    return run_worker(
                        f"whole_erp.{work}",
                        source_url=source.urls[SOURCE_DATABASE],
                        target_url=target_url,
                        **arguments,
                    )
                finally:
                    target.server.drop_database(name)

            launched = partial(run, "job_as_launched", keeps_events=True)
            contestants: dict[str, Callable[[], Cost]] = {
                BARE: partial(run, "bare_engine", keeps_events=False),
                IN_PROCESS: partial(run, "job_in_process", keeps_events=False),
                WITH_HOME: partial(run, "job_in_process", keeps_events=True),
                LAUNCHED: partial(launched, executor=""),  # the one that is chosen
            }
            if size.with_forkserver and sys.platform != "win32":
                contestants[FORKSERVER] = partial(launched, executor="multiprocess")
            row_count = int(contestants[BARE]().details["rows"])
            yield measure_in_turn(
                f"ERP at scale {scale}", row_count, contestants, (source, target), size.rounds
            )


SECTIONS: dict[str, Callable[[Size], Iterator[Sequence[Measurement]]]] = {
    "tables": measure_tables,
    "drivers": measure_drivers,
    "today": measure_todays_tools,
    "content": measure_content,
    "growth": measure_growth,
    "split": measure_chunked,
    "killed": measure_killed,
    "erp": measure_erp,
}


def _measure_table(
    source: Source, target: Target, table: Table, row_count: int, round_count: int
) -> Sequence[Measurement]:
    arguments = _prepare_target(source, target, table)
    with TemporaryDirectory(prefix="blb-copy-") as folder:
        path = str(Path(folder) / "rows.copy")
        run_worker("floors.write_copy_file", **arguments, path=path)
        contestants = {
            LOAD: partial(run_worker, "one_table.load", **arguments),
            DRAIN: partial(run_worker, "floors.drain", **arguments),
            COPY: partial(run_worker, "floors.copy", **arguments, path=path),
            BOTH: partial(run_worker, "floors.drain_beside_copy", **arguments, path=path),
        }
        return measure_in_turn(table.name.name, row_count, contestants, (source, target), round_count)


def _prepare_target(source: Source, target: Target, table: Table) -> dict[str, str]:
    """Create the table on the target and load it once; returns what every work on it needs."""
    name = f"benchmark_{table.name.name.lower()}"
    target_url = target.server.create_database(name)
    with psycopg.connect(target_url) as connection:
        for statement in build_target_table(table):
            connection.execute(statement)
    source_url = source.urls[DATABASE]
    arguments = {"source_url": source_url, "target_url": target_url, "table": table.name.name}
    run_worker("one_table.load", **arguments)
    return arguments


def build_target_table(table: Table) -> Iterator[sql.Composed]:
    name = sql.Identifier(table.name.name)
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}{}").format(
            sql.Identifier(column.name),
            sql.SQL(target_type(column.type)),
            sql.SQL("" if column.nullable else " NOT NULL"),
        )
        for column in without_computed(table).columns
    )
    yield sql.SQL("CREATE TABLE {} ({})").format(name, columns)
    if table.primary_key:
        key = sql.SQL(", ").join(map(sql.Identifier, table.primary_key.columns))
        yield sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(name, key)
    for index in table.indexes:
        if index.filter is None:
            indexed = sql.SQL(", ").join(sql.Identifier(column.name) for column in index.columns)
            yield sql.SQL("CREATE INDEX ON {} ({})").format(name, indexed)


def _find_largest(url: str) -> Table:
    with SourceConnector(parse_source_url(url)).connect() as session:
        return max(read_catalog(session), key=lambda table: table.row_estimate or 0)


def _is_able(title: str, work: Callable[[], Cost], row_count: int) -> bool:
    """Whether a tool moves this table at all between these servers; says so when it does not."""
    try:
        rows = work().details["rows"]
    except RuntimeError:
        rows = 0
    if rows != row_count:
        sys.stderr.write(f"{title} moved {rows:,} of {row_count:,} rows and is left out\n")
    return bool(rows == row_count)


def make_home(home: Path) -> Path:
    """Make a DAGSTER_HOME as this product recommends it."""
    home.mkdir()
    (home / "dagster.yaml").write_text(read_document("dagster.yaml"), encoding="utf-8")
    return home
