"""After a crash preflight counts the keys that are off, and a key's owner may have made it NOT VALID."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from blb_migration.findings import Code, Severity
from blb_migration.load.finish import restore_constraints
from blb_migration.load.prepare import prepare_target
from blb_migration.load.table import load_table
from blb_migration.preflight.stage import PreflightResult
from blb_migration_tests.catalogs import table
from blb_migration_tests.chain import Chain

DECISIONS = "project: shop\n"
TARGET_TABLES = """
CREATE TABLE customers (id integer PRIMARY KEY);
CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer);
CREATE TABLE notes (id integer PRIMARY KEY, customer_id integer REFERENCES customers);
"""
KEY = "ALTER TABLE orders ADD CONSTRAINT to_customer FOREIGN KEY (customer_id) REFERENCES customers"


@pytest.fixture
def chain(new_chain: Callable[..., Chain]) -> Chain:
    """Build a source that has an orphan and no key, and a target that has keys."""
    chain = new_chain()
    chain.database.create_table(table("customers", "id int not null"))
    chain.database.create_table(table("orders", "id int not null", "customer_id int"))
    chain.database.load("dbo.customers", pa.table({"id": pa.array([1], pa.int32())}))
    ids = pa.array([1, 2], pa.int32())
    chain.database.load("dbo.orders", pa.table({"id": ids, "customer_id": ids}))
    chain.execute(TARGET_TABLES)
    return chain


def codes(result: PreflightResult) -> dict[Code, Severity]:
    return {finding.code: finding.severity for finding in result.findings}


def crash_after_preparing(chain: Chain) -> None:
    migration = chain.migration(DECISIONS)
    prepare_target(migration, ())


def test_what_dropped_keys_would_refuse_is_asked_of_the_source_all_the_same(chain: Chain) -> None:
    chain.execute(KEY)
    crash_after_preparing(chain)
    found = codes(chain.preflight(DECISIONS))
    assert found[Code.ORPHANS] is Severity.ERROR
    assert found[Code.FOREIGN_KEYS_DROPPED] is Severity.WARNING


def test_orphans_that_came_in_while_a_key_was_off_are_found_and_refuse_nothing(chain: Chain) -> None:
    crash_after_preparing(chain)
    chain.execute("INSERT INTO notes VALUES (1, 1), (2, 404), (3, 405)")
    result = chain.preflight(DECISIONS)
    [found] = [finding for finding in result.findings if finding.code is Code.ORPHANS_IN_TARGET]
    assert found.severity is Severity.WARNING
    assert (found.row_count, found.subject) == (3, "public.notes")
    assert found.first_keys[1] == "id=2 (customer_id=404)"
    assert not any(finding.severity is Severity.ERROR for finding in result.findings)


def test_a_key_that_its_owner_made_not_valid_is_that_again_and_no_later_run_is_unequal(chain: Chain) -> None:
    chain.execute(f"{KEY} NOT VALID")
    crash_after_preparing(chain)
    result = chain.preflight(DECISIONS)
    assert codes(result)[Code.ORPHANS_CARRIED] is Severity.WARNING
    assert Code.ORPHANS not in codes(result)
    [said] = [finding for finding in result.findings if finding.code is Code.ORPHANS_CARRIED]
    assert "to_customer is NOT VALID, and is restored as that" in said.message
    for _ in range(2):
        migration = chain.migration(DECISIONS)
        prepare_target(migration, result.findings, result.facts)
        for planned in migration.project.plan.tables:
            load_table(migration, planned)
        restore_constraints(migration)
        assert chain.execute("SELECT convalidated FROM pg_constraint WHERE conname = 'to_customer'") == [
            (False,)
        ]
        for (label, name), check in chain.check(migration).items():
            assert check.passed, (label, name, check.comparisons)
    integrity = chain.check(migration)["orders", "integrity"]
    [counted] = [each for each in integrity.comparisons if "without a parent" in each.name]
    assert counted.target_value == "1, first id=2 (customer_id=2)"
