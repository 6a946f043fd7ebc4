"""Sessions with the source that outlive their block: one log-in for many uses, and never a broken one."""

from __future__ import annotations

import pickle
import threading
from dataclasses import replace

import pytest

from blb_migration.errors import SourceError
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration.sqlserver import connect
from blb_migration.sqlserver.connect import SourceConnector, SourceSession
from blb_migration_tests.sqlserver.conftest import ISOLATION_STATEMENT, SettingsMaker
from blb_migration_tests.sqlserver.scripted import INT, Script, ScriptedEngine


@pytest.fixture
def connector(settings: SettingsMaker, script: Script) -> SourceConnector:
    script.answer("SELECT 1", [INT], [(1,)])
    script.answer("SELECT many", [INT], [(number,) for number in range(100)])
    return SourceConnector(settings())


def use(connector: SourceConnector) -> SourceSession:
    with connector.connect() as session:
        assert len(session.read_rows("SELECT many", action="asking")) == 100
    return session


def test_one_session_serves_many_uses(connector: SourceConnector) -> None:
    with connector.keeping_sessions():
        first = use(connector)
        assert use(connector) is first
    with connector.keeping_sessions():
        assert use(connector) is not first


def test_without_being_asked_nothing_is_kept(connector: SourceConnector) -> None:
    assert use(connector) is not use(connector)


def test_a_kept_session_serves_another_thread(connector: SourceConnector) -> None:
    used: list[SourceSession] = []
    with connector.keeping_sessions():
        used.append(use(connector))
        thread = threading.Thread(target=lambda: used.append(use(connector)))
        thread.start()
        thread.join()
    assert used[0] is used[1]


def test_two_uses_at_once_never_share_a_session(connector: SourceConnector) -> None:
    with connector.keeping_sessions(), connector.connect() as one, connector.connect() as other:
        assert one is not other


def test_a_session_in_which_something_failed_is_not_used_again(connector: SourceConnector) -> None:
    with connector.keeping_sessions():
        with pytest.raises(SourceError), connector.connect() as failed:
            failed.read_rows("SELECT nothing", action="asking")
        assert use(connector) is not failed


def test_a_session_that_has_just_answered_is_not_asked_whether_it_is_there(
    connector: SourceConnector, server: SqlServerEmulator
) -> None:
    with connector.keeping_sessions():
        first = use(connector)
        server.statements.clear()
        assert use(connector) is first
    assert server.statements.texts == ["SELECT many"]


def test_a_session_that_the_server_has_just_ended_is_not_taken_for_alive(
    connector: SourceConnector, scripted_engine: ScriptedEngine
) -> None:
    with SqlServerEmulator(scripted_engine) as other_server:
        other = SourceConnector(replace(connector.settings, port=other_server.port))
        with other.keeping_sessions():
            session = use(other)
            assert session.is_alive()
            other_server.stop()
            assert not session.is_alive()


def test_a_session_that_was_silent_for_a_while_is_asked_and_replaced_if_the_server_ended_it(
    connector: SourceConnector, server: SqlServerEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "FRESH_SECONDS", 0.0)
    with connector.keeping_sessions():
        first = use(connector)
        server.faults.add(Fault("SELECT 1", drop_after_rows=0))
        assert use(connector) is not first


def test_a_snapshot_is_never_kept(settings: SettingsMaker, script: Script) -> None:
    script.answer(ISOLATION_STATEMENT, [INT, INT, INT], [(1, 0, 51)])
    script.answer("SELECT 1", [INT], [(1,)])
    connector = SourceConnector(settings(), isolation="snapshot")
    with connector.keeping_sessions():
        with connector.connect() as first:
            assert first.isolation == "snapshot"
        with connector.connect() as second:
            assert second is not first


def test_a_pickled_connector_keeps_nothing(connector: SourceConnector) -> None:
    with connector.keeping_sessions():
        first = use(connector)
        copied: SourceConnector = pickle.loads(pickle.dumps(connector))
        assert use(copied) is not first
