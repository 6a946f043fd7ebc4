"""CHECKs and generated columns of the target: the source's own raise no doubt, others do."""

from __future__ import annotations

from typing import Any

from blb_migration.findings import Severity
from blb_migration.model import CheckConstraint, Computed
from blb_migration.sandbox.zoo.declare import column
from blb_migration.sqlserver import catalog as source_catalog
from blb_migration_tests.hazards.planting import NewChain, Planted, Row, columns, plant, table
from blb_migration_tests.schema.designs import create

HELD = table(
    "stock",
    *columns("id int not null", "held int", "taken int"),
    column("free", "int", computed=Computed("([held]-[taken])", persisted=False)),
)
ROWS: list[Row] = [{"id": 1, "held": 10, "taken": 3}, {"id": 2, "held": 5, "taken": None}]


def plant_stock(new_chain: NewChain, generated: str, source: Any = HELD) -> Planted:
    ddl = f"CREATE TABLE stock (id int PRIMARY KEY, held int, taken int, free int {generated})"
    return plant(new_chain(), ddl, (source, ROWS))


def test_16_a_generated_column_that_computes_the_same_raises_no_doubt(new_chain: NewChain) -> None:
    planted = plant_stock(new_chain, 'GENERATED ALWAYS AS (((("held") - taken))) STORED')
    findings = planted.chain.preflight(planted.text).findings
    assert [f.code for f in findings if "free" in f.subject or "free" in f.message] == []
    assert planted.rows("SELECT count(*) FROM pg_class WHERE relname = 'blb_migration_spelling'") == [(0,)]
    planted.migrate()


def test_16_a_generated_column_that_computes_something_else_is_named(new_chain: NewChain) -> None:
    planted = plant_stock(new_chain, "GENERATED ALWAYS AS (held - taken - 1) STORED")
    finding = planted.finding("generated_column_differs")
    assert (finding.severity, finding.subject) == (Severity.WARNING, "stock.free")
    for words in (
        "((held - taken) - 1)",
        "([held]-[taken]), which would be (held - taken) here",
        "not asked",
    ):
        assert words in finding.message
    assert "generated column free" in planted.finding("target_rules_not_asked").message


def test_16_a_generated_column_of_what_the_source_stores_is_named(new_chain: NewChain) -> None:
    stored = table("stock", *columns("id int not null", "held int", "taken int", "free int"))
    planted = plant_stock(new_chain, "GENERATED ALWAYS AS (held - taken) STORED", stored)
    assert "the source stores its values" in planted.finding("generated_column_differs").message


def test_t1_a_check_that_was_designed_from_the_sources_raises_no_doubt(new_chain: NewChain) -> None:
    own = CheckConstraint("CK_stock", "([held]+[taken]>(0))")
    stock = table("stock", *columns("id int not null", "held int", "taken int"), checks=(own,))
    chain = new_chain()
    chain.database.create_table(stock)
    with chain.source.connect() as session:
        create(chain, source_catalog.read_catalog(session).tables)
    planted = Planted(chain)
    assert planted.findings("target_rules_not_asked") == []
    planted.rows('ALTER TABLE stock DROP CONSTRAINT "CK_stock", ADD CHECK ((held + taken) > -1)')
    assert "check stock_check" in planted.finding("target_rules_not_asked").message
