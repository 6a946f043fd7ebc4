"""Heavy work gets what the server has to give, for one transaction, and its owner's choices stand."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from blb_migration.errors import TargetError
from blb_migration.model import TableName
from blb_migration.postgres.bulk_settings import (
    ServerCapacity,
    apply_bulk_settings,
    derive_bulk_settings,
    read_bulk_settings,
)
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.copy import empty_table
from blb_migration.postgres.names import TargetConnection
from blb_migration_tests.postgres.tables import execute, scalar

MIB = 1 << 20
UNTUNED = ServerCapacity(maintenance_bytes=64 * MIB, shared_buffers_bytes=128 * MIB, worker_count=8)
IN_FORCE = """SELECT current_setting('maintenance_work_mem')
    || ', ' || current_setting('max_parallel_maintenance_workers')"""


def derive(sessions_at_once: int = 1, **facts: int | None) -> dict[str, str]:
    capacity = ServerCapacity(**{**vars(UNTUNED), **facts})
    return dict(derive_bulk_settings(capacity, sessions_at_once).values)


def test_each_participant_gets_the_memory_it_asks_for() -> None:
    assert derive() == {"max_parallel_maintenance_workers": "4", "maintenance_work_mem": "163840kB"}
    assert derive(4) == {"max_parallel_maintenance_workers": "1"}
    assert derive(8) == {"max_parallel_maintenance_workers": "0"}


def test_memory_follows_what_the_server_seems_to_have() -> None:
    tuned = {"shared_buffers_bytes": 1024 * MIB}
    assert derive(**tuned)["maintenance_work_mem"] == f"{512 << 10}kB"
    assert derive(2, **tuned)["maintenance_work_mem"] == f"{256 << 10}kB"
    assert derive(effective_cache_bytes=6144 * MIB)["maintenance_work_mem"] == f"{768 << 10}kB"
    assert derive(shared_buffers_bytes=64_000 * MIB)["maintenance_work_mem"] == f"{1024 << 10}kB"


def test_memory_is_never_lowered() -> None:
    assert "maintenance_work_mem" not in derive(maintenance_bytes=2048 * MIB)


def test_few_worker_processes_are_not_used_up() -> None:
    assert derive(worker_count=3)["max_parallel_maintenance_workers"] == "1"
    assert derive(worker_count=0)["max_parallel_maintenance_workers"] == "0"


def test_the_wal_is_compressed_where_that_is_possible_and_allowed() -> None:
    assert derive(can_compress_wal=True)["wal_compression"] == "lz4"


def test_settings_end_with_the_transaction(target: TargetConnection) -> None:
    before = scalar(target, IN_FORCE)
    settings = read_bulk_settings(target)
    with target.transaction():
        apply_bulk_settings(target, settings)
        assert scalar(target, IN_FORCE) == "160MB, 4"
    assert scalar(target, IN_FORCE) == before == "64MB, 2"


def test_settings_end_with_a_transaction_that_fails(target: TargetConnection) -> None:
    with pytest.raises(TargetError), target.transaction():
        apply_bulk_settings(target, read_bulk_settings(target))
        empty_table(target, TableName("public", "missing"))
    assert scalar(target, IN_FORCE) == "64MB, 2"


@pytest.fixture
def set_for_the_database(target: TargetConnection) -> Iterator[None]:
    name = target.info.dbname
    execute(
        target,
        f'ALTER DATABASE "{name}" SET max_parallel_maintenance_workers = 0',
        f"ALTER DATABASE \"{name}\" SET maintenance_work_mem = '200MB'",
    )
    yield


@pytest.mark.usefixtures("set_for_the_database")
def test_what_the_owner_of_the_server_chose_stands(connector: TargetConnector) -> None:
    with connector.connect() as connection, connection.transaction():
        apply_bulk_settings(connection, read_bulk_settings(connection))
        assert scalar(connection, IN_FORCE) == "200MB, 0"


def test_a_role_without_rights_gets_what_every_role_may_set(
    target: TargetConnection, database_url: str
) -> None:
    execute(target, "CREATE ROLE plain LOGIN PASSWORD 'plain'")
    try:
        with (
            psycopg.connect(database_url, user="plain", password="plain", autocommit=True) as session,
            session.transaction(),
        ):
            apply_bulk_settings(session, read_bulk_settings(session))
            assert scalar(session, IN_FORCE) == "160MB, 4"
    finally:
        execute(target, "DROP ROLE plain")
