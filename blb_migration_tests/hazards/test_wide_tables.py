"""Tables with many columns, rows wider than a page, and index entries that no page holds."""

from __future__ import annotations

from blb_migration.findings import Severity
from blb_migration.model import Index, IndexColumn
from blb_migration.plan.decisions_file import parse_decisions
from blb_migration.schema.design import build_design
from blb_migration_tests.hazards.planting import HEAD, NewChain, Row, columns, decide, plant, table

MOST_COLUMNS = 1024  # SQL Server's limit without column sets


def test_s3_as_many_columns_as_sql_server_allows_are_loaded_and_compared(new_chain: NewChain) -> None:
    kinds = ("int", "date", "nvarchar(10)", "bigint")
    names = [f"c{number}" for number in range(1, MOST_COLUMNS)]
    specs = [f"{name} {kinds[number % 4]}" for number, name in enumerate(names)]
    wide = table("wide", *columns("id int not null", *specs))
    samples = {"int": 1, "date": "2024-02-29", "nvarchar(10)": "é", "bigint": 2**40}
    row = {"id": 1} | {name: samples[kinds[number % 4]] for number, name in enumerate(names)}
    declared = ", ".join(spec.replace("nvarchar", "varchar") for spec in specs)
    target = f"CREATE TABLE wide (id int PRIMARY KEY, {declared})"
    planted = plant(new_chain(), target, (wide, [row, {"id": 2}]))
    planted.migrate()
    planted.rows("UPDATE wide SET c1020 = c1020 + 1 WHERE id = 1")
    results = planted.chain.check(planted.chain.migration(planted.text))
    assert not results["wide", "key_totals"].passed


def test_s3_more_metrics_than_a_select_takes_are_asked_in_two(new_chain: NewChain) -> None:
    names = [f"c{number}" for number in range(1, MOST_COLUMNS)]
    specs = [f"{name} int" for name in names]
    wide = table("wide", *columns("id int not null", *specs))
    planted = plant(
        new_chain(),
        f"CREATE TABLE wide (id int PRIMARY KEY, {', '.join(specs)})",
        (wide, [{"id": 1} | dict.fromkeys(names, 7), {"id": 2}]),
    )
    migration = planted.migrate()
    (found,) = [
        c for c in planted.chain.check(migration)["wide", "key_totals"].comparisons if c.name == "sum(c1023)"
    ]
    assert (found.source_value, found.target_value) == ("7", "7")


def test_s4_rows_wider_than_a_page_are_found_by_what_they_hold(new_chain: NewChain) -> None:
    names = [f"m{number}" for number in range(700)]
    prices = table("prices", *columns("id int not null", *(f"{name} money" for name in names)))
    wide: Row = {"id": 1} | dict.fromkeys(names, "900000000000000.1234")
    small: Row = {"id": 2} | dict.fromkeys(names, "1")
    target = (
        f"CREATE TABLE prices (id int PRIMARY KEY, {', '.join(f'{name} numeric(19,4)' for name in names)})"
    )
    planted = plant(new_chain(), target, (prices, [wide, small]))
    assert planted.is_refused("row_too_wide", 1, "1")
    fits = plant(new_chain(), target, (prices, [small, {"id": 3}]))
    fits.migrate()


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
