"""Tables with many columns, rows wider than a page, and index entries that no page holds."""

from __future__ import annotations

import psycopg
import pytest

from blb_migration.compare.run_checks import run_check
from blb_migration.errors import TableFailed
from blb_migration.findings import Severity
from blb_migration.model import Index, IndexColumn
from blb_migration.plan import page_risks
from blb_migration.plan.decisions_file import parse_decisions
from blb_migration.postgres import value_limits
from blb_migration.schema.design import build_design
from blb_migration.sqlserver.table_metrics import MAX_SELECTED
from blb_migration_tests.hazards.planting import HEAD, NewChain, Planted, Row, columns, decide, plant, table

MOST_COLUMNS = 1024  # SQL Server's limit without column sets


def test_s3_as_many_columns_as_sql_server_allows_are_loaded_and_compared(new_chain: NewChain) -> None:
    samples = {"int": 7, "bigint": 2**40, "date": "2024-02-29", "nvarchar(10)": "é"}
    names = [f"c{number}" for number in range(1, MOST_COLUMNS)]
    # Mostly int: it has most metrics, more than one SELECT takes, and a row of them fits on a page.
    rarely = {10: "bigint", 20: "date", 40: "nvarchar(10)"}
    kinds = [rarely.get(number % 60, "int") for number in range(1, MOST_COLUMNS)]
    specs = [f"{name} {kind}" for name, kind in zip(names, kinds, strict=True)]
    wide = table("wide", *columns("id int not null", *specs))
    row = {"id": 1} | {name: samples[kind] for name, kind in zip(names, kinds, strict=True)}
    declared = ", ".join(spec.replace("nvarchar", "varchar") for spec in specs)
    target = f"CREATE TABLE wide (id int PRIMARY KEY, {declared})"
    planted = plant(new_chain(), target, (wide, [row, {"id": 2}]))
    migration = planted.migrate()
    planted.rows("UPDATE wide SET c1022 = c1022 + 1 WHERE id = 1")
    (wide_plan,) = migration.project.plan.tables
    totals = run_check(migration, wide_plan, "key_totals").comparisons
    assert len(totals) > MAX_SELECTED
    differing = {each.name: (each.source_value, each.target_value) for each in totals if not each.match}
    assert differing == dict.fromkeys(("sum(c1022)", "min(c1022)", "max(c1022)"), ("7", "8"))


def test_s4_rows_wider_than_a_page_are_found_by_what_they_hold(new_chain: NewChain) -> None:
    # Values of 23 bytes are too short to be put elsewhere; what the amounts take decides whether a row fits.
    tokens, amounts = [f"t{number}" for number in range(320)], [f"m{number}" for number in range(66)]
    specs = [*(f"{name} varbinary(22)" for name in tokens), *(f"{name} money" for name in amounts)]
    prices = table("prices", *columns("id int not null", *specs))
    full: Row = dict.fromkeys(tokens, b"x" * 22)
    wide: Row = {"id": 1} | full | dict.fromkeys(amounts, "900000000000000.1234")
    small: Row = {"id": 2} | full | dict.fromkeys(amounts, "1")
    declared = [*(f"{name} bytea" for name in tokens), *(f"{name} numeric(19,4)" for name in amounts)]
    target = f"CREATE TABLE prices (id int PRIMARY KEY, {', '.join(declared)})"
    planted = plant(new_chain(), target, (prices, [wide, small]))
    assert planted.is_refused("row_too_wide", 1, "1")
    values = ["decode(repeat('78', 22), 'hex')"] * len(tokens) + ["900000000000000.1234"] * len(amounts)
    with pytest.raises(psycopg.errors.ProgramLimitExceeded):
        planted.rows(f"INSERT INTO prices VALUES (1, {', '.join(values)})")
    fits = plant(new_chain(), target, (prices, [small, {"id": 3}]))
    fits.migrate()


