"""The sample in the SQL Server emulator: what a session sees of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from blb_migration.sandbox.emulator.results import ResultSet, SqlSession
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sandbox.erp import ErpSample, create_source


@pytest.fixture(scope="module")
def session() -> Iterator[SqlSession]:
    engine = TsqlEngine()
    create_source(engine)
    engine.add_login("reader", "secret")
    opened = engine.login("reader", "secret", "BLB3D_ERP")
    yield opened
    opened.close()
    engine.close()


def query(session: SqlSession, statement: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for outcome in session.execute(statement):
        if isinstance(outcome, ResultSet):
            for batch in outcome.batches:
                rows += zip(*(column.to_pylist() for column in batch.columns), strict=True)
    return rows


def test_every_table_holds_its_rows(session: SqlSession) -> None:
    for table, rows in ErpSample().tables():
        assert query(session, f"SELECT COUNT(*) AS n FROM {table.name}") == [(len(rows),)]


def test_identity_counters_run_ahead_of_the_rows(session: SqlSession) -> None:
    ((counter, highest),) = query(
        session, "SELECT IDENT_CURRENT('dbo.users') AS counter, MAX(id) AS highest FROM dbo.users"
    )
    assert counter > highest


def test_keys_and_computed_columns_show_in_the_system_views(session: SqlSession) -> None:
    assert query(session, "SELECT COUNT(*) AS n FROM sys.foreign_keys") == [(82,)]
    computed = query(session, "SELECT name FROM sys.computed_columns ORDER BY name")
    assert computed == [("available_quantity",), ("total_cost",)]


def test_the_operators_key_totals_can_be_asked_for(session: SqlSession) -> None:
    ((running,),) = query(
        session, "SELECT COUNT(*) AS n FROM dbo.production_orders WHERE status = 'in_progress'"
    )
    assert running > 0
    ((stock,),) = query(session, "SELECT SUM(on_hand_quantity) AS total FROM dbo.inventory")
    inventory = next(rows for table, rows in ErpSample().tables() if table.name.name == "inventory")
    assert stock == sum(inventory["on_hand_quantity"].to_pylist())
