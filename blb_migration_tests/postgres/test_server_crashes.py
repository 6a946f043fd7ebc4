"""A server that crashes: what a session of ours has committed stands, though its owner prefers speed."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import psycopg
import pytest

from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.kept_rows import keep_tables, read_kept_tables
from blb_migration.postgres.ledger.live_mark import mark_live, read_live_mark
from blb_migration.postgres.ledger.runs import start_run
from blb_migration.postgres.ledger.versions import create_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.server_features import read_unsafe_settings
from blb_migration.retries import becomes_true
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.settings import parse_target_url
from blb_migration_tests.postgres.conftest import RUN
from blb_migration_tests.postgres.tables import execute, read_table, scalar

_CRASHES = 2  # what is lost depends on when the server last wrote by itself, every 0.2 s


def crash(url: str) -> None:
    """Have the server restart: one of its processes is gone, it ends all others."""
    with psycopg.connect(url) as connection, suppress(psycopg.Error):
        os.kill(connection.info.backend_pid, signal.SIGKILL)
        connection.execute("SELECT 1")
    assert becomes_true(lambda: lets_in(url), within_seconds=60, pause_seconds=0.05)


def lets_in(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(url):
        return True
    return False


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_what_a_night_relies_on_outlives_a_crash_where_commits_do_not_wait_for_the_disk() -> None:
    with EmbeddedPostgres() as server:  # its own: whoever else is connected would notice
        url = server.url()
        connector = TargetConnector(parse_target_url(url))
        with psycopg.connect(url) as plain:
            assert scalar(plain, "SHOW synchronous_commit") == "off"
        with connector.connect() as connection:
            unsafe = ["fsync = off", "full_page_writes = off", "synchronous_commit = off"]
            assert read_unsafe_settings(connection) == unsafe  # what people are told of it
            create_ledger(connection)
            start_run(connection, RUN)
            execute(connection, "CREATE TABLE items (id int PRIMARY KEY)", "INSERT INTO items VALUES (1)")
            tables = [read_table(connection, "items")]
        for number in range(_CRASHES):
            night_id = f"night {number}"
            with connector.connect() as connection:
                execute(connection, "UPDATE blb_migration.cutover SET withdrawn_at = now()")
                mark_live(
                    connection, run_id=RUN.run_id, night_id=night_id, operator="ana", host="pc-1",
                    tool_version="1",
                )  # fmt: skip
                keep_tables(connection, night_id, "live", tables, whole_rows_up_to=9, keys_up_to=9)
            crash(url)
            with connector.connect() as connection:
                mark = read_live_mark(connection)
                kept = read_kept_tables(connection, night_id, "live")
                rows = scalar(connection, f"SELECT count(*) FROM {kept[0].copy}")
            assert mark is not None and mark.night_id == night_id
            assert len(kept) == 1 and rows == 1


@pytest.mark.parametrize(
    ("owners", "ours"),
    [("off", "local"), ("local", "local"), ("remote_write", "remote_write"), ("on", "on")],
)
def test_a_commit_waits_for_the_disk_and_as_long_as_the_owner_says(
    target: TargetConnection, connector: TargetConnector, owners: str, ours: str
) -> None:
    execute(target, f'ALTER DATABASE "{target.info.dbname}" SET synchronous_commit = {owners}')
    with connector.connect() as session:
        assert scalar(session, "SHOW synchronous_commit") == ours
