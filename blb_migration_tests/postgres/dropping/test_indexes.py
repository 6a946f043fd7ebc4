"""What a table's load takes down comes back exactly as it was."""

from __future__ import annotations

import pytest
from psycopg.pq import TransactionStatus

from blb_migration.errors import TargetError
from blb_migration.model import TableName
from blb_migration.postgres.dropping.indexes import build_indexes, drop_indexes
from blb_migration.postgres.dropping.parts import DroppedParts, drop_parts, restore_parts
from blb_migration.postgres.dropping.triggers import disable_triggers
from blb_migration.postgres.fingerprint import read_definitions
from blb_migration.postgres.names import TargetConnection
from blb_migration_tests.postgres.tables import column, execute, read_table, scalar

ORDERS = TableName("public", "Orders")

RICH_TABLE = (
    'CREATE TABLE "Orders" ("Id" int GENERATED ALWAYS AS IDENTITY, code text NOT NULL, day date, note text,'
    ' CONSTRAINT orders_pk PRIMARY KEY ("Id") WITH (fillfactor = 70),'
    " CONSTRAINT once UNIQUE NULLS NOT DISTINCT (code, day) INCLUDE (note) DEFERRABLE INITIALLY DEFERRED)",
    "COMMENT ON CONSTRAINT once ON \"Orders\" IS 'one per day'",
    "COMMENT ON INDEX orders_pk IS 'the index'",
    'CREATE UNIQUE INDEX "by Day" ON "Orders" (day DESC NULLS LAST, lower(code)) WHERE day IS NOT NULL',
    "COMMENT ON INDEX \"by Day\" IS 'das Ärgernis'",
    'CREATE UNIQUE INDEX identity_of ON "Orders" (code)',
    'ALTER TABLE "Orders" REPLICA IDENTITY USING INDEX identity_of',
    'ALTER TABLE "Orders" CLUSTER ON orders_pk',
    "CREATE FUNCTION bark() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''fired''; END'",
    'CREATE TRIGGER ordinary BEFORE INSERT ON "Orders" FOR EACH ROW EXECUTE FUNCTION bark()',
    'CREATE TRIGGER always AFTER INSERT ON "Orders" FOR EACH ROW EXECUTE FUNCTION bark()',
    'CREATE TRIGGER "Off" AFTER INSERT ON "Orders" FOR EACH ROW EXECUTE FUNCTION bark()',
    'ALTER TABLE "Orders" ENABLE ALWAYS TRIGGER always, DISABLE TRIGGER "Off"',
)


@pytest.fixture
def orders(target: TargetConnection) -> TargetConnection:
    execute(target, *RICH_TABLE)
    return target


def test_indexes_keys_and_triggers_are_restored_as_they_were(orders: TargetConnection) -> None:
    before = read_definitions(orders, [ORDERS])
    with orders.transaction():
        parts = drop_parts(orders, ORDERS, "run-1")
        assert scalar(orders, "SELECT count(*) FROM pg_index WHERE indrelid = '\"Orders\"'::regclass") == 0
        assert read_definitions(orders, [ORDERS]) != before
        execute(orders, "INSERT INTO \"Orders\" (code, day) VALUES ('a', '2024-01-01'), ('b', NULL)")
        restore_parts(orders, DroppedParts.from_json(parts.to_json()))  # as a chunked load records it
    assert read_definitions(orders, [ORDERS]) == before


def test_not_null_outlives_the_primary_key(orders: TargetConnection) -> None:
    before = read_table(orders, "Orders").columns
    with orders.transaction():
        drop_indexes(orders, ORDERS)
        assert read_table(orders, "Orders").columns == before


def test_a_failure_brings_everything_back(orders: TargetConnection) -> None:
    before = read_definitions(orders, [ORDERS])
    with pytest.raises(TargetError, match="index by Day of public") as caught, orders.transaction():
        parts = drop_parts(orders, ORDERS, "run-1")
        execute(orders, "INSERT INTO \"Orders\" (code, day) VALUES ('a', '2024-01-01'), ('A', '2024-01-01')")
        restore_parts(orders, parts)
    assert 'could not create unique index "by Day"' in str(caught.value)
    assert read_definitions(orders, [ORDERS]) == before
    assert scalar(orders, 'SELECT count(*) FROM "Orders"') == 0


