"""The embedded PostgreSQL: starts anywhere, answers every client, leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import psycopg2  # type: ignore[import-untyped]
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from blb_migration.errors import TargetError
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres


def query(url: str, statement: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(statement).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres() as running:
        yield running


def test_psycopg_psycopg2_and_sqlalchemy_connect_by_url(server: EmbeddedPostgres) -> None:
    url = server.create_database("blb3d_erp")
    assert url == server.url("blb3d_erp")
    assert make_url(url).host == "127.0.0.1" and make_url(url).port == server.port
    assert query(url, "SELECT current_setting('server_version_num')::int / 10000") == 18
    older = psycopg2.connect(url)
    older.close()
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT current_database()")).scalar() == "blb3d_erp"
    engine.dispose()


def test_a_wrong_password_is_refused(server: EmbeddedPostgres) -> None:
    wrong = make_url(server.url()).set(password="guess").render_as_string(hide_password=False)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_databases_of_any_name_come_and_go_with_clients_connected(server: EmbeddedPostgres) -> None:
    name = 'Größe "2" ; drop'
    server.create_database(name)
    with psycopg.connect(server.url(), dbname=name) as connection:
        server.drop_database(name)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
        connection.close()
    server.drop_database(name)
    assert query(server.url(), "SELECT count(*) FROM pg_database WHERE datname LIKE 'Gr%'") == 0


def test_several_servers_run_at_once() -> None:
    servers = [EmbeddedPostgres() for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(EmbeddedPostgres.start, servers))
    try:
        assert len({server.port for server in servers}) == 3
        assert [query(server.url(), "SELECT 1") for server in servers] == [1, 1, 1]
    finally:
        for server in servers:
            server.stop()


def test_a_given_directory_keeps_its_databases(tmp_path: Path) -> None:
    deep = tmp_path / ("a-directory-too-deep-for-a-unix-socket-" * 3)
    with EmbeddedPostgres(deep) as server:
        url = server.create_database("kept")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    with EmbeddedPostgres(deep) as server:
        assert query(server.url("kept"), "SELECT current_database()") == "kept"


def test_a_temporary_directory_is_removed() -> None:
    server = EmbeddedPostgres()
    with server:
        data_dir = Path(str(query(server.url(), "SHOW data_directory")))
        assert data_dir.exists()
    assert not data_dir.parent.exists()
    server.stop()


def test_text_sorts_by_code_point_and_the_clock_is_utc(server: EmbeddedPostgres) -> None:
    assert (
        query(server.url(), "SELECT string_agg(x, '' ORDER BY x) FROM unnest('{a,B,ä}'::text[]) x") == "Baä"
    )
    assert query(server.url(), "SHOW timezone") == "UTC"


def test_a_directory_that_is_not_a_clusters_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "notes.txt").write_text("mine")
    with pytest.raises(TargetError, match="initdb failed"), EmbeddedPostgres(tmp_path):
        pass
    assert (tmp_path / "data" / "notes.txt").read_text() == "mine"


def test_no_password_shows_in_the_repr(server: EmbeddedPostgres) -> None:
    password = make_url(server.url()).password
    assert password and str(password) not in repr(server)
