"""Foreign keys are dropped, recorded, and restored: none is ever lost."""

from __future__ import annotations

import pytest

from blb_migration.errors import KeysNotRestored, TargetError
from blb_migration.model import TableName
from blb_migration.postgres.catalog import read_catalog
from blb_migration.postgres.dropping.foreign_key_drops import (
    drop_foreign_keys,
    drop_recorded_foreign_keys,
    require_restored,
    restore_foreign_keys,
)
from blb_migration.postgres.fingerprint import read_definitions
from blb_migration.postgres.foreign_keys import find_foreign_keys
from blb_migration.postgres.ledger.dropped_keys import read_dropped_keys
from blb_migration.postgres.ledger.table_definitions import (
    read_recorded_definitions,
    read_table_definitions,
    record_definitions,
)
from blb_migration.postgres.names import TargetConnection
from blb_migration_tests.postgres.tables import column, execute, scalar

PRODUCTS = TableName("public", "products")
LINES = TableName("public", "lines")
NOTES = TableName("elsewhere", "notes")
ALL = [PRODUCTS, LINES, NOTES]
RUN_ID = "run-1"

SHOP = (
    "CREATE TABLE products (id int PRIMARY KEY, region int, parent_id int, UNIQUE (id, region))",
    "CREATE TABLE lines (id int PRIMARY KEY, product_id int, region int)",
    "CREATE SCHEMA elsewhere",
    "CREATE TABLE elsewhere.notes (product_id int)",
    "ALTER TABLE products ADD CONSTRAINT to_parent FOREIGN KEY (parent_id) REFERENCES products",
    'ALTER TABLE lines ADD CONSTRAINT "both" FOREIGN KEY (product_id, region)'
    " REFERENCES products (id, region) MATCH FULL ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
    "COMMENT ON CONSTRAINT \"both\" ON lines IS 'sold where it is made'",
    "INSERT INTO elsewhere.notes VALUES (404)",
    "ALTER TABLE elsewhere.notes ADD CONSTRAINT loose FOREIGN KEY (product_id) REFERENCES products NOT VALID",
)


@pytest.fixture
def shop(target: TargetConnection, ledger: TargetConnection) -> TargetConnection:
    execute(target, *SHOP)
    return target


def count_foreign_keys(target: TargetConnection) -> int:
    return int(
        scalar(
            target,
            "SELECT count(*) FROM pg_constraint WHERE contype = 'f'"
            " AND connamespace <> 'blb_migration'::regnamespace",
        )
    )


def test_keys_from_and_onto_a_table_are_found_in_any_schema(shop: TargetConnection) -> None:
    assert [key.name for key in find_foreign_keys(shop, [PRODUCTS])] == ["loose", "both", "to_parent"]
    assert [key.name for key in find_foreign_keys(shop, [LINES])] == ["both"]
    assert find_foreign_keys(shop, [TableName("public", "missing")]) == ()


def test_keys_of_single_partitions_are_found(target: TargetConnection) -> None:
    execute(
        target,
        "CREATE TABLE p (id int PRIMARY KEY)",
        "CREATE TABLE parts (id int, p_id int REFERENCES p) PARTITION BY RANGE (id)",
        "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (9)",
        "ALTER TABLE parts_1 ADD CONSTRAINT own FOREIGN KEY (id) REFERENCES p",
    )
    found = find_foreign_keys(target, [TableName("public", "parts")])
    assert [str(key) for key in found] == [
        "foreign key parts_p_id_fkey of public.parts",
        "foreign key own of public.parts_1",
    ]


def test_keys_are_proven_with_more_memory_and_the_session_is_left_as_it_was(shop: TargetConnection) -> None:
    drop_recorded_foreign_keys(shop, RUN_ID, ALL)
    execute(
        shop,
        "CREATE TABLE seen (memory text)",
        "CREATE FUNCTION look() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO seen SELECT current_setting('maintenance_work_mem'); END $$",
        "CREATE EVENT TRIGGER looking ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION look()",
    )
    restore_foreign_keys(shop)
    assert column(shop, "SELECT memory FROM seen") == ["160MB"] * 3
    assert scalar(shop, "SELECT current_setting('maintenance_work_mem')") == "64MB"


def test_keys_come_back_as_they_were(shop: TargetConnection) -> None:
    before = read_definitions(shop, ALL)
    assert len(drop_recorded_foreign_keys(shop, RUN_ID, [PRODUCTS])) == 3
    assert count_foreign_keys(shop) == 0
    assert drop_recorded_foreign_keys(shop, RUN_ID, [PRODUCTS]) == ()
    assert len(read_dropped_keys(shop)) == 3
    assert [key.error for key in restore_foreign_keys(shop)] == [None, None, None]
    assert read_definitions(shop, ALL) == before
    assert read_dropped_keys(shop) == ()
    assert restore_foreign_keys(shop) == ()


def test_a_second_run_drops_again(shop: TargetConnection) -> None:
    for _ in range(2):
        assert len(drop_recorded_foreign_keys(shop, RUN_ID, ALL)) == 3
        restore_foreign_keys(shop)
    assert count_foreign_keys(shop) == 3