def test_indexes_built_side_by_side_come_back_as_they_were(
    orders: TargetConnection, other_session: TargetConnection
) -> None:
    before = read_definitions(orders, [ORDERS])
    with orders.transaction():
        parts = drop_parts(orders, ORDERS, "run-1")
        execute(orders, "INSERT INTO \"Orders\" (code, day) VALUES ('a', '2024-01-01'), ('b', NULL)")
    build_indexes([orders], parts.indexes[:1])  # as far as a process came that was killed
    build_indexes([other_session, orders], parts.indexes)
    with orders.transaction():
        restore_parts(orders, parts, are_indexes_built=True)
    assert read_definitions(orders, [ORDERS]) == before
    assert scalar(orders, "SELECT bool_and(indisvalid) FROM pg_index WHERE indrelid = '\"Orders\"'::regclass")


def test_an_index_that_cannot_be_built_is_named_and_ends_the_other_builds(
    target: TargetConnection, other_session: TargetConnection
) -> None:
    execute(
        target,
        "CREATE FUNCTION slow(v int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
        " 'BEGIN PERFORM pg_sleep(5); RETURN v; END'",
        "CREATE TABLE t (v int)",
        "CREATE INDEX by_slow ON t (slow(v))",
        "CREATE UNIQUE INDEX once ON t (v)",
    )
    with target.transaction():
        dropped = drop_indexes(target, TableName("public", "t"))
        execute(target, "INSERT INTO t VALUES (7), (7)")
    with pytest.raises(TargetError, match=r'index once of public\.t: could not create unique index "once"'):
        build_indexes([target, other_session], dropped)
    for session in (target, other_session):
        assert session.info.transaction_status is TransactionStatus.IDLE
        assert scalar(session, "SELECT to_regclass('by_slow') IS NULL AND to_regclass('once') IS NULL")


def test_keys_that_others_depend_on_stay(target: TargetConnection) -> None:
    execute(
        target,
        "CREATE TABLE p (id int PRIMARY KEY, code text UNIQUE, name text)",
        "CREATE TABLE c (p_code text REFERENCES p (code))",
        "CREATE VIEW grouped AS SELECT id, name FROM p GROUP BY id",
    )
    with target.transaction():
        assert drop_indexes(target, TableName("public", "p")) == ()


def test_what_cannot_be_rebuilt_exactly_stays(target: TargetConnection) -> None:
    execute(
        target,
        "CREATE TABLE parts (id int PRIMARY KEY, day date) PARTITION BY RANGE (id)",
        "CREATE INDEX parts_by_day ON parts (day)",
        "CREATE TABLE special (id int, day date, EXCLUDE USING btree (id WITH =))",
        "CREATE INDEX tuned ON special ((id + 1))",
        "ALTER INDEX tuned ALTER COLUMN 1 SET STATISTICS 500",
    )
    with target.transaction():
        for name in ("parts", "special"):
            assert drop_indexes(target, TableName("public", name)) == ()


def test_disabled_triggers_do_not_fire(orders: TargetConnection) -> None:
    with orders.transaction():
        triggers = disable_triggers(orders, ORDERS)
        assert [trigger.name for trigger in triggers] == ["always", "ordinary"]
        execute(orders, "INSERT INTO \"Orders\" (code) VALUES ('a')")
    assert column(orders, 'SELECT code FROM "Orders"') == ["a"]


@pytest.mark.parametrize(
    "change",
    [
        'ALTER TABLE "Orders" ALTER note SET NOT NULL',
        'ALTER TABLE "Orders" ALTER note SET DEFAULT 1',
        'ALTER TABLE "Orders" DROP CONSTRAINT once',
        'DROP INDEX "by Day"',
        'COMMENT ON INDEX "by Day" IS NULL',
        'ALTER TABLE "Orders" SET WITHOUT CLUSTER',
        'ALTER TABLE "Orders" REPLICA IDENTITY FULL',
        'ALTER TABLE "Orders" DISABLE TRIGGER ordinary',
        'ALTER TABLE "Orders" ALTER "Id" SET INCREMENT 2',
        'ALTER TABLE "Orders" ENABLE ROW LEVEL SECURITY',
        'CREATE TABLE newcomer (id int REFERENCES "Orders" ("Id"))',
    ],
)
def test_the_fingerprint_notices_every_change(orders: TargetConnection, change: str) -> None:
    before = read_definitions(orders, [ORDERS])
    assert read_definitions(orders, [ORDERS]) == before
    execute(orders, change)
    assert read_definitions(orders, [ORDERS]) != before


def test_rows_and_sequences_do_not_change_the_fingerprint(target: TargetConnection) -> None:
    execute(target, "CREATE TABLE plain (id serial PRIMARY KEY)")
    before = read_definitions(target, [TableName("public", "plain")])
    execute(target, "INSERT INTO plain DEFAULT VALUES", "ANALYZE plain", "VACUUM FULL plain")
    assert read_definitions(target, [TableName("public", "plain")]) == before
