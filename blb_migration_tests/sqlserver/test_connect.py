"""Sessions: how they begin, what they say when they cannot, and that they leave nothing behind."""

from __future__ import annotations

import pickle
import socket
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest

from blb_migration.errors import ExitCode, SourceError, SourceUnreachable
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration.settings import SourceSettings, parse_source_url
from blb_migration.sqlserver.connect import SourceConnector, SourceSession
from blb_migration.sqlserver.database_failures import build_database_failure
from blb_migration_tests.sqlserver.conftest import ISOLATION_STATEMENT, SettingsMaker
from blb_migration_tests.sqlserver.scripted import INT, NAME, PASSWORD, Script


def connect_in_vain(settings: SourceSettings) -> SourceUnreachable:
    with pytest.raises(SourceUnreachable) as caught, SourceConnector(settings).connect():
        pass
    assert caught.value.exit_code is ExitCode.SOURCE_FAILED
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    assert "[Microsoft]" not in str(caught.value)
    return caught.value


def answer_everybody(server: socket.socket, answer: bytes) -> None:
    """Read a little of what each client says, answer, and hang up; until the server is shut down."""
    with suppress(OSError):
        while True:
            client = server.accept()[0]
            with closing(client), suppress(OSError):
                if client.recv(10):
                    client.sendall(answer)
                    client.recv(1000)


class TestConnecting:
    @pytest.mark.parametrize("options", ["Encrypt=no", "Encrypt=yes&TrustServerCertificate=yes"])
    def test_any_password_gets_through(self, settings: SettingsMaker, script: Script, options: str) -> None:
        script.answer("SELECT 1", [INT], [(1,)])
        with SourceConnector(settings(options=options)).connect() as session:
            assert session.read_rows("SELECT 1", action="asking") == [(1,)]

    def test_a_wrong_password(self, settings: SettingsMaker, script: Script) -> None:
        error = connect_in_vain(settings(password="Another"))
        assert "the log-in sa was refused (Login failed for user 'sa')" in str(error)
        assert "Correct the user or the password" in str(error)

    def test_a_missing_database_names_those_there_are(self, settings: SettingsMaker, script: Script) -> None:
        rows = [("erp_copy", 1), ("erp", 1), ("hr", 0)]
        told = [(name, "ONLINE", "MULTI_USER", may) for name, may in rows]
        script.answer("HAS_DBACCESS", [NAME, NAME, NAME, INT], told)
        error = connect_in_vain(settings(database="nope"))
        assert "the database nope does not exist, or the log-in may not open it" in str(error)
        assert "Expected one of: erp, erp_copy." in str(error)

    @pytest.mark.parametrize(
        ("state", "access", "said"),
        [
            ("RESTORING", "MULTI_USER", ["the database Nope is RESTORING", "WITH RECOVERY"]),
            ("OFFLINE", "MULTI_USER", ["the database Nope is OFFLINE", "SET ONLINE"]),
            ("ONLINE", "SINGLE_USER", ["the database Nope is in SINGLE_USER", "SET MULTI_USER"]),
            (None, None, ["does not exist, or the log-in may not open it", "Correct the database's name"]),
        ],
    )
    def test_a_database_that_lets_nobody_in_says_why(
        self, settings: SettingsMaker, script: Script, state: str, access: str, said: list[str]
    ) -> None:
        script.answer("HAS_DBACCESS", [NAME, NAME, NAME, INT], [("nope", state, access, None)])
        error = connect_in_vain(settings(database="Nope"))
        assert [part for part in said if part not in str(error)] == []

    def test_a_copy_that_is_open_for_reading_alone_names_the_option(self) -> None:
        refused = OSError(
            "The target database ('erp') is in an availability group and is currently accessible for "
            "connections when the application intent is set to read only."
        )
        error = build_database_failure("mssql://h/erp", "erp", [("erp", "ONLINE", "MULTI_USER", 0)], refused)
        assert "Add ApplicationIntent=ReadOnly to the source URL" in str(error)

    def test_a_missing_database_is_told_even_when_the_server_lists_none(
        self, settings: SettingsMaker, script: Script
    ) -> None:
        assert "a database that the log-in may open" in str(connect_in_vain(settings(database="nope")))

    def test_an_untrusted_certificate_names_the_option(self, settings: SettingsMaker) -> None:
        error = connect_in_vain(settings(options="Encrypt=yes"))
        assert "certificate verify failed" in str(error)
        assert "TrustServerCertificate=yes" in str(error)

    def test_a_closed_port_is_told_at_once(self, settings: SettingsMaker, server: SqlServerEmulator) -> None:
        error = connect_in_vain(parse_source_url(f"mssql://sa:{'x'}@127.0.0.1:1/erp?timeout=2"))
        assert "127.0.0.1 port 1 cannot be reached" in str(error)
        assert "TCP/IP enabled" in str(error)

    def test_a_server_that_accepts_and_says_nothing(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            error = connect_in_vain(parse_source_url(f"mssql://sa:x@127.0.0.1:{port}/erp?timeout=1"))
        assert "no answer within 1 s" in str(error)
        assert "timeout=SECONDS" in str(error)

    def test_an_unknown_host(self) -> None:
        error = connect_in_vain(parse_source_url("mssql://sa:x@no-such-host.invalid/erp?timeout=1"))
        assert "no-such-host.invalid port 1433 cannot be reached" in str(error)

    @pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["hangs up", "HTTP"])
    def test_a_port_that_is_not_sql_servers_is_not_called_unreachable(self, answer: bytes) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other, ThreadPoolExecutor(1) as pool:
            pool.submit(answer_everybody, other, answer)
            port = other.getsockname()[1]
            error = connect_in_vain(parse_source_url(f"mssql://sa:x@127.0.0.1:{port}/erp?timeout=30"))
            other.shutdown(socket.SHUT_RDWR)
        assert "the log-in was broken off by the other side" in str(error)
        assert "See that the port in the source URL is SQL Server's" in str(error)

    def test_windows_authentication_without_a_ticket_names_kerberos(self, server: SqlServerEmulator) -> None:
        url = f"mssql://{server.host}:{server.port}/erp?trusted_connection=yes&Encrypt=no&timeout=30"
        error = connect_in_vain(parse_source_url(url))
        assert "no ticket for Windows authentication" in str(error)
        assert "kinit" in str(error)
        assert "port" not in str(error).removeprefix(error.subject)

    def test_a_named_instance_that_nobody_answers_for(self) -> None:
        error = connect_in_vain(parse_source_url(r"mssql://sa:x@127.0.0.1\NOPE/erp?timeout=1"))
        assert "SQL Server Browser" in str(error)

    def test_a_connector_survives_a_process_border(self, settings: SettingsMaker, script: Script) -> None:
        connector = pickle.loads(pickle.dumps(SourceConnector(settings(), isolation="snapshot")))
        with connector.connect() as session:
            assert session.isolation == "read committed"


