"""A lock of somebody else's is no silent wait: who holds it is said in time, and named in the error."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from blb_migration import waiting
from blb_migration.errors import TargetError
from blb_migration.model import TableName
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.copy import lock_table
from blb_migration.postgres.dropping.foreign_key_drops import drop_recorded_foreign_keys
from blb_migration.postgres.ledger.runs import finish_run
from blb_migration.postgres.ledger.versions import create_ledger

Holder = psycopg.Connection[tuple[object, ...]]
pytestmark = pytest.mark.alone
TABLE = TableName("public", "orders")


@pytest.fixture
def said() -> Iterator[list[str]]:
    sentences: list[str] = []
    with waiting.told_to(sentences.append):
        yield sentences


@pytest.fixture
def holder(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Holder]:
    """Yield a person's session that reads the tables in a transaction left open."""
    monkeypatch.setenv("BLB_LOCK_WAIT", "2.5")
    with psycopg.connect(database_url, application_name="psql of Anna") as person:
        person.execute("CREATE TABLE customers (id int PRIMARY KEY)")
        person.execute("CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers)")
        person.commit()
        person.execute("SELECT count(*) FROM orders, customers")
        yield person


def expect_name(holder: Holder, text: str) -> None:
    assert f"session {holder.info.backend_pid} of {holder.info.user} (psql of Anna)" in text
    assert ", since 20" in text
    assert "idle in transaction: SELECT count(*) FROM orders, customers" in text


def test_a_lock_on_a_table_says_who_holds_it_and_gives_up(
    connector: TargetConnector, holder: Holder, said: list[str]
) -> None:
    began = time.monotonic()
    with (
        pytest.raises(TargetError) as failure,
        connector.connect() as connection,
        connection.transaction(),
    ):
        lock_table(connection, TABLE)
    assert time.monotonic() - began < 30
    assert failure.value.is_transient
    assert failure.value.was_waited_out
    expect_name(holder, str(failure.value))
    assert "AccessExclusiveLock of public.orders" in said[0]
    expect_name(holder, said[0])


def test_a_lock_in_the_way_of_dropping_keys_is_named(
    connector: TargetConnector, holder: Holder, said: list[str]
) -> None:
    with pytest.raises(TargetError) as failure, connector.connect() as connection:
        create_ledger(connection)
        connection.execute(
            "INSERT INTO blb_migration.runs (run_id, kind, tool_version, plan_hash, project, source_identity,"
            " operator, host) VALUES ('r', 'migration', '1', 'h', 'p', 's', 'o', 'h')"
        )
        drop_recorded_foreign_keys(connection, "r", [TABLE])
    expect_name(holder, str(failure.value))
    expect_name(holder, said[0])


def test_a_lock_on_the_ledger_is_named(connector: TargetConnector, holder: Holder, said: list[str]) -> None:
    with connector.connect() as connection:
        create_ledger(connection)
    holder.rollback()
    holder.execute("LOCK TABLE blb_migration.runs")
    with pytest.raises(TargetError) as failure, connector.connect() as connection:
        finish_run(connection, "r", "equal")
    assert "idle in transaction: LOCK TABLE blb_migration.runs" in str(failure.value)
    assert said


def test_a_wait_that_ends_in_time_is_said_and_goes_on(
    connector: TargetConnector, holder: Holder, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLB_LOCK_WAIT", "60")
    timer = threading.Timer(2.5, holder.rollback)
    timer.start()
    with connector.connect() as connection, connection.transaction():
        lock_table(connection, TABLE)
    timer.join()
    expect_name(holder, said[0])


def test_a_statement_that_works_is_left_alone(connector: TargetConnector, said: list[str]) -> None:
    with connector.connect() as connection:
        connection.execute("SELECT pg_sleep(2.5)")
    assert said == []
