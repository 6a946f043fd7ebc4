"""A dry run proves the migration and leaves the target as it was, to the last sequence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blb_migration.compare.run_checks import CHECK_NAMES, run_check
from blb_migration.errors import PreflightRefused
from blb_migration.load.finish import restore_constraints
from blb_migration.load.prepare import prepare_target
from blb_migration.load.scratch import on_scratch
from blb_migration.load.table import load_table
from blb_migration.postgres.fingerprint import read_definitions
from blb_migration.postgres.scratch_copies import SCRATCH_PREFIX
from blb_migration.preflight.stage import refuse_if_errors, run_preflight
from blb_migration_tests.catalogs import table
from blb_migration_tests.chain import Chain
from blb_migration_tests.hazards.planting import NewChain

# Closed under the target's foreign keys, so that all keys can come back.
TABLES = (
    "units_of_measure", "users", "mrp_runs", "item_categories", "colors", "material_types", "products",
    "quotes", "sales_orders",
)  # fmt: skip


def take_stock(chain: Chain) -> tuple[object, ...]:
    """All that a dry run might have changed."""
    names = chain.project().plan.target_tables
    with chain.target.connect() as connection:
        fingerprint = read_definitions(connection, names)
    return (
        fingerprint,
        chain.execute("SELECT nspname FROM pg_namespace ORDER BY 1"),
        chain.execute(
            "SELECT schemaname, sequencename, last_value FROM pg_sequences"
            " WHERE schemaname <> 'blb_migration' ORDER BY 1, 2"
        ),
        [chain.execute(f'SELECT count(*) FROM public."{name}"') for name in TABLES],
    )


def dry_run(chain: Chain) -> None:
    with on_scratch(chain.migration()) as migration:
        refuse_if_errors(run_preflight(migration))
        prepare_target(migration, ())
        tables = migration.project.plan.tables_by_label
        for label in TABLES:
            assert load_table(migration, tables[label]).rows_written > 0
            assert run_check(migration, tables[label], "row_count").passed
            assert run_check(migration, tables[label], "key_totals").passed
        restore_constraints(migration)


def test_nothing_of_a_dry_run_stays(erp_chain: Chain) -> None:
    before = take_stock(erp_chain)
    dry_run(erp_chain)
    assert take_stock(erp_chain) == before


def test_a_dry_run_leaves_an_earlier_migration_and_its_ledger_alone(erp_chain: Chain) -> None:
    migration = erp_chain.migration()
    prepare_target(migration, ())
    tables = migration.project.plan.tables_by_label
    for label in TABLES:
        load_table(migration, tables[label])
    restore_constraints(migration)
    before = take_stock(erp_chain)
    dry_run(erp_chain)
    assert take_stock(erp_chain) == before
    assert erp_chain.execute("SELECT DISTINCT run_id FROM blb_migration.runs") == [(migration.run.run_id,)]
    assert erp_chain.execute("SELECT count(*) FROM blb_migration.table_loads") == [(len(TABLES),)]


def test_a_dry_run_finds_what_the_targets_constraints_refuse(erp_chain: Chain) -> None:
    erp_chain.execute("ALTER TABLE users ADD CONSTRAINT nobody CHECK (id + 0 < 0)")
    before = take_stock(erp_chain)
    with pytest.raises(Exception, match="nobody"):
        dry_run(erp_chain)
    assert take_stock(erp_chain) == before


def test_a_target_without_its_foreign_keys_refuses_a_dry_run(erp_chain: Chain) -> None:
    prepare_target(erp_chain.migration(), ())
    with pytest.raises(PreflightRefused, match="74 foreign keys"), on_scratch(erp_chain.migration()):
        pass


def test_what_a_killed_dry_run_has_left_goes_with_the_next_run(erp_chain: Chain) -> None:
    before = take_stock(erp_chain)
    migration = erp_chain.migration()
    scratch = replace(migration, project=replace(migration.project, scratch_prefix=SCRATCH_PREFIX))
    prepare_target(scratch, ())  # and killed: keys of the copies are dropped, and a child has no parents
    load_table(scratch, scratch.project.plan.tables_by_label["quotes"])
    dry_run(erp_chain)
    after = erp_chain.migration()
    prepare_target(after, ())
    assert all(restored.error is None for restored in restore_constraints(after).restored)
    assert erp_chain.execute("SELECT DISTINCT run_id FROM blb_migration.runs") == [(after.run.run_id,)]
    erp_chain.execute("DROP SCHEMA blb_migration CASCADE")
    assert take_stock(erp_chain) == before


def test_every_table_of_the_ledger_forgets_a_dry_run(erp_chain: Chain) -> None:
    prepare_target(erp_chain.migration(), ())
    erp_chain.execute("UPDATE blb_migration.dropped_keys SET restored_at = now()")
    runs = erp_chain.execute("SELECT count(*) FROM blb_migration.runs")
    dry_run(erp_chain)
    assert erp_chain.execute("SELECT count(*) FROM blb_migration.runs") == runs
    referring = erp_chain.execute(
        "SELECT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f'"
        " AND confrelid = 'blb_migration.runs'::regclass ORDER BY 1"
    )
    assert ("blb_migration.cutover",) in referring  # the one table a dry run never writes to
    for (name,) in referring:
        assert erp_chain.execute(
            f"SELECT count(*) FROM {name} WHERE run_id NOT IN (SELECT run_id FROM blb_migration.runs)"
        ) == [(0,)]


def test_tables_of_several_schemas_pass_every_check_of_a_dry_run(new_chain: NewChain) -> None:
    chain = new_chain()
    for schema in ("dbo", "hr", "Sales"):
        chain.database.create_table(table(f"{schema}_things", "id int not null", schema=schema))
    chain.execute(
        'CREATE SCHEMA hr; CREATE SCHEMA "Sales"; CREATE TABLE dbo_things (id int PRIMARY KEY);'
        "CREATE TABLE hr.hr_things (id int PRIMARY KEY);"
        'CREATE TABLE "Sales"."Sales_things" (id int PRIMARY KEY)'
    )
    with on_scratch(chain.migration("project: test\nschemas: {dbo: public}\n")) as migration:
        prepare_target(migration, ())
        tables = migration.project.plan.tables
        assert len(tables) == 3
        for planned in tables:
            load_table(migration, planned)
        restore_constraints(migration)
        results = [run_check(migration, planned, name) for planned in tables for name in CHECK_NAMES]
        assert [result for result in results if not result.passed] == []
    assert chain.execute("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'blb%'") == [(0,)]
