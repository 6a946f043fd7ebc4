"""Works on one table as people move one today: pandas, execute_values, pgloader, sling.

Each function runs in a process of its own (see ``worker``) and returns its seconds and its own metrics.
Reading goes through the driver that this project bundles, so that the difference is the way and not the
driver; pgloader and sling bring their own and are measured where they are on the path. Everybody fills the
same table, which has its keys and indexes before and after; who documents a faster way of getting there,
as pgloader does with ``drop indexes`` and sling with direct inserts, is asked to take it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from blb_migration.postgres.copy import empty_table
from blb_migration.sqlserver.names import quote_table
from blb_migration_tests.benchmarks.one_table import Outcome, Pair, open_pair

FETCH_ROWS = 10_000
_PROGRAM_TIMEOUT_SECONDS = 600
_FREETDS_SETTINGS = "[global]\n\ttds version = 7.4\n\tclient charset = UTF-8\n"


def is_installed(tool: str) -> bool:
    """Whether a program is on the path."""
    return shutil.which(tool) is not None


def pandas(source_url: str, target_url: str, table: str) -> Outcome:
    """``read_sql`` and ``to_sql`` in chunks, as a first script does it."""
    import pandas as frames
    import sqlalchemy

    pair = _open_emptied(source_url, target_url, table)
    engine = sqlalchemy.create_engine(target_url)
    name = pair.table.target.name
    rows = 0
    started = time.perf_counter()
    with _open_source(pair) as connection, engine.begin() as target:
        chunks: Iterator[Any] = frames.read_sql(_select(pair), connection, chunksize=FETCH_ROWS)
        for chunk in chunks:
            chunk.to_sql(name.name, target, schema=name.schema, if_exists="append", index=False)
            rows += len(chunk)
    return time.perf_counter() - started, {"rows": rows}


def execute_values(source_url: str, target_url: str, table: str) -> Outcome:
    """``fetchmany`` and psycopg2's ``execute_values``, what the ERP's old migration script meant to do."""
    import psycopg2  # type: ignore[import-untyped]
    import psycopg2.extras  # type: ignore[import-untyped]

    pair = _open_emptied(source_url, target_url, table)
    statement = f"INSERT INTO {pair.target_name} ({pair.target_columns}) VALUES %s"
    rows = 0
    started = time.perf_counter()
    with _open_source(pair) as connection, psycopg2.connect(target_url) as target:
        cursor = connection.cursor()
        cursor.execute(_select(pair))
        with target.cursor() as writing:
            while batch := cursor.fetchmany(FETCH_ROWS):
                values = [tuple(row) for row in batch]
                psycopg2.extras.execute_values(writing, statement, values, page_size=FETCH_ROWS)
                rows += len(batch)
    return time.perf_counter() - started, {"rows": rows}


def pgloader(source_url: str, target_url: str, table: str) -> Outcome:
    """pgloader, rows only, into the table that is there; it speaks TDS through FreeTDS.

    FreeTDS is told to hand over UTF-8, as pgloader's manual asks for.
    """
    pair = _open_emptied(source_url, target_url, table)
    settings = pair.migration.source.settings
    log_in = f"{quote(settings.username or '')}:{quote(settings.password or '')}"
    host, port = settings.tcp_address or ("127.0.0.1", 1433)
    command = (
        f"LOAD DATABASE FROM mssql://{log_in}@{host}:{port}/{settings.database} INTO {target_url}\n"
        "WITH data only, truncate, drop indexes, prefetch rows = 25000\n"
        f"INCLUDING ONLY TABLE NAMES LIKE '{table}' IN SCHEMA 'dbo'\n"
        "ALTER SCHEMA 'dbo' RENAME TO 'public';\n"
    )
    with TemporaryDirectory(prefix="blb-pgloader-") as folder:
        file = Path(folder) / "command.load"  # a command line would show the passwords
        file.write_text(command, encoding="utf-8")
        file.chmod(0o600)
        settings_file = Path(folder) / "freetds.conf"
        settings_file.write_text(_FREETDS_SETTINGS, encoding="utf-8")
        environment = os.environ | {"TDSPORT": str(port), "FREETDSCONF": str(settings_file)}
        started = time.perf_counter()
        _run(["pgloader", "--root-dir", folder, "--on-error-stop", str(file)], environment)
        seconds = time.perf_counter() - started
    return seconds, {"rows": _count_target(pair)}


def sling(source_url: str, target_url: str, table: str) -> Outcome:
    """sling, truncating and filling the table that is there, without its detour over a table of its own."""
    pair = _open_emptied(source_url, target_url, table)
    settings = pair.migration.source.settings
    host, port = settings.tcp_address or ("127.0.0.1", 1433)
    log_in = f"{quote(settings.username or '')}:{quote(settings.password or '')}"
    environment = os.environ | {
        "BLB_FROM": f"sqlserver://{log_in}@{host}:{port}?database={settings.database}&encrypt=disable",
        "BLB_TO": f"{target_url}?sslmode=disable",
        "SLING_DIRECT_INSERT": "true",
    }
    command = ["sling", "run", "--src-conn", "BLB_FROM", "--src-stream", f"dbo.{table}"]
    command += ["--tgt-conn", "BLB_TO", "--tgt-object", f"public.{table}", "--mode", "truncate"]
    started = time.perf_counter()
    _run(command, environment)
    return time.perf_counter() - started, {"rows": _count_target(pair)}


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=_PROGRAM_TIMEOUT_SECONDS,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with code {done.returncode}: {done.stdout[-2000:]}")


def _open_emptied(source_url: str, target_url: str, table: str) -> Pair:
    pair = open_pair(source_url, target_url, table)
    with pair.migration.target.connect() as connection:
        empty_table(connection, pair.table.target.name)
    return pair


def _open_source(pair: Pair) -> Any:
    import mssql_python

    return mssql_python.connect(pair.migration.source.settings.connection_string)


def _select(pair: Pair) -> str:
    return f"SELECT * FROM {quote_table(pair.table.source.name)}"


def _count_target(pair: Pair) -> int:
    with pair.migration.target.connect() as connection:
        row = connection.execute(f"SELECT count(*) FROM {pair.target_name}".encode()).fetchone()
    return int(row[0]) if row else 0