class TestIsolation:
    def test_read_committed_opens_no_transaction(
        self, settings: SettingsMaker, script: Script, server: SqlServerEmulator
    ) -> None:
        with SourceConnector(settings()).connect() as session:
            assert session.isolation == "read committed"
        assert [kind for kind in (s.kind for s in server.statements) if kind == "transaction"] == []

    def test_snapshot_where_the_database_allows_it(
        self, settings: SettingsMaker, script: Script, server: SqlServerEmulator
    ) -> None:
        script.answer(ISOLATION_STATEMENT, [INT, INT, INT], [(1, 0, 51)])
        with SourceConnector(settings(), isolation="snapshot").connect() as session:
            assert session.isolation == "snapshot"
            assert session.notes == []
        assert "SET TRANSACTION ISOLATION LEVEL SNAPSHOT" in server.statements.texts

    def test_otherwise_it_says_what_is_used_instead(self, settings: SettingsMaker, script: Script) -> None:
        script.answer(ISOLATION_STATEMENT, [INT, INT, INT], [(0, 1, 51)])
        with SourceConnector(settings(), isolation="snapshot").connect() as session:
            assert session.isolation == "read committed snapshot"
            assert "ALLOW_SNAPSHOT_ISOLATION is off" in session.notes[0]

    def test_a_server_that_hides_its_settings_is_read_all_the_same(
        self, settings: SettingsMaker, script: Script
    ) -> None:
        script.fail(ISOLATION_STATEMENT, 208, "Invalid object name 'sys.databases'.")
        with SourceConnector(settings()).connect() as session:
            assert session.isolation == "read committed"
            assert "Invalid object name 'sys.databases'" in session.notes[0]


class TestStatements:
    def test_rows_come_by_position(self, session: SourceSession, script: Script) -> None:
        script.answer("SELECT two", [INT, NAME], [(1, "ä€😀"), (None, None)])
        assert session.read_rows("SELECT two", action="asking") == [(1, "ä€😀"), (None, None)]

    def test_values_are_bound(self, session: SourceSession, script: Script) -> None:
        script.answer("FROM t", [INT], [(1,)])
        session.read_rows("SELECT a FROM t WHERE a = ? AND b = ?", (7, "O'Neill"), action="asking")
        assert script.parameters[-1] == (7, "O'Neill")

    def test_a_refused_right_names_the_object_and_the_grant(
        self, session: SourceSession, script: Script
    ) -> None:
        script.fail("FROM secret", 229, "The SELECT permission was denied on the object 'secret'.", 14)
        with pytest.raises(SourceError) as caught:
            session.read_rows("SELECT a FROM secret", action="counting its rows", subject="dbo.secret")
        assert str(caught.value) == (
            "dbo.secret: counting its rows failed: The SELECT permission was denied on the object 'secret'. "
            "Grant the log-in SELECT (and VIEW DEFINITION) on the source database, then run again."
        )
        assert not caught.value.is_transient

    def test_the_session_goes_on_after_an_error(self, session: SourceSession, script: Script) -> None:
        script.answer("SELECT 1", [INT], [(1,)])
        with pytest.raises(SourceError):
            session.read_rows("SELECT nothing", action="asking")
        assert session.read_rows("SELECT 1", action="asking") == [(1,)]

    def test_an_error_in_the_middle_of_a_result_is_an_error(
        self, session: SourceSession, script: Script, server: SqlServerEmulator
    ) -> None:
        script.answer("SELECT many", [INT], [(number,) for number in range(100)])
        broken = SqlServerError(8115, "Arithmetic overflow error converting expression to data type int.")
        server.faults.add(Fault("SELECT many", error=broken, error_after_rows=10))
        with pytest.raises(SourceError, match="asking failed: Arithmetic overflow"):
            session.read_rows("SELECT many", action="asking")

    def test_a_lost_connection_may_be_tried_again(
        self, session: SourceSession, script: Script, server: SqlServerEmulator
    ) -> None:
        script.answer("SELECT many", [INT], [(number,) for number in range(100)])
        server.faults.add(Fault("SELECT many", drop_after_rows=10))
        with pytest.raises(SourceError) as caught:
            session.read_rows("SELECT many", action="asking")
        assert caught.value.is_transient
        assert "The connection was lost" in str(caught.value)
