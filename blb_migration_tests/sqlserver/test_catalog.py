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
from blb_migration_tests.sqlserver.conftest import CLERK, GERMAN_CLERK
from blb_migration_tests.sqlserver.scripted import BIGINT, BIT, INT, NAME, PASSWORD, Script
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
    [
        ("sys.extended_properties", "comments"),
        ("sys.partitions", "row estimates"),
        ("DATABASEPROPERTYEX", "database's collation"),
    ],
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


def test_a_right_that_lacks_is_told_whatever_language_the_log_in_has(
    workshop_server: SqlServerEmulator,
) -> None:
    url = workshop_server.url("workshop", GERMAN_CLERK, PASSWORD)
    with SourceConnector(parse_source_url(url)).connect() as session:
        with pytest.raises(SourceError, match="Grant the log-in SELECT"):
            count_rows(session, MATERIALS.name)
        # What a computed column makes of a date is the language's: rows are read in the log-in's own.
        assert session.read_rows("SELECT @@LANGUAGE", action="reading the language") == [("Deutsch",)]


def test_every_table_of_the_workshop_may_be_read(workshop: SourceSession) -> None:
    assert read_unreadable_tables(workshop) == ()


@pytest.mark.parametrize(("told", "expected"), [(1, True), (0, False), (None, None)])
def test_a_log_in_that_cannot_see_everything_is_known(
    session: SourceSession, script: Script, told: int | None, expected: bool | None
) -> None:
    script.answer("N'DATABASE', N'SELECT'", [INT], [(told,)])
    assert may_read_everything(session) is expected


@pytest.mark.parametrize(
    ("made", "expression"),
    [
        ("CREATE DEFAULT dbo.zero AS 0", "0"),
        ("create default [dbo].[no ]] name] as  N'none';", "N'none'"),
        ("-- a note\nCREATE  DEFAULT zero\n AS getdate()\n", "getdate()"),
    ],
)
def test_a_default_that_is_bound_is_a_default(
    session: SourceSession, script: Script, made: str, expression: str
) -> None:
    describe_table(script, default_object_id=77, bound=made)
    assert read_catalog(session).tables[0].columns[0].default == expression
    assert session.notes == []


def test_a_default_that_nobody_shows_is_said_to_be_hidden(session: SourceSession, script: Script) -> None:
    describe_table(script, default_object_id=77, bound=None)
    assert read_catalog(session).tables[0].columns[0].default is None
    assert "1 defaults are hidden" in session.notes[0]


def describe_table(script: Script, *, default_object_id: int, bound: str | None) -> None:
    """Let the server have the one table dbo.t with one column."""
    script.answer("ProductVersion", [NAME] * 5, [("erp", "16.0", "Developer", None, COLLATION)])
    script.answer("FROM sys.tables", [INT, NAME, NAME], [(1, "dbo", "t")])
    types = [INT, INT, *[NAME] * 3, *[INT] * 3, BIT, NAME, INT, NAME, BIT, NAME, BIT, BIT]
    row = (1, 1, "n", "int", "int", 4, 10, 0, True, None, default_object_id, None, False, None, None, False)
    script.answer(r"FROM sys\.columns", types, [row])
    script.answer("sys.sql_modules", [INT, NAME], [(default_object_id, bound)])
    for view, width in (("identity_columns", 5), ("indexes", 9), ("index_columns", 7), ("foreign_keys", 8),
                        ("foreign_key_columns", 4), ("check_constraints", 5), ("extended_properties", 4),
                        ("partitions", 2)):  # fmt: skip
        script.answer(rf"FROM sys\.{view}", [NAME] * width, [])


class TestNotMigrated:
    def test_all_kinds_are_named(self, session: SourceSession, script: Script) -> None:
        script.answer(
            "sys.sql_modules",
            [NAME, NAME, NAME, NAME, NAME],
            [
                ("dbo", "trg", "TR", "users", None),
                ("dbo", "active_users", "V ", None, "CREATE VIEW …"),
                ("dbo", "total", "AF", None, None),
                ("dbo", "positive", "R ", None, "CREATE RULE …"),
            ],
        )
        script.answer("sys.sequences", [NAME, NAME, BIGINT, BIGINT], [("dbo", "numbers", 4711, 10)])
        script.answer("sys.synonyms", [NAME, NAME, NAME], [("dbo", "parts", "[other].[dbo].[parts]")])
        script.answer("temporal_type", [NAME, NAME, NAME, NAME], [("dbo", "prices", "dbo", "old_prices")])
        script.answer("is_memory_optimized", [NAME, NAME], [("dbo", "hot")])
        script.answer("sys.fulltext_indexes", [NAME, NAME], [("dbo", "notes")])
        script.answer("is_ms_shipped = 1", [NAME, NAME, BIGINT], [("cdc", "dbo_users_CT", 5)])
        found = read_not_migrated(session)
        assert session.notes == []
        assert [(each.kind, each.name, each.row_count) for each in found] == [
            ("full-text index", "notes", None),
            ("function", "total", None),
            ("memory-optimized table", "hot", None),
            ("rule", "positive", None),
            ("sequence", "numbers", None),
            ("synonym", "parts", None),
            ("system table", "dbo_users_CT", 5),
            ("temporal table", "prices", None),
            ("trigger", "trg", None),
            ("view", "active_users", None),
        ]
        assert found[4:6] == (
            SourceModule("sequence", "dbo", "numbers", definition="-- it has come to 4711, in steps of 10"),
            SourceModule("synonym", "dbo", "parts", definition="[other].[dbo].[parts]"),
        )
        assert found[7:] == (
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
        assert [note.split(" (")[0] for note in session.notes] == [
            "views, procedures and triggers are not listed",
            "sequences are not listed",
            "synonyms are not listed",
            "full-text indexes are not listed",
            "system tables are not listed",
        ]

    def test_only_what_holds_no_rows_is_said_to_hold_none(self) -> None:
        kinds = (
            "view",
            "temporal table",
            "memory-optimized table",
            "full-text index",
            "queue",
            "system table",
        )
        said = {kind: "holds no rows" in SourceModule(kind, "dbo", "x").reason for kind in kinds}
        assert [kind for kind, holds_none in said.items() if holds_none] == ["view"]
        numbers = SourceModule("sequence", "dbo", "n", definition="-- it has come to 4711, in steps of 10")
        assert "come to 4711" in numbers.reason

    def test_a_database_with_tables_only(self, workshop: SourceSession) -> None:
        assert read_not_migrated(workshop) == ()