def test_a_violated_key_does_not_keep_the_others_out(shop: TargetConnection) -> None:
    drop_recorded_foreign_keys(shop, RUN_ID, ALL)
    execute(
        shop,
        "INSERT INTO products VALUES (1, 1, NULL), (2, 2, 1)",
        # under MATCH FULL a key that is half filled in is a violation too
        "INSERT INTO lines VALUES (10, 1, 1), (11, 99, 1), (12, 1, NULL), (13, NULL, NULL)",
    )
    outcome = {key.name: key for key in restore_foreign_keys(shop)}
    assert outcome["loose"].error is None and outcome["to_parent"].error is None
    assert "foreign key both of public.lines" in str(outcome["both"].error)
    assert outcome["both"].orphan_count == 2
    assert outcome["both"].first_keys == (
        "id=11 (product_id=99, region=1)",
        "id=12 (product_id=1, region=NULL)",
    )
    assert [key.name for _, key in read_dropped_keys(shop)] == ["both"]
    assert "violates" in scalar(
        shop, "SELECT error FROM blb_migration.dropped_keys WHERE restored_at IS NULL"
    )
    execute(shop, "DELETE FROM lines WHERE id IN (11, 12)")
    assert [key.error for key in restore_foreign_keys(shop)] == [None]
    assert count_foreign_keys(shop) == 3


def test_orphans_without_a_primary_key_are_named_by_their_place(shop: TargetConnection) -> None:
    execute(
        shop,
        "DELETE FROM elsewhere.notes",
        "ALTER TABLE elsewhere.notes VALIDATE CONSTRAINT loose",
    )
    drop_recorded_foreign_keys(shop, RUN_ID, [NOTES])
    execute(shop, "INSERT INTO elsewhere.notes VALUES (7)")
    (loose,) = restore_foreign_keys(shop)
    assert loose.orphan_count == 1
    assert loose.first_keys[0].startswith("ctid=(0,") and loose.first_keys[0].endswith("(product_id=7)")


def test_a_key_that_someone_added_again_counts_as_back_only_if_it_is_the_same(shop: TargetConnection) -> None:
    drop_recorded_foreign_keys(shop, RUN_ID, ALL)
    execute(
        shop,
        "ALTER TABLE products ADD CONSTRAINT to_parent FOREIGN KEY (parent_id) REFERENCES products",
        'ALTER TABLE lines ADD CONSTRAINT "both" FOREIGN KEY (product_id) REFERENCES products',
    )
    outcome = {key.name: key.error for key in restore_foreign_keys(shop)}
    assert outcome["to_parent"] is None
    assert "another one of this name" in str(outcome["both"])


def test_a_crash_while_dropping_loses_nothing(
    shop: TargetConnection, other_session: TargetConnection
) -> None:
    with other_session.transaction():
        execute(other_session, "LOCK TABLE products IN ACCESS SHARE MODE")
        with pytest.raises(TargetError, match="foreign key loose of elsewhere") as caught:
            drop_recorded_foreign_keys(shop, RUN_ID, ALL, lock_timeout_seconds=0.05)
    assert caught.value.is_transient
    assert count_foreign_keys(shop) == 3
    assert read_dropped_keys(shop) == ()


def test_a_key_whose_table_is_gone_stays_on_record(shop: TargetConnection) -> None:
    drop_recorded_foreign_keys(shop, RUN_ID, [LINES])
    execute(shop, "DROP TABLE lines")
    (both,) = restore_foreign_keys(shop)
    assert "does not exist" in str(both.error)
    assert len(read_dropped_keys(shop)) == 1


def test_one_tables_rerun_with_keys_in_place(shop: TargetConnection) -> None:
    before = read_definitions(shop, ALL)
    with shop.transaction():
        keys = drop_foreign_keys(shop, RUN_ID, [PRODUCTS])
        assert len(keys) == 3
        execute(shop, "TRUNCATE products", "INSERT INTO products VALUES (1, 1, 1)")
        require_restored(restore_foreign_keys(shop), "all", next_act="")
    assert read_definitions(shop, ALL) == before
    assert column(shop, "SELECT id FROM products") == [1]


def test_one_tables_rerun_that_leaves_orphans_changes_nothing(shop: TargetConnection) -> None:
    execute(shop, "INSERT INTO products VALUES (1, 1, NULL)", "INSERT INTO lines VALUES (10, 1, 1)")
    before = read_definitions(shop, ALL)
    with (
        pytest.raises(KeysNotRestored, match=r"1 of 3 could not be restored: public\.lines\.both: 1 rows"),
        shop.transaction(),
    ):
        drop_foreign_keys(shop, RUN_ID, [PRODUCTS])
        execute(shop, "TRUNCATE products")
        require_restored(restore_foreign_keys(shop), "all", next_act="")
    assert read_dropped_keys(shop) == ()
    assert read_definitions(shop, ALL) == before
    assert column(shop, "SELECT id FROM products") == [1]


def test_dropped_keys_are_in_the_catalog_and_in_the_definitions_as_if_in_place(
    shop: TargetConnection,
) -> None:
    execute(
        shop,
        'CREATE TABLE "Odd ON DELETE" ("ON UPDATE CASCADE" int REFERENCES products ON DELETE SET NULL)',
    )
    tables = [*ALL, TableName("public", "Odd ON DELETE")]
    catalog = read_catalog(shop).tables_by_name
    before = [catalog[name].foreign_keys for name in tables]
    definitions = read_table_definitions(shop, tables)
    assert len(drop_recorded_foreign_keys(shop, RUN_ID, tables)) == 4
    catalog = read_catalog(shop).tables_by_name
    assert [catalog[name].foreign_keys for name in tables] == before
    record_definitions(shop, RUN_ID, tables)
    for name in tables:
        assert sorted(read_recorded_definitions(shop, name) or ()) == sorted(definitions[name])
