"""A hot standby as target is refused by name: a real server in recovery, not one that claims to be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from blb_migration.errors import ExitCode, TargetError, TargetUnreachable
from blb_migration.postgres.connect import TargetConnector
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.settings import parse_target_url


@pytest.fixture(scope="module")
def standby(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Yield a server that was a primary, and now waits for the log of another one."""
    folder: Path = tmp_path_factory.mktemp("standby")
    server = EmbeddedPostgres(folder)
    with server, psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET wal_level = replica")
    with server:
        server.create_database("erp")
    (folder / "data" / "standby.signal").touch()
    with server:
        yield server


def test_a_hot_standby_is_refused_by_name(standby: EmbeddedPostgres) -> None:
    with (
        pytest.raises(TargetError) as failure,
        TargetConnector(parse_target_url(standby.url("erp"))).connect(),
    ):
        pass
    assert "it is a standby in recovery (hot standby), which takes no writes" in str(failure.value)
    assert "Connect to the primary" in str(failure.value)
    assert failure.value.exit_code is ExitCode.TARGET_FAILED


def test_a_url_that_asks_for_a_primary_says_that_none_is_there(standby: EmbeddedPostgres) -> None:
    url = f"{standby.url('erp')}?target_session_attrs=read-write"
    with pytest.raises(TargetUnreachable) as failure, TargetConnector(parse_target_url(url)).connect():
        pass
    assert "no server named in the URL accepts writes" in str(failure.value)
