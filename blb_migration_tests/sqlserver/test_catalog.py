"""The source's catalog: what was created is what is read, and what a server lacks is said, not guessed."""

from __future__ import annotations

import random

import pytest

from blb_migration.errors import SourceError
from blb_migration.model import ColumnType, Table
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration.settings import parse_source_url
from blb_migration.sqlserver.catalog import (
    build_column_type,
    may_read_everything,
    read_catalog,
    read_unreadable_tables,
)
from blb_migration.sqlserver.connect import SourceConnector, SourceSession
from blb_migration.sqlserver.other_objects import SourceModule, read_not_migrated
from blb_migration.sqlserver.table_metrics import count_rows
from blb_migration_tests.catalogs import COLLATION
from blb_migration_tests.sqlserver.conftest import CLERK
from blb_migration_tests.sqlserver.scripted import BIT, INT, NAME, PASSWORD, Script
from blb_migration_tests.sqlserver.workshop import MATERIALS, TABLES


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.name))
def test_a_table_is_read_as_it_was_created(workshop: SourceSession, table: Table) -> None:
    assert read_catalog(workshop).tables_by_name[table.name] == table


def test_the_database_says_what_it_is(workshop: SourceSession) -> None:
    catalog = read_catalog(workshop)
    assert (catalog.engine, catalog.database, catalog.collation) == ("sqlserver", "workshop", COLLATION)
    assert catalog.server_version[0].isdigit()
    assert [table.name for table in catalog] == sorted(table.name for table in TABLES)
    assert workshop.notes == []


def test_it_takes_one_statement_per_kind_of_thing(
    workshop: SourceSession, workshop_server: SqlServerEmulator
) -> None:
    workshop_server.statements.clear()
    read_catalog(workshop)
    assert len(workshop_server.statements) == 11


def test_the_order_of_the_servers_answers_does_not_matter(
    workshop: SourceSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_order = read_catalog(workshop)
    read_rows = SourceSession.read_rows

    def read_shuffled(*arguments: object, **named: object) -> list[tuple[object, ...]]:
        rows = read_rows(*arguments, **named)  # type: ignore[arg-type]
        random.Random(7).shuffle(rows)
        return rows

    monkeypatch.setattr(SourceSession, "read_rows", read_shuffled)
    assert read_catalog(workshop) == in_order


@pytest.mark.parametrize(
    ("view", "missing"),
    [("sys.extended_properties", "comments"), ("sys.partitions", "row estimates")],
)
def test_what_a_server_lacks_is_left_out_and_noted(
    workshop: SourceSession, workshop_server: SqlServerEmulator, view: str, missing: str
) -> None:
    workshop_server.faults.add(Fault(view, error=SqlServerError(208, f"Invalid object name '{view}'.")))
    tables = read_catalog(workshop).tables
    assert [table.name for table in tables] == [table.name for table in TABLES]
    assert f"does not tell its {missing}" in workshop.notes[0]
    assert view in workshop.notes[0]


def test_what_the_migration_stands_on_must_be_there(
    workshop: SourceSession, workshop_server: SqlServerEmulator
) -> None:
    workshop_server.faults.add(
        Fault("sys.foreign_keys", error=SqlServerError(208, "Invalid object name 'sys.foreign_keys'."))
    )
    with pytest.raises(
        SourceError, match=r"reading the catalog \(foreign keys\) failed: Invalid object name"
    ):
        read_catalog(workshop)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("nvarchar", "nvarchar", 100, 0, 0), ColumnType("nvarchar", length=50)),
        (("nvarchar", "nvarchar", -1, 0, 0), ColumnType("nvarchar")),
        (("varchar", "varchar", 100, 0, 0), ColumnType("varchar", length=100)),
        (("sysname", "nvarchar", 256, 0, 0), ColumnType("nvarchar", length=128, alias="sysname")),
        (("Price", "decimal", 9, 18, 4), ColumnType("decimal", precision=18, scale=4, alias="Price")),
        (("timestamp", "timestamp", 8, 0, 0), ColumnType("rowversion")),
        (("datetime2", "datetime2", 8, 27, 7), ColumnType("datetime2", scale=7)),
        (("datetime", "datetime", 8, 23, 3), ColumnType("datetime")),
        (("money", "money", 8, 19, 4), ColumnType("money")),
        (("hierarchyid", None, 892, 0, 0), ColumnType("hierarchyid")),
        (("geography", None, -1, 0, 0), ColumnType("geography")),
        (("INT", "INT", 4, 10, 0), ColumnType("int")),
    ],
)
def test_types_are_resolved_to_their_base(
    row: tuple[str, str | None, int, int, int], expected: ColumnType
) -> None:
    assert build_column_type(*row) == expected


def test_a_log_in_without_the_right_to_select_is_told_which_tables(
    workshop_server: SqlServerEmulator,
) -> None:
    url = workshop_server.url("workshop", CLERK, PASSWORD)
    with SourceConnector(parse_source_url(url)).connect() as session:
        assert read_unreadable_tables(session) == (MATERIALS.name,)
        with pytest.raises(SourceError, match=r"SELECT permission was denied.*Grant the log-in SELECT"):
            count_rows(session, MATERIALS.name)


def test_every_table_of_the_workshop_may_be_read(workshop: SourceSession) -> None:
    assert read_unreadable_tables(workshop) == ()


@pytest.mark.parametrize(("told", "expected"), [(1, True), (0, False), (None, None)])
def test_a_log_in_that_cannot_see_everything_is_known(
    session: SourceSession, script: Script, told: int | None, expected: bool | None
) -> None:
    script.answer("N'DATABASE', N'SELECT'", [INT], [(told,)])
    assert may_read_everything(session) is expected


class TestNotMigrated:
    def test_all_kinds_are_named(self, session: SourceSession, script: Script) -> None:
        script.answer(
            "sys.sql_modules",
            [NAME, NAME, NAME, NAME, NAME],
            [
                ("dbo", "trg", "TR", "users", None),
                ("dbo", "active_users", "V ", None, "CREATE VIEW …"),
                ("dbo", "numbers", "SO", None, None),
            ],
        )
        script.answer("sys.synonyms", [NAME, NAME, NAME], [("dbo", "parts", "[other].[dbo].[parts]")])
        script.answer(
            "temporal_type",
            [NAME, NAME, INT, NAME, NAME, BIT, INT],
            [("dbo", "prices", 2, "dbo", "old_prices", False, 0), ("dbo", "plain", 0, None, None, False, 0)],
        )
        assert read_not_migrated(session) == (
            SourceModule("sequence", "dbo", "numbers"),
            SourceModule("synonym", "dbo", "parts", definition="[other].[dbo].[parts]"),
            SourceModule(
                "temporal table",
                "dbo",
                "prices",
                definition="-- system-versioned; its history is the table dbo.old_prices",
            ),
            SourceModule("trigger", "dbo", "trg", parent="users"),
            SourceModule("view", "dbo", "active_users", definition="CREATE VIEW …"),
        )

    def test_a_server_that_lists_none_is_noted(self, session: SourceSession, script: Script) -> None:
        assert read_not_migrated(session) == ()
        assert len(session.notes) == 3

    def test_a_database_with_tables_only(self, workshop: SourceSession) -> None:
        assert read_not_migrated(workshop) == ()
