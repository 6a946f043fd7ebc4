"""The ledger is made once, brought up to date from any version, and is the same whichever way it came."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from blb_migration.errors import TargetError
from blb_migration.model import TableName
from blb_migration.postgres.binary.hash_functions import HashFunction
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger.chunked_loads import read_unfinished_chunked_load
from blb_migration.postgres.ledger.judgement import judge
from blb_migration.postgres.ledger.live_mark import read_live_mark
from blb_migration.postgres.ledger.loads import read_finished_load
from blb_migration.postgres.ledger.night_lines import has_night_lines
from blb_migration.postgres.ledger.reasons import ReasonCode
from blb_migration.postgres.ledger.records import PlannedTable
from blb_migration.postgres.ledger.versions import (
    create_ledger,
    has_ledger,
    read_current_version,
    read_ledger_version,
    require_current_ledger,
    upgrade_ledger,
)
from blb_migration.postgres.names import TargetConnection
from blb_migration_tests.postgres.conftest import RUN
from blb_migration_tests.postgres.tables import execute, scalar

VERSION_1 = Path(__file__).with_name("version_1.sql")
UPGRADES = files("blb_migration.postgres.ledger") / "upgrades"
OLDER = range(1, read_current_version())
USERS = TableName("public", "users")
PLANNED = [PlannedTable("users", USERS, TableName("dbo", "users"), "all", 3, ("row_count",))]
WAITING_FOR_LEDGER = (
    "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
    " WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted"
)
# Everything that makes up the schema. Names of NOT NULL constraints are left out: PostgreSQL has them from
# version 18 on, and nobody sees them.
CATALOG = """
WITH own AS (SELECT c.* FROM pg_class c WHERE c.relnamespace = 'blb_migration'::regnamespace)
SELECT 'relation', own.relname, own.relkind::text, obj_description(own.oid, 'pg_class') FROM own
UNION ALL
SELECT 'column', own.relname || '.' || a.attname,
       concat_ws(' ', row_number() OVER (PARTITION BY own.oid ORDER BY a.attnum),
                 format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
                 pg_get_expr(d.adbin, d.adrelid),
                 pg_get_serial_sequence(format('%I.%I', 'blb_migration', own.relname), a.attname)),
       col_description(own.oid, a.attnum)
FROM own
JOIN pg_attribute a ON a.attrelid = own.oid AND a.attnum > 0 AND NOT a.attisdropped
                   AND own.relkind IN ('r', 'v')
