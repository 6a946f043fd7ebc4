"""Hazards that the catalogs show: defaults, computed columns, what only one side has, names, rights."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blb_migration.findings import Severity
from blb_migration.model import Computed, Table, TableName
from blb_migration.preflight import source_access
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sandbox.zoo.declare import column, primary_key
from blb_migration_tests.hazards.planting import NewChain, Row, columns, plant, table

ITEMS = table("items", *columns("id int not null", "name nvarchar(20)"))
ITEMS_TARGET = "CREATE TABLE items (id int PRIMARY KEY, name varchar(20));"


def test_15_defaults_that_new_rows_would_lose_are_listed(new_chain: NewChain) -> None:
    orders = table(
        "orders",
        *columns("id int not null"),
        column("created_at", "datetime", default="(getdate())"),
        column("token", "uniqueidentifier", default="(newid())"),
        column("is_open", "bit", default="((1))"),
        column("state", "varchar(10)", default="('draft')"),
        column("number", "int", default="(next value for dbo.numbers)"),
        column("price", "decimal(10,2)", default="((0.5))"),
    )
    target = """CREATE TABLE orders (id int PRIMARY KEY, created_at timestamp DEFAULT now(), token uuid,
        is_open boolean DEFAULT true, state varchar(10) DEFAULT 'open', number int,
        price numeric(10,2) DEFAULT 0.50)"""
    finding = plant(new_chain(), target, (orders, [])).finding("defaults_not_carried")
    assert finding.severity is Severity.NOTE
    listed = [part.split()[0] for part in finding.message.partition("target: ")[2].split("; ") if " " in part]
    assert set(listed) >= {"token", "state", "number"}
    assert set(listed).isdisjoint({"created_at", "is_open", "price"})


def test_16_a_computed_column_is_never_loaded_and_its_values_are_compared(new_chain: NewChain) -> None:
    stock = table(
        "stock",
        *columns("id int not null", "held int", "taken int"),
        column("free", "int", computed=Computed("([held]-[taken])", persisted=False)),
    )
    rows: list[Row] = [{"id": 1, "held": 10, "taken": 3}, {"id": 2, "held": 5, "taken": None}]
    target = """CREATE TABLE stock (id int PRIMARY KEY, held int, taken int,
        free int GENERATED ALWAYS AS (held - taken{}) STORED)"""
    planted = plant(new_chain(), target.format(""), (stock, rows))
    migration = planted.migrate()
    assert planted.rows("SELECT free FROM stock ORDER BY id") == [(7,), (None,)]
    planted.rows("ALTER TABLE stock ALTER COLUMN free SET EXPRESSION AS (held - taken - 1)")
    result = planted.chain.check(migration)["stock", "key_totals"]
    assert "sum(free)" in [c.name for c in result.comparisons if not c.match]


def test_28_what_only_the_source_has_needs_a_decision_with_its_rows(new_chain: NewChain) -> None:
    extra = table("extra", *columns("id int not null"))
    wider = replace(ITEMS, columns=(*ITEMS.columns, *columns("lot int")))
    planted = plant(new_chain(), ITEMS_TARGET, (wider, [{"id": 1}]), (extra, [{"id": 1}, {"id": 2}]))
    assert planted.errors() == ["source_table_without_target", "source_column_without_target"]
    decided = planted.decide(
        "tables:\n  extra: {skip: kept elsewhere}\n  items: {columns: {lot: {skip: not used}}}\n"
    )
    migration = decided.migrate()
    left = {item.subject: item.row_estimate for item in migration.project.plan.not_migrated}
    assert left == {"dbo.extra": 2, "dbo.items.lot": 1}
    skipped = decided.rows("SELECT subject, row_count FROM blb_migration.decisions ORDER BY subject")
    assert skipped == [("dbo.extra", 2), ("dbo.items.lot", 1)]


def test_28_a_table_of_which_no_column_is_loaded_is_refused(new_chain: NewChain) -> None:
    target = "CREATE TABLE items (id int PRIMARY KEY GENERATED ALWAYS AS (7) STORED)"
    skipped = "tables: {items: {columns: {name: {skip: not wanted}}}}\n"
    planted = plant(new_chain(), target, (ITEMS, [{"id": 7}]), decisions=skipped)
    assert planted.errors() == ["no_column_loaded"]


def test_31_the_applications_own_bookkeeping_is_not_copied(new_chain: NewChain) -> None:
    alembic = table("alembic_version", *columns("version_num varchar(32) not null"), key=["version_num"])
    target = (
        ITEMS_TARGET
        + """CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
        INSERT INTO alembic_version VALUES ('target')"""
    )
    planted = plant(
        new_chain(),
        target,
        (ITEMS, [{"id": 1}]),
        (alembic, [{"version_num": "source"}]),
        decisions="tables: {alembic_version: {skip: the target's own}}\n",
    )
    planted.migrate()
    assert planted.rows("SELECT * FROM alembic_version") == [("target",)]


ODD = 'a "quoted" [bracket] select é'


def test_33_odd_names_are_quoted_everywhere(new_chain: NewChain) -> None:
    odd = Table(
        TableName("dbo", ODD),
        (column("Order", "int", required=True), column("x]y", "nvarchar(9)"), column("50%", "decimal(9,2)")),
        primary_key("odd", "Order"),
    )
    quoted = ODD.replace('"', '""')
    target = f'CREATE TABLE "{quoted}" ("Order" int PRIMARY KEY, "x]y" varchar(9), "50%" numeric(9,2))'
    rows: list[Row] = [
        {"Order": 1, "x]y": "a", "50%": "1.50"},
        {"Order": 2, "x]y": "b", "50%": None},
    ]
    planted = plant(new_chain(), target, (odd, rows))
    planted.migrate()
    assert planted.rows(f'SELECT count(*) FROM "{quoted}"') == [(2,)]


def test_33_names_that_become_the_same_at_the_target_are_found(new_chain: NewChain) -> None:
    long = "a_name_of_more_than_sixty_three_bytes_that_postgresql_cuts_off_at_its_end"
    first, second = (
        replace(table("t", *columns("id int not null")), name=TableName("dbo", long + ending))
        for ending in ("_one", "_two")
    )
    planted = plant(
        new_chain(), f'CREATE TABLE "{long[:63]}" (id int PRIMARY KEY)', (first, []), (second, [])
    )
    assert planted.errors() == ["target_table_fed_twice"]
    twins = table("twins", *columns("id int not null", "Name int", "name2 int"))
    other = plant(
        new_chain(),
        "CREATE TABLE twins (id int PRIMARY KEY, name int)",
        (twins, []),
        decisions="tables: {twins: {columns: {name2: {to: name, reason: a test}}}}\n",
    )
    assert other.errors() == ["target_column_fed_twice"]


def test_33_a_table_in_another_schema_and_columns_of_other_letters_are_named(new_chain: NewChain) -> None:
    elsewhere = plant(
        new_chain(), "CREATE SCHEMA app; CREATE TABLE app.items (id int PRIMARY KEY)", (ITEMS, [])
    )
    assert "but app.items" in elsewhere.finding("source_table_without_target").message
    target = 'CREATE TABLE items (id int PRIMARY KEY, "Name" varchar(20), "NAME" varchar(20))'
    planted = plant(new_chain(), target, (ITEMS, []))
    message = planted.finding("source_column_without_target").message
    assert "several that differ only by letter case: Name, NAME" in message


def test_no_table_in_sight_is_an_error_that_says_so(new_chain: NewChain) -> None:
    finding = plant(new_chain(), ITEMS_TARGET).finding("no_table_visible")
    assert finding.severity is Severity.ERROR
    assert "name the right database in the source URL" in (finding.decision or "")


def test_a_table_the_log_in_may_not_read_and_a_partial_view_are_found(
    new_chain: NewChain, engine: TsqlEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = table("secrets", *columns("id int not null"))
    planted = plant(new_chain(), ITEMS_TARGET + "CREATE TABLE secrets (id int)", (ITEMS, []), (secrets, []))
    engine.add_login("clerk", "Sandbox#1", denied_tables=["dbo.secrets"])
    monkeypatch.setattr(source_access, "may_read_everything", lambda _session: False)
    as_clerk = replace(
        planted, chain=replace(planted.chain, source_url=planted.chain.source_url.replace("sa:", "clerk:"))
    )
    found = as_clerk.findings("source_table_not_readable")
    assert {finding.subject for finding in found} == {"dbo.secrets"}
    assert as_clerk.finding("source_partly_visible").severity is Severity.WARNING
