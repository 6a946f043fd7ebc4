"""Sessions: what they are set to, and what a user reads when there is none."""

from __future__ import annotations

import socket

import pytest

from blb_migration.errors import TargetError, TargetUnreachable
from blb_migration.postgres import connect
from blb_migration.postgres.connect import TargetConnector, set_lock_timeout
from blb_migration.postgres.names import TargetConnection
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.settings import parse_target_url
from blb_migration_tests.postgres.tables import execute, scalar


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "RETRY_PAUSES_SECONDS", (0.0, 0.0))


def fail_to_connect(url: str) -> TargetUnreachable:
    with pytest.raises(TargetUnreachable) as caught, TargetConnector(parse_target_url(url)).connect():
        pass
    assert caught.value.__cause__ is None, "libpq's own text must not be chained"
    return caught.value


def test_a_session_is_in_utc_and_utf8_whatever_the_role_sets(
    target: TargetConnection, connector: TargetConnector
) -> None:
    database = target.info.dbname
    execute(
        target,
        f"ALTER DATABASE \"{database}\" SET TimeZone = 'Europe/Berlin'",
        f"ALTER DATABASE \"{database}\" SET DateStyle = 'German'",
        f'ALTER DATABASE "{database}" SET statement_timeout = 1000',
    )
    with connector.connect(lock_timeout_seconds=1.5) as session:
        assert scalar(session, "SHOW TimeZone") == "UTC"
        assert scalar(session, "SHOW DateStyle") == "ISO, YMD"
        assert scalar(session, "SHOW client_encoding") == "UTF8"
        assert scalar(session, "SHOW statement_timeout") == "0"
        assert scalar(session, "SHOW lock_timeout") == "1500ms"
        assert scalar(session, "SHOW application_name") == "blb-migrate"
        assert session.autocommit


def test_a_lock_timeout_is_never_rounded_to_no_limit(target: TargetConnection) -> None:
    set_lock_timeout(target, 0.0001)
    assert scalar(target, "SHOW lock_timeout") == "1ms"
    with target.transaction():
        set_lock_timeout(target, 5, in_transaction=True)
    assert scalar(target, "SHOW lock_timeout") == "1ms"


def test_the_host_is_down() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    error = fail_to_connect(f"postgresql://anna:geheim@127.0.0.1:{port}/erp")
    assert "connection was refused" in str(error)
    assert error.is_transient
    assert "geheim" not in str(error)


def test_the_password_is_wrong(server: EmbeddedPostgres) -> None:
    error = fail_to_connect(f"postgresql://postgres:geheim@127.0.0.1:{server.port}/postgres")
    assert "user or password is wrong" in str(error)
    assert not error.is_transient
    assert "geheim" not in str(error)


def test_the_database_is_missing(server: EmbeddedPostgres) -> None:
    error = fail_to_connect(server.url("nowhere"))
    assert "the database does not exist" in str(error)
    assert not error.is_transient


def test_the_server_offers_no_encryption(server: EmbeddedPostgres) -> None:
    error = fail_to_connect(server.url("postgres") + "?sslmode=require")
    assert "sslmode" in str(error)


def test_the_host_name_is_unknown() -> None:
    error = fail_to_connect("postgresql://anna:geheim@no-such-host.invalid/erp")
    assert "host name cannot be resolved" in str(error)


def test_what_libpq_repeats_of_the_password_is_masked(server: EmbeddedPostgres) -> None:
    # a user named like the password: libpq's text names the user
    url = f"postgresql://geheim:geheim@127.0.0.1:{server.port}/postgres?gssencmode=disable"
    error = fail_to_connect(url)
    assert "geheim" not in error.found
    assert "geheim" not in repr(TargetConnector(parse_target_url("postgresql://anna:geheim@pc/erp")))


def test_a_read_only_target_is_refused(target: TargetConnection, connector: TargetConnector) -> None:
    execute(target, f'ALTER DATABASE "{target.info.dbname}" SET default_transaction_read_only = on')
    with pytest.raises(TargetError, match="read-only"), connector.connect():
        pass


def test_a_database_that_cannot_hold_every_character_is_refused(server: EmbeddedPostgres) -> None:
    with TargetConnector(parse_target_url(server.url("postgres"))).connect() as session:
        execute(
            session,
            "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0",
        )
    with (
        pytest.raises(TargetError, match="encoding is LATIN1"),
        TargetConnector(parse_target_url(server.url("latin"))).connect(),
    ):
        pass
    server.drop_database("latin")


def test_an_old_server_is_refused(connector: TargetConnector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "OLDEST_SERVER_VERSION", 990000)
    with pytest.raises(TargetError, match="PostgreSQL 99 or newer"), connector.connect():
        pass