LEFT JOIN pg_attrdef d ON d.adrelid = own.oid AND d.adnum = a.attnum
UNION ALL
SELECT 'constraint', conname, pg_get_constraintdef(oid), conrelid::regclass::text
FROM pg_constraint WHERE connamespace = 'blb_migration'::regnamespace AND contype <> 'n'
UNION ALL
SELECT 'index', own.relname, pg_get_indexdef(own.oid), '' FROM own WHERE relkind = 'i'
UNION ALL
SELECT 'view', own.relname, pg_get_viewdef(own.oid), '' FROM own WHERE relkind = 'v'
UNION ALL
SELECT 'function', proname, pg_get_functiondef(oid), proacl::text
FROM pg_proc WHERE pronamespace = 'blb_migration'::regnamespace
UNION ALL
SELECT 'reason', code, sentence, '' FROM blb_migration.reasons
UNION ALL
SELECT 'version', version::text, '', '' FROM blb_migration.ledger_version
ORDER BY 1, 2, 3
"""


def make_ledger_of(version: int, target: TargetConnection) -> None:
    """Make the ledger as the tool of that version left it, with some of the views."""
    execute(
        target,
        "CREATE SCHEMA blb_migration",
        "CREATE TABLE blb_migration.ledger_version (version integer NOT NULL)",
        f"INSERT INTO blb_migration.ledger_version VALUES ({version})",
        VERSION_1.read_text(encoding="utf-8"),
        *((UPGRADES / f"{number}.sql").read_text(encoding="utf-8") for number in range(2, version + 1)),
        "CREATE FUNCTION blb_migration.find_reasons(text, jsonb) RETURNS bigint LANGUAGE sql"
        " AS 'SELECT count(*) FROM blb_migration.runs'",
        "CREATE VIEW blb_migration.plan_in_force AS SELECT run_id, plan_hash FROM blb_migration.runs",
        "CREATE VIEW blb_migration.may_we_cut_over AS SELECT plan_hash FROM blb_migration.plan_in_force"
        " WHERE blb_migration.find_reasons(plan_hash, NULL) > 0",
    )


def read_catalog_of_ledger(target: TargetConnection) -> list[tuple[Any, ...]]:
    return target.execute(CATALOG.encode()).fetchall()


def test_a_target_never_touched_has_no_ledger(target: TargetConnection) -> None:
    assert not has_ledger(target) and not upgrade_ledger(target) and not require_current_ledger(target)
    assert read_live_mark(target) is None
    assert read_finished_load(target, USERS) is None
    assert scalar(target, "SELECT to_regnamespace('blb_migration')") is None


def test_creating_it_twice_changes_nothing(target: TargetConnection) -> None:
    create_ledger(target)
    made = read_catalog_of_ledger(target)
    create_ledger(target)
    assert has_ledger(target) and read_ledger_version(target) == read_current_version()
    assert read_catalog_of_ledger(target) == made


def test_two_that_create_it_at_once_do_not_hinder_each_other(
    target: TargetConnection, other_session: TargetConnection
) -> None:
    assert not has_ledger(other_session)  # its session remembers that there is none
    with ThreadPoolExecutor() as threads:
        with target.transaction():
            create_ledger(target)
            second = threads.submit(create_ledger, other_session)
            while not second.done() and not scalar(target, WAITING_FOR_LEDGER):
                time.sleep(0.01)
        second.result()
    assert read_ledger_version(other_session) == read_current_version()


def test_a_session_that_has_seen_the_ledger_notices_that_it_was_dropped_or_made_by_a_newer_version(
    ledger: TargetConnection, other_session: TargetConnection
) -> None:
    assert read_ledger_version(ledger) == read_current_version()
    execute(other_session, "UPDATE blb_migration.ledger_version SET version = 99")
    with pytest.raises(TargetError, match="version 99"):
        read_ledger_version(ledger)
    execute(other_session, "DROP SCHEMA blb_migration CASCADE")
    assert not has_ledger(ledger)
    with ledger.transaction(force_rollback=True):
        create_ledger(ledger)
        assert has_ledger(ledger)
    assert not has_ledger(ledger)


def test_a_ledger_of_a_newer_version_is_refused(ledger: TargetConnection) -> None:
    execute(ledger, "UPDATE blb_migration.ledger_version SET version = 99")
    with pytest.raises(TargetError, match="version 99"):
        create_ledger(ledger)


@pytest.mark.parametrize("version", OLDER)
def test_a_fresh_ledger_and_an_upgraded_one_are_the_same(
    target: TargetConnection, connector: TargetConnector, version: int
) -> None:
    create_ledger(target)
    fresh = read_catalog_of_ledger(target)
    assert {"relation", "column", "constraint", "index", "view", "function", "reason"} < {
        row[0] for row in fresh
    }
    execute(target, "DROP SCHEMA blb_migration CASCADE")
    make_ledger_of(version, target)
    assert upgrade_ledger(target)
    with connector.connect() as other:
        assert read_catalog_of_ledger(other) == fresh


def start_run_of_old(target: TargetConnection) -> None:
    target.execute(
        "INSERT INTO blb_migration.runs (run_id, kind, tool_version, plan_hash, project, source_identity,"
        " operator, host) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        [*astuple(RUN)[:8]],
    )


@pytest.mark.parametrize("version", OLDER)
def test_what_an_older_ledger_held_still_counts(target: TargetConnection, version: int) -> None:
    make_ledger_of(version, target)
    start_run_of_old(target)
    names_hash = {"hash_function": "BLAKE2b"} if version >= 8 else {}
    insert_load(target, status="finished", rows_read="3", rows_written="3", **names_hash)
    execute(
        target,
        "INSERT INTO blb_migration.check_results (run_id, load_id, table_schema, table_name, check_name,"
        " passed, details, plan_hash)"
        f" VALUES ('{RUN.run_id}', 1, 'public', 'users', 'row_count', true, '{{}}', '{RUN.plan_hash}')",
    )
    with pytest.raises(TargetError, match=f"version {version}.*blb-migrate reconcile"):
        judge(target, RUN.plan_hash, PLANNED)
    create_ledger(target)
    load = read_finished_load(target, USERS)
    assert load is not None and load.loaded is not None and load.loaded.rows_written == 3
    assert load.hash_function is HashFunction.BLAKE2B
    assert read_unfinished_chunked_load(target, USERS) is None
    assert judge(target, RUN.plan_hash, PLANNED).is_equal
    assert scalar(target, "SELECT answer FROM blb_migration.may_we_cut_over") is False  # no plan was recorded


@pytest.mark.parametrize("version", OLDER)
def test_an_older_ledger_s_live_mark_and_night_are_read(target: TargetConnection, version: int) -> None:
    make_ledger_of(version, target)
    start_run_of_old(target)
    has_nights = version >= 6
    columns, values = (", operator, host, night_id", ", 'ana', 'erp-01', 'n1'") if has_nights else ("", "")
    execute(target, f"INSERT INTO blb_migration.cutover (run_id{columns}) VALUES ('{RUN.run_id}'{values})")
    mark = read_live_mark(target)
    assert mark is not None
    known = ("ana", "erp-01", "n1") if has_nights else (None, None, None)
    assert (mark.operator, mark.host, mark.night_id) == known
    assert has_night_lines(target) is has_nights


def test_a_chunked_load_of_version_2_that_is_not_finished_is_still_one(target: TargetConnection) -> None:
    make_ledger_of(2, target)
    start_run_of_old(target)
    insert_load(target, status="failed", range_count="4")
    execute(
        target,
        "INSERT INTO blb_migration.split_loads (load_id, table_schema, table_name, basis, set_aside) VALUES"
        " (1, 'public', 'users', '{}', '{\"table_oid\": 7, \"indexes\": [], \"triggers\": [],"
        ' "foreign_keys": []}\')',
    )
    create_ledger(target)
    unfinished = read_unfinished_chunked_load(target, USERS)
    assert unfinished is not None and unfinished.load_id == 1
    judged = judge(target, RUN.plan_hash, PLANNED)
    assert [reason.code for reason in judged.by_label["users"]] == [ReasonCode.LOADED_IN_PART]


def insert_load(target: TargetConnection, **columns: str) -> None:
    """Record a load of ``users`` as an older version did; its id is 1."""
    values = {"run_id": RUN.run_id, "table_schema": "public", "table_name": "users"}
    values |= {"source_schema": "dbo", "source_table": "users"} | columns
    names, texts = ", ".join(values), ", ".join(f"'{value}'" for value in values.values())
    execute(target, f"INSERT INTO blb_migration.table_loads ({names}) VALUES ({texts})")
