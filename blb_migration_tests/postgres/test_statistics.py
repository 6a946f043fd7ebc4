"""After a load the planner knows the rows, and scans of an index alone need not look at them."""

from __future__ import annotations

import psycopg
import pytest

from blb_migration.errors import TableFailed
from blb_migration.load.finish import restore_constraints
from blb_migration.load.prepare import prepare_target
from blb_migration.migration import Migration
from blb_migration.model import Index, IndexColumn, TableName
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.statistics import analyze_table, find_invisible, vacuum_table
from blb_migration_tests.chain import Chain
from blb_migration_tests.hazards.planting import HEAD, NewChain, columns, plant, table
from blb_migration_tests.postgres.tables import column, execute, scalar

MOVES = table(
    "moves",
    *columns("id int not null", "place int not null", "note nvarchar(40)"),
    indexes=(Index("ix_place", (IndexColumn("place"),)),),
)
MANY = 21_000  # more than load.table.REBUILD_INDEXES_FROM_ROWS
T = TableName("public", "t")
MOVES_TARGET = TableName("public", "moves")
CREATE_MOVES = """CREATE TABLE moves (id int PRIMARY KEY, place int NOT NULL, note varchar(40));
    CREATE INDEX ix_place ON moves (place)"""
CREATE_PARTITIONS = """CREATE TABLE moves (id int PRIMARY KEY, place int NOT NULL, note varchar(40))
        PARTITION BY RANGE (id);
    CREATE TABLE moves_1 PARTITION OF moves FOR VALUES FROM (MINVALUE) TO (10000);
    CREATE TABLE moves_2 PARTITION OF moves FOR VALUES FROM (10000) TO (MAXVALUE)"""
PAGES = "SELECT relpages - relallvisible FROM pg_class WHERE relname = '{}'"
# Rows do not count as visible before their commit is on disk, and the sandbox commits asynchronously.
FLUSH = "CHECKPOINT"
IN_FORCE = """current_setting('maintenance_work_mem')
    || ', ' || current_setting('max_parallel_maintenance_workers')"""


METRICS = "SELECT attname, null_frac, n_distinct FROM pg_stats WHERE tablename = 'moves' ORDER BY 1"


def build_moves(new_chain: NewChain, target: str, row_count: int = MANY) -> tuple[Chain, Migration]:
    rows = [{"id": i, "place": i % 50, "note": "counted" if i % 3 else None} for i in range(row_count)]
    chain = plant(new_chain(), target, (MOVES, rows)).chain
    migration = chain.migration(HEAD)
    prepare_target(migration, ())
    return chain, migration


@pytest.mark.parametrize("row_count", [100, MANY])
def test_a_load_leaves_a_table_as_a_fresh_vacuum_does(new_chain: NewChain, row_count: int) -> None:
    chain, migration = build_moves(new_chain, CREATE_MOVES, row_count)
    with migration.target.keeping_sessions():
        chain.load(migration, "moves")
        restore_constraints(migration)
        with migration.target.connect() as connection:
            assert scalar(connection, f"SELECT {IN_FORCE}") == "64MB, 2"
            assert find_invisible(connection, [MOVES_TARGET]) == ()
    assert chain.execute("SELECT reltuples FROM pg_class WHERE relname = 'moves'") == [(row_count,)]
    (_, _, ids), (_, nulls, notes), (_, _, places) = chain.execute(METRICS)
    assert (ids, notes) == (-1, 1)
    assert places in (50, -50 / row_count)
    assert nulls == pytest.approx(1 / 3, abs=0.01)
    with psycopg.connect(chain.target_url) as connection:
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET enable_bitmapscan = off")
        plan = "\n".join(column(connection, "EXPLAIN (ANALYZE, COSTS OFF) SELECT count(id) FROM moves"))
    assert "Index Only Scan" in plan
    assert "Heap Fetches: 0" in plan


