"""The floors of one table's load: what no tool on this machine gets below.

Draining the source without loading; COPY of the same bytes, prepared in a file, into the same table, emptied
and indexed as our load does it; and both of these at once, since a load has to do both with the same
processors. Functions run as those of ``one_table``.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from psycopg import sql

from blb_migration.feed.digesting import find_order
from blb_migration.migration import Migration
from blb_migration.postgres.bulk_settings import read_bulk_settings
from blb_migration.postgres.dropping.indexes import IndexDefinition, drop_indexes
from blb_migration.postgres.names import TargetConnection, qualified_name, quote_identifier, quote_text
from blb_migration.sqlserver.read import read_batches
from blb_migration_tests.benchmarks.one_table import Outcome, Pair, open_pair

_PIECE_BYTES = 1 << 20


def drain(source_url: str, target_url: str, table: str) -> Outcome:
    """Read every batch of the table as the load does, and keep none."""
    pair = open_pair(source_url, target_url, table)
    started = time.perf_counter()
    rows = _drain(pair)
    return time.perf_counter() - started, {"rows": rows}


def copy(source_url: str, target_url: str, table: str, path: str) -> Outcome:
    """COPY of prepared bytes, by psql where there is one, else by psycopg."""
    copying = _plan_copy(open_pair(source_url, target_url, table), Path(path))
    started = time.perf_counter()
    copying()
    return time.perf_counter() - started, {}


def drain_beside_copy(source_url: str, target_url: str, table: str, path: str) -> Outcome:
    """Both at once, neither waiting for the other."""
    pair = open_pair(source_url, target_url, table)
    copying = _plan_copy(pair, Path(path))
    started = time.perf_counter()
    with ThreadPoolExecutor(1) as beside:
        done = beside.submit(copying)
        rows = _drain(pair)
        done.result()
    return time.perf_counter() - started, {"rows": rows}


def write_copy_file(source_url: str, target_url: str, table: str, path: str) -> Outcome:
    """Return the loaded table's bytes as COPY wants them, into a file for ``copy``."""
    pair = open_pair(source_url, target_url, table)
    started = time.perf_counter()
    statement = sql.SQL("COPY {} ({}) TO STDOUT (FORMAT BINARY)").format(
        qualified_name(pair.table.target.name), sql.SQL(pair.target_columns)
    )
    with (
        pair.migration.target.connect() as connection,
        Path(path).open("wb") as file,
        connection.cursor() as cursor,
        cursor.copy(statement) as copying,
    ):
        for piece in copying:
            file.write(piece)
    return time.perf_counter() - started, {"bytes": Path(path).stat().st_size}


def _drain(pair: Pair) -> int:
    source, columns = pair.table.source, [column.source for column in pair.table.columns]
    order = find_order(pair.table)
    with pair.migration.source.connect() as session:
        batches = read_batches(
            session, source.name, columns, order_by=order, row_estimate=source.row_estimate
        )
        return sum(batch.num_rows for batch in batches)


def _plan_copy(pair: Pair, path: Path) -> Callable[[], None]:
    name = pair.table.target.name
    with pair.migration.target.connect() as connection, connection.transaction(force_rollback=True):
        dropped = drop_indexes(connection, name)
        settings = read_bulk_settings(connection)
    before = ["BEGIN", *(_drop_statement(index) for index in dropped), f"TRUNCATE {pair.target_name}"]
    after = [
        *(f"SET LOCAL {setting} = {quote_text(value)}" for setting, value in settings.values),
        *(text for index in reversed(dropped) for text in _build_statements(index)),
        "COMMIT",
    ]
    command = f"{pair.target_name} ({pair.target_columns}) FROM {{}} (FORMAT BINARY, FREEZE)"
    psql = shutil.which("psql")
    if psql is not None:
        lines = [*before, "\\copy " + command.format(f"'{path}'"), *after]
        return lambda: _run_psql(psql, pair.migration, lines)

    def run_psycopg() -> None:
        with pair.migration.target.connect() as connection:
            _run_psycopg(connection, before, "COPY " + command.format("STDIN"), path, after)

    return run_psycopg


def _drop_statement(index: IndexDefinition) -> str:
    if index.constraint is None:
        return f"DROP INDEX {qualified_name(index.name).as_string()}"
    table, name = qualified_name(index.table), quote_identifier(index.constraint.name)
    return f"ALTER TABLE {table.as_string()} DROP CONSTRAINT {name.as_string()}"


def _build_statements(index: IndexDefinition) -> list[str]:
    if index.constraint is None:
        return [index.definition]
    table, name = qualified_name(index.table), quote_identifier(index.constraint.name)
    kind = "PRIMARY KEY" if index.constraint.is_primary else "UNIQUE"
    using = quote_identifier(index.name.name).as_string()
    return [
        index.definition,
        f"ALTER TABLE {table.as_string()} ADD CONSTRAINT {name.as_string()} {kind} USING INDEX {using}",
    ]


def _run_psql(psql: str, migration: Migration, lines: list[str]) -> None:
    settings = migration.target.settings
    subprocess.run(
        [psql, "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"],
        input="".join(line + ("\n" if line.startswith("\\") else ";\n") for line in lines),
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
        env={
            "PGHOST": settings.host or "",
            "PGPORT": str(settings.port or ""),
            "PGUSER": settings.username or "",
            "PGPASSWORD": settings.password or "",
            "PGDATABASE": settings.database or "",
            "PGCLIENTENCODING": "UTF8",
        },
    )


def _run_psycopg(
    connection: TargetConnection, before: list[str], command: str, path: Path, after: list[str]
) -> None:
    for statement in before:
        connection.execute(sql.SQL(statement))
    with path.open("rb") as file, connection.cursor() as cursor, cursor.copy(sql.SQL(command)) as copying:
        while piece := file.read(_PIECE_BYTES):
            copying.write(piece)
    for statement in after:
        connection.execute(sql.SQL(statement))
