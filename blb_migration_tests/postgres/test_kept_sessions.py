"""Sessions with the target that outlive their block: one log-in for many uses, and never a broken one."""

from __future__ import annotations

import re

import psycopg
import pytest

from blb_migration.errors import TargetError
from blb_migration.postgres.connect import TargetConnector
from blb_migration_tests.postgres.tables import scalar


def backend(connector: TargetConnector, lock_timeout_seconds: float | None = None) -> int:
    with connector.connect(lock_timeout_seconds=lock_timeout_seconds) as session:
        return int(scalar(session, "SELECT pg_backend_pid()"))


def test_one_session_serves_many_uses(connector: TargetConnector) -> None:
    with connector.keeping_sessions():
        first = backend(connector)
        assert backend(connector) == first
    assert backend(connector) != first


def test_every_use_has_the_lock_timeout_it_asked_for(connector: TargetConnector) -> None:
    with connector.keeping_sessions():
        first = backend(connector, lock_timeout_seconds=1.5)
        with connector.connect() as session:
            assert scalar(session, "SELECT pg_backend_pid()") == first
            assert scalar(session, "SHOW lock_timeout") == "30s"


def test_a_failed_use_leaves_nothing_behind(connector: TargetConnector) -> None:
    with connector.keeping_sessions():
        first = backend(connector)
        with pytest.raises(psycopg.errors.DivisionByZero), connector.connect() as session:
            session.execute("SELECT 1/0")
        assert session.closed
        assert backend(connector) != first


def test_a_use_that_leaves_a_transaction_open_is_not_kept(connector: TargetConnector) -> None:
    with connector.keeping_sessions():
        with connector.connect() as session:
            session.execute("BEGIN")
        assert session.closed


def test_a_session_that_is_lost_between_two_statements_is_an_error_of_the_target(
    connector: TargetConnector,
) -> None:
    with (
        pytest.raises(TargetError, match=re.escape(connector.place)) as caught,
        connector.connect() as session,
    ):
        with psycopg.connect(connector.settings.conninfo, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (session.info.backend_pid,))
        with session.transaction():
            pass
    assert caught.value.is_transient


def test_a_session_that_the_server_ended_is_replaced(connector: TargetConnector) -> None:
    with connector.keeping_sessions():
        first = backend(connector)
        with psycopg.connect(connector.settings.conninfo, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (first,))
        assert backend(connector) != first
