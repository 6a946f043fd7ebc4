"""Works on one table: our load end to end, and the floors that no tool on this machine gets below.

The floors: draining the source without loading, and COPY of the same bytes, prepared in a file, into the
same table, emptied and indexed as our load does it. Each function runs in a process of its own (see
``worker``) and returns its seconds and its own figures.
"""

from __future__ import annotations

import shutil
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from blb_migration.migrate.context import Migration, RunInfo
from blb_migration.migrate.table import load_table
from blb_migration.plan.build import TablePlan
from blb_migration.plan.decisions import parse_decisions
from blb_migration.plan.project import Project
from blb_migration.postgres import catalog as target_catalog
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.indexes import IndexDefinition, drop_keys, drop_secondary_indexes
from blb_migration.postgres.names import TargetConnection, comma_separated, qualified_name, quote_identifier
from blb_migration.settings import parse_source_url, parse_target_url
from blb_migration.sqlserver import catalog as source_catalog
from blb_migration.sqlserver.connect import SourceConnector
from blb_migration.sqlserver.read import read_batches

Outcome = tuple[float, dict[str, Any]]
_DECISIONS = "project: benchmark\n"
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Pair:
    """One table's plan and the migration it belongs to."""

    migration: Migration
    table: TablePlan

    @property
    def target_name(self) -> str:
        """The target table's name, quoted."""
        return qualified_name(self.table.target.name).as_string()

    @property
    def target_columns(self) -> str:
        """The loaded columns of the target, quoted."""
        return comma_separated([column.target.name for column in self.table.columns]).as_string()


def open_pair(source_url: str, target_url: str, table: str) -> Pair:
    """Read both catalogs and plan; nothing of it is measured."""
    source = SourceConnector(parse_source_url(source_url))
    target = TargetConnector(parse_target_url(target_url))
    with source.connect() as session, target.connect() as connection:
        catalogs = source_catalog.read_catalog(session), target_catalog.read_catalog(connection)
    project = Project(Path("benchmark"), parse_decisions(_DECISIONS, "decisions.yaml"), *catalogs)
    migration = Migration(project, source, target, RunInfo(str(uuid.uuid4()), "migration"))
    return Pair(migration, next(t for t in project.plan.tables if t.source.name.name == table))


def load(source_url: str, target_url: str, table: str) -> Outcome:
    """Our load, end to end: one transaction with keys, indexes, sequence and ledger."""
    pair = open_pair(source_url, target_url, table)
    started = time.perf_counter()
    loaded = load_table(pair.migration, pair.table)
    seconds = time.perf_counter() - started
    return seconds, {"rows": loaded.rows_written, "copy_bytes": loaded.copy_bytes}


def drain(source_url: str, target_url: str, table: str) -> Outcome:
    """Reading every batch of the table and keeping none."""
    pair = open_pair(source_url, target_url, table)
    columns = [column.source for column in pair.table.columns]
    started = time.perf_counter()
    with pair.migration.source.connect() as session:
        rows = sum(batch.num_rows for batch in read_batches(session, pair.table.source.name, columns))
    return time.perf_counter() - started, {"rows": rows}


def write_copy_file(source_url: str, target_url: str, table: str, path: str) -> Outcome:
    """The loaded table's bytes as COPY wants them, into a file for ``copy``."""
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


def copy(source_url: str, target_url: str, table: str, path: str) -> Outcome:
    """COPY of prepared bytes, by psql where there is one, else by psycopg."""
    pair = open_pair(source_url, target_url, table)
    name = pair.table.target.name
    with pair.migration.target.connect() as connection, connection.transaction(force_rollback=True):
        dropped = drop_secondary_indexes(connection, name) + drop_keys(connection, name)
    before = ["BEGIN", *(_drop_statement(index) for index in dropped), f"TRUNCATE {pair.target_name}"]
    after = [text for index in reversed(dropped) for text in _build_statements(index)] + ["COMMIT"]
    command = f"{pair.target_name} ({pair.target_columns}) FROM {{}} (FORMAT BINARY, FREEZE)"
    psql = shutil.which("psql")
    started = time.perf_counter()
    if psql is not None:
        _run_psql(psql, pair.migration, [*before, "\\copy " + command.format(f"'{path}'"), *after])
    else:
        with pair.migration.target.connect() as connection:
            _run_psycopg(connection, before, "COPY " + command.format("STDIN"), Path(path), after)
    return time.perf_counter() - started, {"by": "psycopg" if psql is None else "psql"}


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
            "PGDATABASE": settings.database,
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
