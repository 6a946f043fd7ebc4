"""What is made over the wire by T-SQL is what is made in the emulator from Python: catalog, rows, identities.

The emulator stands for the server here. It reads the statements by their documented grammar, but it is ours:
what has never met a real SQL Server is listed in docs/testing.md.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blb_migration.errors import SourceError
from blb_migration.model import Catalog, Column, ColumnType, Table
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sandbox.filling.filled_server import FilledServer
from blb_migration.sandbox.filling.literals import build_literal
from blb_migration.sandbox.zoo.declare import column
from blb_migration.sandbox.zoo.zoo_rows import build_arrow
from blb_migration.sandbox.zoo.zoo_source import build_exhibits
from blb_migration.settings import parse_source_url
from blb_migration.sqlserver.catalog import read_catalog
from blb_migration.sqlserver.connect import SourceConnector
from blb_migration.sqlserver.names import quote_columns, quote_table
from blb_migration_tests.catalogs import COLLATION
from blb_migration_tests.conftest import LOG_IN
from blb_migration_tests.conftest import PASSWORD as LOG_IN_PASSWORD
from blb_migration_tests.sqlserver.workshop import MATERIAL_ROWS, MATERIALS, TABLES

PASSWORD = "a;b}c d"
TOP = Path(__file__).parents[2]


@pytest.fixture
def foreign_url() -> Iterator[str]:
    """Yield a server that knows nothing of what is to be made on it."""
    engine = TsqlEngine()
    engine.add_login("maker", PASSWORD)
    with SqlServerEmulator(engine) as server:
        yield server.url("master", "maker", PASSWORD)
    engine.close()


@pytest.fixture
def filled(foreign_url: str) -> Iterator[FilledServer]:
    with FilledServer(foreign_url) as server:
        yield server


def read(url: str) -> tuple[Catalog, dict[str, list[tuple[Any, ...]]]]:
    """Read a database's catalog, and every value of every table as the driver gives it."""
    with SourceConnector(parse_source_url(url)).connect() as session:
        catalog = read_catalog(session)
        rows = {}
        for table in catalog:
            names = tuple(each.name for each in table.columns if is_comparable(each))
            statement = f"SELECT {quote_columns(names)} FROM {quote_table(table.name)}"
            found = session.read_rows(statement, action="reading")
            rows[str(table.name)] = sorted(found, key=repr)
        return catalog, rows


def is_comparable(own: Column) -> bool:
    """Row versions are the server's own numbers; nothing of a UDT is fetched without its method."""
    return own.type.name not in (
        "timestamp",
        "rowversion",
        "sql_variant",
        "geometry",
        "geography",
        "hierarchyid",
    )


def as_comparable(table: Table) -> Table:
    """Return the server derives a computed column's type by itself."""
    columns = tuple(
        each if each.computed is None else replace(each, type=ColumnType("computed"), nullable=True)
        for each in table.columns
    )
    return replace(table, columns=columns)


@pytest.mark.parametrize("sample", ["zoo", "workshop"])
def test_a_database_is_the_same_over_the_wire(
    sample: str, filled: FilledServer, engine: TsqlEngine, emulator: SqlServerEmulator
) -> None:
    make = {"zoo": create_small_zoo, "workshop": create_workshop}[sample]
    name = make(filled)
    make(engine)
    expected_catalog, expected_rows = read(emulator.url(name, LOG_IN, LOG_IN_PASSWORD))
    catalog, rows = read(filled.build_url(name))
    assert catalog.collation == expected_catalog.collation
    assert list(map(as_comparable, catalog)) == list(map(as_comparable, expected_catalog))
    assert rows == expected_rows


def create_small_zoo(server: Any) -> str:
    """Create the zoo without its megabytes: the emulator takes minutes to read them as constants."""
    database = server.create_database("ZOO_WIRE")
    for exhibit in build_exhibits():
        database.create_table(exhibit.table)
        rows = [row for row in exhibit.rows if len(repr(row)) < 40_000]
        if rows:
            database.load(exhibit.table.name, build_arrow(exhibit.table, rows))
    return "ZOO_WIRE"


def create_workshop(server: Any) -> str:
    database = server.create_database("workshop_wire", COLLATION)
    for table in TABLES:
        database.create_table(table)
    database.load(MATERIALS.name, MATERIAL_ROWS)
    return "workshop_wire"


def test_only_what_was_made_here_is_dropped(foreign_url: str) -> None:
    with FilledServer(foreign_url, keeps=True) as server:
        server.create_database("kept")
    with FilledServer(foreign_url) as server:
        server.create_database("dropped")
        with pytest.raises(SourceError, match="already exists"):
            server.create_database("kept")
    with FilledServer(foreign_url) as server:
        assert (server.has_database("kept"), server.has_database("dropped")) == (True, False)


@pytest.mark.parametrize(
    ("declared", "value", "literal"),
    [
        ("nvarchar(10)", "it's", "N'it''s'"),
        ("varchar(10)", "a\\\nb", "CAST(0x61005c000a006200 AS nvarchar(max))"),
        ("nvarchar(10)", "a\0", "CAST(0x61000000 AS nvarchar(max))"),
        ("nvarchar(10)", "\ud83d", "CAST(0x3dd8 AS nvarchar(max))"),
        ("float", 0.1, "CAST(0.1e0 AS float)"),
        ("float", -0.0, "CAST(-0.0e0 AS float)"),
        ("bit", True, "CAST(1 AS bit)"),
        ("varbinary(max)", b"", "CAST('' AS varbinary(max))"),
        ("varbinary(max)", b"\x00\xff", "0x00ff"),
        ("datetime2(7)", 1, "CAST('0001-01-01T00:00:00.0000001' AS datetime2(7))"),
        ("datetime", 0, "CAST('0001-01-01T00:00:00.000' AS datetime)"),
        ("int", None, "NULL"),
    ],
)
def test_constants(declared: str, value: object, literal: str) -> None:
    assert build_literal(column("c", declared), value) == literal


def test_a_room_runs_against_a_server_that_is_named(foreign_url: str) -> None:
    """The workshop's tests, in a process of their own, on a server that they know by its URL alone."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    rooms = [
        "blb_migration_tests/sqlserver/test_table_metrics.py",
        "blb_migration_tests/sqlserver/test_chunk_keys.py",
    ]
    environment = os.environ | {"BLB_TEST_SOURCE_CONN": foreign_url}
    done = subprocess.run(
        [*command, *rooms], cwd=TOP, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped against the real server of BLB_TEST_SOURCE_CONN" in done.stdout
    assert re.search(r"\d+ statements are recorded by the emulator alone", done.stdout)
    with FilledServer(foreign_url) as server:
        assert not server.has_database("workshop")
