"""Where Dagster keeps its records, and where it must not: in the target.

A target is dropped, restored and live after the night; the history of its runs is not to go with it, and a
thousand events a run are not to be written beside the rows that are loaded.
"""

from __future__ import annotations

from dagster import DagsterInstance

from blb_migration.errors import ConfigurationError
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.database_place import read_database_place
from blb_migration.settings.target import parse_target_url


def find_storage(instance: DagsterInstance) -> TargetConnector | None:
    """Find the PostgreSQL database that has the events of ``instance``; None where they are elsewhere.

    Raises ConfigurationError for an address that is none.
    """
    url = getattr(instance.event_log_storage, "postgres_url", None)  # dagster-postgres names it so
    return None if url is None else TargetConnector(parse_target_url(url))


def refuse_storage_in_target(instance: DagsterInstance, target: TargetConnector) -> None:
    """Raise ConfigurationError where Dagster's records are in the target, whatever names lead to it.

    Raises TargetError and TargetUnreachable.
    """
    storage = find_storage(instance)
    if storage is None:
        return
    with storage.connect() as connection:
        place = read_database_place(connection)
    with target.connect() as connection:
        if read_database_place(connection) != place:
            return
    raise ConfigurationError(
        f"Dagster's storage {storage.settings.masked_url}",
        found=f"it is in the target, {target.settings.masked_url}: the same database of the same server",
        expected="a database of its own: the target holds the application's tables and the ledger alone",
        next_act="Create one (CREATE DATABASE dagster) and name it in dagster.yaml, DAGSTER_POSTGRES_DB in"
        " docs/deploy",
    )
