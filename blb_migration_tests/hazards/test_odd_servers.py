"""A source that answers oddly, as some servers of the protocol do, and a target that holds odd values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from blb_migration.compare import run_checks
from blb_migration.compare.run_checks import run_check
from blb_migration.errors import SourceError, TableFailed
from blb_migration.migration import Comparing, Migration
from blb_migration.model import Index, IndexColumn
from blb_migration.report.document import build_report
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration.sqlserver import catalog_rows
from blb_migration.sqlserver.connect import SourceSession
from blb_migration_tests import real_server
from blb_migration_tests.hazards.planting import NewChain, Planted, columns, plant, table

MAY_WE = "SELECT answer FROM blb_migration.may_we_cut_over"


@pytest.fixture(autouse=True)
def only_the_emulator(emulator: SqlServerEmulator) -> Iterator[None]:
    """Skip where SQL Server is a real one, which answers as it should."""
    if real_server.is_wanted():
        real_server.skip("a real server does not answer oddly when told to")
    yield
    emulator.faults.clear()


def plant_things(new_chain: NewChain) -> Planted:
    source = table(
        "things",
        *columns("id int not null", "day date", "moment datetime2(6)", "at time(6)", "price decimal(9,2)"),
        *columns("version rowversion not null"),
    )
    values = {"day": "2024-02-29", "moment": "2024-02-29 12:00:00", "at": "12:00:00", "price": "1.50"}
    rows = [{"id": number, **values, "version": bytes([0] * 7 + [number])} for number in range(1, 8)]
    target = (
        "CREATE TABLE things (id int PRIMARY KEY, day date, moment timestamp, at time, price numeric,"
        " version bytea)"
    )
    return plant(new_chain(), target, (source, rows))


def check(migration: Migration, folder: Path, name: str) -> run_checks.CheckResult:
    migration = replace(migration, comparing=Comparing(differences_folder=folder))
    return run_check(migration, migration.project.plan.tables_by_label["things"], name)


ODD_VALUES = {
    "day": ["infinity", "-infinity", "0044-03-15 BC", "10000-01-01", "5874897-12-31"],
    "moment": ["infinity", "-infinity", "4713-01-01 00:00:00 BC", "10000-01-01 00:00:00", "294276-12-31"],
    "at": ["24:00:00"],
    "price": ["NaN", "Infinity", "-Infinity"],
}


def test_a_target_value_that_python_cannot_hold_is_a_difference_and_no_crash(
    new_chain: NewChain, tmp_path: Path
) -> None:
    planted = plant_things(new_chain)
    migration = planted.migrate()
    assert planted.rows(MAY_WE) == [(True,)]
    for column, values in ODD_VALUES.items():
        for number, value in enumerate(values, start=1):
            planted.rows(f"UPDATE things SET {column} = '{value}' WHERE id = {number}")
    assert not check(migration, tmp_path, "key_totals").passed
    differences = check(migration, tmp_path, "content").differences
    assert differences is not None
    cells = pq.read_table(differences.parquet_path).to_pylist()
    shown = {(cell["column"], cell["target_value"].removesuffix(".000000")) for cell in cells}
    expected = {(column, value) for column, values in ODD_VALUES.items() for value in values}
    expected -= {("moment", "294276-12-31"), ("moment", "4713-01-01 00:00:00 BC")}
    assert expected < shown
    assert ("moment", "294276-12-31 00:00:00") in shown
    assert ("moment", "4713-01-01 00:00:00.000000 BC") in shown
    assert planted.rows(MAY_WE) == [(False,)]


def test_a_check_that_breaks_off_is_a_failed_check(
    new_chain: NewChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = plant_things(new_chain)
    migration = planted.migrate()
    assert planted.rows(MAY_WE) == [(True,)]

    def fall(*_: object, **__: object) -> None:
        raise ZeroDivisionError("12345 of a row")

    monkeypatch.setattr(run_checks, "compare_content", fall)
    with pytest.raises(ZeroDivisionError):
        check(migration, tmp_path, "content")
    assert planted.rows(MAY_WE) == [(False,)]
    [(details,)] = planted.rows(
        "SELECT details::text FROM blb_migration.check_results WHERE NOT passed AND check_name = 'content'"
    )
    assert "broke off" in details
    assert "12345" not in details


def test_a_metric_that_the_source_refuses_is_named_in_coverage_and_verdict(
    new_chain: NewChain, emulator: SqlServerEmulator
) -> None:
    planted = plant_things(new_chain)
    emulator.faults.add(Fault(r"SUM\(CAST\(\[price\]", error=SqlServerError(8115, "Arithmetic overflow")))
    migration = planted.migrate()
    document = build_report(migration)
    assert document["coverage"]["metrics_left_out"] == ["things: sum(price)"]
    assert "1 metric that the source refused to compute left out" in document["verdict"]


def test_the_length_of_a_rowversion_is_known_whatever_the_server_says(new_chain: NewChain) -> None:
    planted = plant_things(new_chain)
    planted.chain.database.oddities.rowversion_bytes = 12
    planted.migrate()


def test_a_right_that_the_server_denies_and_grants_is_tried(new_chain: NewChain) -> None:
    planted = plant_things(new_chain)
    planted.chain.database.oddities.denies_every_right = True
    planted.migrate()


def test_every_select_of_the_plan_is_tried_before_anything_is_written(
    new_chain: NewChain, emulator: SqlServerEmulator
) -> None:
    planted = plant_things(new_chain)
    refused = SqlServerError(207, "Invalid column name 'moment'.")
    emulator.faults.add(Fault(r"^SELECT \[id\].*\[moment\].* FROM \[dbo\]\.\[things\]", error=refused))
    finding = planted.finding("source_table_not_readable")
    assert "Invalid column name 'moment'" in finding.message
    assert planted.errors() == ["source_table_not_readable"]


def test_names_outside_the_code_page_arrive(new_chain: NewChain) -> None:
    source = table("größe 寸", *columns("id int not null", "ünï_寸 int"))
    target = 'CREATE TABLE "größe 寸" (id int PRIMARY KEY, "ünï_寸" int)'
    planted = plant(new_chain(), target, (source, [{"id": 1, "ünï_寸": 5}]))
    planted.chain.database.oddities.names_in_code_page = True
    planted.migrate()
    assert planted.rows('SELECT "ünï_寸" FROM "größe 寸"') == [(5,)]


Answer = list[tuple[Any, ...]]


def alter_answer(monkeypatch: pytest.MonkeyPatch, statement: str, change: Callable[[Answer], Answer]) -> None:
    """Let the source answer a statement of the catalog otherwise."""
    read_rows = SourceSession.read_rows

    def read_altered(self: SourceSession, asked: str, *values: Any, **more: Any) -> Any:
        rows = read_rows(self, asked, *values, **more)
        return change(rows) if asked == statement else rows

    monkeypatch.setattr(SourceSession, "read_rows", read_altered)


def put(place: int, value: object) -> Callable[[Answer], Answer]:
    """Put a value at a place of every row."""
    return lambda rows: [(*row[:place], value, *row[place + 1 :]) for row in rows]


@pytest.mark.parametrize(
    ("statement", "change", "words"),
    [
        (catalog_rows.TABLES, put(1, None), "NULL for its schema"),
        (catalog_rows.COLUMNS, put(3, None), "NULL for its type"),
        (catalog_rows.COLUMNS, put(6, None), "NULL for the precision of its number"),
        (catalog_rows.COLUMNS, put(6, 0), "NULL for the precision of its number"),
        (catalog_rows.COLUMNS, lambda _: [], "sys.columns has no column of it"),
        (catalog_rows.COLUMNS, lambda rows: rows * 2, "more than once"),
    ],
)  # fmt: skip
def test_a_catalog_that_does_not_say_what_a_table_is_is_refused_by_name(
    new_chain: NewChain,
    monkeypatch: pytest.MonkeyPatch,
    statement: str,
    change: Callable[[Answer], Answer],
    words: str,
) -> None:
    planted = plant_things(new_chain)
    alter_answer(monkeypatch, statement, change)
    with pytest.raises(SourceError, match=words):
        planted.errors()


@pytest.mark.parametrize(
    ("statement", "change"),
    [
        (catalog_rows.COLUMNS, put(5, None)),
        (
            catalog_rows.COLUMNS,
            lambda rows: [row if row[2] == "price" else (*row[:7], None, *row[8:]) for row in rows],
        ),
        (catalog_rows.INDEX_COLUMNS, put(3, None)),
    ],
)
def test_what_a_catalog_may_leave_out_stops_nothing(
    new_chain: NewChain,
    monkeypatch: pytest.MonkeyPatch,
    statement: str,
    change: Callable[[Answer], Answer],
) -> None:
    planted = plant_things(new_chain)
    alter_answer(monkeypatch, statement, change)
    planted.migrate()


def test_a_text_whose_length_the_catalog_does_not_tell_is_asked_for_its_length(
    new_chain: NewChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = table("notes", *columns("id int not null", "body nvarchar(20)"))
    target = "CREATE TABLE notes (id int PRIMARY KEY, body varchar(10))"
    planted = plant(new_chain(), target, (source, [{"id": 1, "body": "x" * 15}]))
    alter_answer(monkeypatch, catalog_rows.COLUMNS, put(5, 0))
    assert planted.is_refused("text_longer_than", 1, "1")


def test_a_unique_index_whose_columns_the_catalog_does_not_tell_proves_nothing(
    new_chain: NewChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = table(
        "notes",
        *columns("id int not null", "kind int"),
        indexes=(Index("UX_notes", (IndexColumn("id"),), unique=True),),
    )
    target = "CREATE TABLE notes (id int PRIMARY KEY, kind int UNIQUE)"
    planted = plant(new_chain(), target, (source, [{"id": 1, "kind": 7}, {"id": 2, "kind": 7}]))
    alter_answer(monkeypatch, catalog_rows.INDEX_COLUMNS, put(3, None))
    assert planted.errors() == ["not_unique_at_target"]


def test_a_server_that_cannot_be_asked_for_rights_is_read_all_the_same(
    new_chain: NewChain, emulator: SqlServerEmulator
) -> None:
    planted = plant_things(new_chain)
    unknown = SqlServerError(195, "'HAS_PERMS_BY_NAME' is not a recognized built-in function name.")
    emulator.faults.add(Fault("HAS_PERMS_BY_NAME", error=unknown))
    planted.migrate()


def tell_type(name: str, **more: int) -> Callable[[Answer], Answer]:
    """Let the catalog tell another type of the column v."""
    places = {"max_length": 5, "precision": 6, "scale": 7}

    def change(rows: Answer) -> Answer:
        for number, row in enumerate(rows):
            if row[2] == "v":
                told = [*row[:3], name, name, *row[5:]]
                for key, value in more.items():
                    told[places[key]] = value
                rows[number] = tuple(told)
        return rows

    return change


@pytest.mark.parametrize(
    ("declared", "told", "target", "value"),
    [
        ("float", "real", "real", 1e300),
        ("float", "real", "real", 0.1),
        ("datetime", "date", "date", "2024-01-01 10:00:00"),
        ("int", "bit", "boolean", 2),
        ("bigint", "int", "int", 2**40),
    ],
)
def test_a_value_of_another_type_than_the_catalog_tells_is_never_cut(  # noqa: PLR0917  # one pair each
    new_chain: NewChain,
    monkeypatch: pytest.MonkeyPatch,
    declared: str,
    told: str,
    target: str,
    value: object,
) -> None:
    source = table("things", *columns("id int not null", f"v {declared}"))
    ddl = f"CREATE TABLE things (id int PRIMARY KEY, v {target})"
    planted = plant(new_chain(), ddl, (source, [{"id": 1, "v": value}]))
    alter_answer(monkeypatch, catalog_rows.COLUMNS, tell_type(told))
    with pytest.raises(TableFailed, match="does not fit"):
        planted.migrate()


@pytest.mark.parametrize("target", ["numeric", "numeric(9,1)"])
def test_digits_that_the_catalog_does_not_tell_are_found(
    new_chain: NewChain, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    source = table("things", *columns("id int not null", "v decimal(9,2)"))
    planted = plant(
        new_chain(),
        f"CREATE TABLE things (id int PRIMARY KEY, v {target})",
        (source, [{"id": 1, "v": "1.25"}]),
    )
    alter_answer(monkeypatch, catalog_rows.COLUMNS, tell_type("decimal", precision=9, scale=1))
    assert planted.errors() == ["source_sends_another_type"]
    assert "2 digits after the point" in planted.finding("source_sends_another_type").message
