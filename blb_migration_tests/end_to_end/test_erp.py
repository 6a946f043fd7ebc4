"""The ERP moves: every stage against the real driver and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest

from blb_migration.compare.run_checks import CheckResult, run_check
from blb_migration.compare.verdict import read_verdict
from blb_migration.errors import SourceError, TargetNotOurs
from blb_migration.feed import source_end
from blb_migration.load.prepare import prepare_target
from blb_migration.migration import Migration, Replacing
from blb_migration.postgres.ledger.judgement import Judgement
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sandbox.erp import create_target
from blb_migration.source_marker import NOT_JUDGED
from blb_migration_tests.chain import Chain
from blb_migration_tests.conftest import making_chains
from blb_migration_tests.sqlserver.only_reads import find_writes

# Statements to the target. Of a load: guards (who else loads, the live mark, whose rows these are, sessions'
# slots), what the table is like, its next number, and the ledger's rows; COPY and transactions come on top.
OF_LOAD, OF_CHECK = 32, 6


@dataclass(frozen=True)
class Moved:
    """The ERP after one migration and all checks, which the tests of this file look at; each that changes
    rows has a table of its own."""

    chain: Chain
    migration: Migration
    results: Mapping[tuple[str, str], CheckResult]
    verdict: Judgement
    source_statements: Sequence[str]


@pytest.fixture(scope="module")
def moved(
    engine: TsqlEngine, emulator: SqlServerEmulator, embedded_postgres: EmbeddedPostgres, erp_source: str
) -> Iterator[Moved]:
    with making_chains(engine, emulator, embedded_postgres) as make:
        chain = make(erp_source)
        create_target(chain.target_url)
        before = len(emulator.statements)
        migration = chain.migrate()
        results = chain.check(migration)
        statements = [statement.text for statement in emulator.statements[before:]]
        with chain.target.connect() as connection:
            verdict = read_verdict(connection, migration.project.plan)
        yield Moved(chain, migration, results, verdict, statements)


def test_the_erp_moves_and_is_verified_equal(moved: Moved) -> None:
    assert len({label for label, _ in moved.results}) == 42
    assert [key for key, result in moved.results.items() if not result.passed] == []
    assert moved.verdict.is_equal
    validated = moved.chain.execute("SELECT 1 FROM pg_constraint WHERE contype = 'f' AND convalidated")
    assert len(validated) >= 74


def test_nothing_but_reads_reaches_the_source(moved: Moved) -> None:
    assert len(moved.source_statements) > 42
    assert find_writes(moved.source_statements) == []


def test_preflight_asks_the_source_two_statements_per_table_and_the_rest_of_all_at_once(
    erp_chain: Chain, emulator: SqlServerEmulator
) -> None:
    before = len(emulator.statements)
    tables = erp_chain.preflight().live_project.plan.tables
    assert count_round_trips(emulator, before) <= 2 * len(tables) + 55


def test_loading_a_small_table_costs_the_source_five_statements(
    erp_chain: Chain, emulator: SqlServerEmulator
) -> None:
    migration = erp_chain.migration()
    first, *others = [table.label for table in migration.project.plan.tables[:6]]
    with migration.source.keeping_sessions():
        erp_chain.load(migration, first)  # it logs in
        before = len(emulator.statements)
        for label in others:
            erp_chain.load(migration, label)
    # The marker before and after, the table's size, its rows, its identity.
    assert count_round_trips(emulator, before) <= 5 * len(others)


def test_loading_and_checking_a_small_table_costs_the_target_no_more_than_it_needs(
    erp_chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    migration = erp_chain.migration()
    first, second, table = migration.project.plan.tables[:3]
    sent: list[object] = []
    execute = psycopg.Cursor.execute

    def count(cursor: psycopg.Cursor[Any], statement: Any, *arguments: Any, **options: Any) -> Any:
        sent.append(statement)
        return execute(cursor, statement, *arguments, **options)

    with migration.source.keeping_sessions(), migration.target.keeping_sessions():
        prepare_target(migration, ())
        for each in (first, second):  # they log in, and enter the run and its source into the ledger
            erp_chain.load(migration, each.label)
        monkeypatch.setattr(psycopg.Cursor, "execute", count)
        erp_chain.load(migration, table.label)
        of_load = len(sent)
        run_check(migration, table, "row_count")
    assert of_load <= OF_LOAD
    assert len(sent) - of_load <= OF_CHECK


def test_loading_a_table_logs_in_once_and_its_last_statement_is_the_marker(
    erp_chain: Chain, emulator: SqlServerEmulator
) -> None:
    migration = erp_chain.migration()
    before = len(emulator.statements)
    erp_chain.load(migration, "vendors")
    statements = emulator.statements[before:]
    assert len({statement.session_id for statement in statements}) == 1
    assert "CHANGE_TRACKING_CURRENT_VERSION" in statements[-1].text


def test_a_source_that_is_gone_after_the_last_row_leaves_the_rows(
    erp_chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_no_marker(*_: object) -> None:
        raise SourceError("the source", found="it is gone")

    monkeypatch.setattr(source_end, "read_marker", read_no_marker)
    loaded = erp_chain.load(erp_chain.migration(), "vendors")
    assert loaded.rows_written == erp_chain.execute("SELECT count(*) FROM vendors")[0][0] > 0
    assert loaded.source_movement == NOT_JUDGED
    [(source_after,)] = erp_chain.execute("SELECT source_after FROM blb_migration.table_loads")
    assert source_after is None


def count_round_trips(emulator: SqlServerEmulator, before: int) -> int:
    return sum(statement.kind != "prepare" for statement in emulator.statements[before:])


def test_one_changed_cell_turns_its_tables_check_red(moved: Moved) -> None:
    chain, migration = moved.chain, moved.migration
    chain.execute(
        "UPDATE inventory SET on_hand_quantity = on_hand_quantity + 0.01"
        " WHERE id = (SELECT min(id) FROM inventory)"
    )
    results = chain.check(migration)
    differing_checks = [key for key, result in results.items() if not result.passed]
    assert differing_checks == [("inventory", "key_totals"), ("inventory", "content")]
    differing = [c for c in results["inventory", "key_totals"].comparisons if not c.match]
    assert "sum(on_hand_quantity)" in {comparison.name for comparison in differing}
    assert {c.difference for c in differing if c.name == "sum(on_hand_quantity)"} == {"0.0100"}
    with chain.target.connect() as connection:
        verdict = read_verdict(connection, migration.project.plan)
    assert [label for label, reasons in verdict.by_label.items() if reasons] == ["inventory"]


def test_a_table_alone_can_be_loaded_again_with_its_keys_in_place(moved: Moved) -> None:
    chain, migration = moved.chain, moved.migration
    keys = chain.execute("SELECT conname FROM pg_constraint WHERE contype = 'f' ORDER BY 1")
    chain.execute("UPDATE users SET email = 'changed' WHERE id = (SELECT min(id) FROM users)")
    with pytest.raises(
        TargetNotOurs, match="1 of the 60 rows that its last load left are changed or missing"
    ):
        chain.load(migration, "users")
    replacing = Replacing(frozenset({"users"}), "It was a test")
    chain.load(replace(migration, replacing=replacing), "users")
    assert chain.execute("SELECT count(*) FROM users WHERE email = 'changed'") == [(0,)]
    assert chain.execute(
        "SELECT subject, decision, reason, row_count FROM blb_migration.decisions WHERE subject = 'users'"
    ) == [
        (
            "users",
            "replace_changed_rows",
            "It was a test (1 rows were added or changed since, and 1 of the 60 rows that its last load left"
            " are changed or missing)",
            1,
        )
    ]
    assert chain.execute("SELECT conname FROM pg_constraint WHERE contype = 'f' ORDER BY 1") == keys


def test_the_next_insert_gets_a_number_beyond_the_sources(moved: Moved) -> None:
    chain, migration = moved.chain, moved.migration
    with chain.source.connect() as session:
        rows = session.read_rows("SELECT CAST(IDENT_CURRENT('dbo.users') AS bigint)", action="test")
    assert chain.execute("SELECT nextval('users_id_seq')") == [(int(rows[0][0]) + 1,)]
    assert migration.project.plan.tables_by_label["users"].source.columns[0].identity is not None