def plant_files(new_chain: NewChain) -> Planted:
    files = table(
        "files", *columns("id int not null", "name nvarchar(max)", "body varbinary(max)", "note ntext")
    )
    rows: list[Row] = [
        {"id": 1, "name": "a" * 400, "body": b"x" * 400},
        {"id": 2, "name": "a" * 400, "body": b"x" * 400, "note": "n" * 201},
        {"id": 3},
    ]
    target = "CREATE TABLE files (id int PRIMARY KEY, name text, body bytea, note text)"
    return plant(new_chain(), target, (files, rows))


def test_rows_larger_than_postgresql_takes_are_found(
    new_chain: NewChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = plant_files(new_chain)
    monkeypatch.setattr(page_risks, "LARGEST_ROW_BYTES", 1000)  # else it would take a gigabyte
    assert planted.is_refused("row_too_large", 1, "2")
    assert "name, body, note together" in planted.finding("row_too_large").message
    decided = planted.decide(decide("files", "note", "skip: kept elsewhere").replace(", reason: a test", ""))
    assert decided.errors() == []


def test_a_row_that_proves_too_large_in_the_load_is_named(
    new_chain: NewChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = plant_files(new_chain)
    monkeypatch.setattr(value_limits, "LARGEST_ROW_BYTES", 1000)
    with pytest.raises(
        TableFailed, match=r"files: row 2 of the load has 1,001 bytes, most of them in column name"
    ):
        planted.migrate()
    assert planted.rows("SELECT count(*) FROM files") == [(0,)]


def test_s5_index_entries_that_no_page_holds_are_found(new_chain: NewChain) -> None:
    notes = table("notes", *columns("id int not null", "kind int", "body nvarchar(max)"))
    rows: list[Row] = [
        {"id": 1, "kind": 1, "body": "ж" * 1400},
        {"id": 2, "kind": 1, "body": "x" * 2600},
        {"id": 3},
    ]
    target = """CREATE TABLE notes (id int PRIMARY KEY, kind int, body text);
        CREATE INDEX by_kind ON notes (kind) INCLUDE (body)"""
    planted = plant(new_chain(), target, (notes, rows))
    assert planted.is_refused("index_entry_too_large", 1, "1")
    assert "by_kind" in planted.finding("index_entry_too_large").message
    decided = planted.decide("tables: {notes: {long_index_entries: they compress well}}\n")
    assert decided.finding("index_entry_too_large").severity is Severity.WARNING
    decided.migrate()  # one letter 1,400 times compresses


def test_s5_the_schema_leaves_long_included_columns_out_and_says_so(new_chain: NewChain) -> None:
    index = Index("by_kind", (IndexColumn("kind"),), included=("body", "short"))
    notes = table(
        "notes",
        *columns("id int not null", "kind int", "body nvarchar(max)", "short nvarchar(40)"),
        indexes=(index,),
    )
    chain = new_chain()
    chain.database.create_table(notes)
    project = chain.project(HEAD)
    design = build_design(project.source, parse_decisions(HEAD, "d.yaml").decisions)
    (designed,) = design.catalog.tables[0].indexes
    assert designed.included == ("short",)
    (finding,) = [each for each in design.findings if each.code == "included_columns_left_out"]
    assert "body" in finding.message


def test_s8_names_of_system_columns_are_found_with_the_decision(new_chain: NewChain) -> None:
    odd = table("odd", *columns("id int not null", "xmin int", "ctid varchar(9)"))
    planted = plant(
        new_chain(),
        "CREATE TABLE odd (id int PRIMARY KEY, xmin_1 int, ctid_1 varchar(9))",
        (odd, [{"id": 1}]),
    )
    found = planted.findings("column_name_reserved")
    assert [(each.subject, each.severity) for each in found] == [
        ("odd.ctid", Severity.ERROR),
        ("odd.xmin", Severity.ERROR),
    ]
    both = decide("odd", "xmin", "to: xmin_1").replace("}}}}", "}, ctid: {to: ctid_1, reason: a test}}}}")
    assert planted.decide(both).errors() == []