def test_a_table_that_is_loaded_alone_does_not_wait_for_the_end_of_a_run(new_chain: NewChain) -> None:
    chain = plant(new_chain(), CREATE_MOVES, (MOVES, [{"id": 1, "place": 2, "note": None}])).chain
    migration = chain.migration(HEAD)
    chain.load(migration, "moves")
    assert len(chain.execute(METRICS)) == 3
    prepare_target(migration, ())
    chain.execute("DELETE FROM pg_statistic WHERE starelid = 'moves'::regclass")
    chain.load(migration, "moves")
    assert chain.execute(METRICS) == []
    restore_constraints(migration)
    assert len(chain.execute(METRICS)) == 3


def test_indexes_are_built_with_more_memory_and_workers(new_chain: NewChain) -> None:
    """The index's own function tells, by the code of its error, what is in force while it is built."""
    chain, migration = build_moves(
        new_chain,
        f"""{CREATE_MOVES};
        CREATE FUNCTION tell(place int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN RAISE EXCEPTION 'told' USING ERRCODE =
            CASE WHEN {IN_FORCE} = '160MB, 4' THEN 'ZZ001' ELSE 'ZZ002' END; END $$;
        CREATE INDEX told ON moves (tell(place))""",
    )
    with migration.target.keeping_sessions():
        with pytest.raises(TableFailed, match=r"index told of public\.moves.*SQLSTATE ZZ001"):
            chain.load(migration, "moves")
        with migration.target.connect() as connection:
            assert scalar(connection, f"SELECT {IN_FORCE}") == "64MB, 2"


def test_partitions_are_vacuumed_at_the_end_and_their_parent_analyzed(new_chain: NewChain) -> None:
    chain, migration = build_moves(new_chain, CREATE_PARTITIONS)
    chain.load(migration, "moves")
    chain.execute(FLUSH)
    chain.execute("ANALYZE moves")
    with migration.target.connect() as connection:
        assert scalar(connection, PAGES.format("moves_1")) > 0
        assert find_invisible(connection, [T, MOVES_TARGET]) == (MOVES_TARGET,)
    restore_constraints(migration)
    with migration.target.connect() as connection:
        assert scalar(connection, PAGES.format("moves_1")) == scalar(connection, PAGES.format("moves_2")) == 0
        assert find_invisible(connection, [T, MOVES_TARGET]) == ()
    assert chain.execute(
        "SELECT n_distinct FROM pg_stats WHERE tablename = 'moves' AND attname = 'place'"
    ) == [(50,)]


def test_analyze_that_fails_does_not_fail_the_load(target: TargetConnection) -> None:
    execute(target, "CREATE TABLE t (v int)", "CREATE STATISTICS ratio ON (1 / v), (v % 2) FROM t")
    with target.transaction():
        execute(target, "INSERT INTO t SELECT generate_series(0, 99)")
        assert not analyze_table(target, T)
    assert scalar(target, "SELECT count(*) FROM t") == 100
    assert not vacuum_table(target, T)


def test_a_role_without_rights_leaves_it_to_the_server(target: TargetConnection, database_url: str) -> None:
    execute(
        target,
        "CREATE TABLE t AS SELECT generate_series(1, 99) v",
        "CREATE ROLE guest LOGIN PASSWORD 'guest'",
    )
    try:
        with psycopg.connect(database_url, user="guest", password="guest", autocommit=True) as session:
            assert analyze_table(session, T)
            assert vacuum_table(session, T)
    finally:
        execute(target, "DROP ROLE guest")
    assert scalar(target, "SELECT count(*) FROM pg_stats WHERE tablename = 't'") == 0


def test_vacuum_does_not_wait_for_a_table_in_use(
    target: TargetConnection, other_session: TargetConnection
) -> None:
    execute(target, "CREATE TABLE t AS SELECT generate_series(1, 99) v", "ANALYZE t", FLUSH)
    with other_session.transaction():
        execute(other_session, "LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        vacuum_table(target, T)
    assert find_invisible(target, [T]) == (T,)
    assert vacuum_table(target, T)
    assert find_invisible(target, [T]) == ()
