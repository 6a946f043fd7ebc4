"""Dagster's event records in memory, over one connection that threads use in turn.

Dagster opens a connection for every statement and sets it up anew, which was a sixth of what it costs a run
of many small tables; and until 1.13 its connections share one SQLite cache without a lock: a thread that
reads while another one writes gets "database table is locked", and its step fails before it has begun.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import sqlalchemy
from dagster import AssetKey, DagsterInstance
from dagster._core.event_api import EventRecordsResult
from dagster._core.storage.event_log.base import AssetRecord
from dagster._core.storage.event_log.in_memory import InMemoryEventLogStorage
from sqlalchemy.engine import Connection
from sqlalchemy.pool import StaticPool

from blb_migration.defs.internals.asset_records import AssetRecords, Read
from blb_migration.defs.internals.requirements import require

require(InMemoryEventLogStorage._connect, 1)
require(EventRecordsResult, 1, "cursor", "has_more")
require(InMemoryEventLogStorage.fetch_observations, 3)
require(InMemoryEventLogStorage.get_asset_records, 2)
require(InMemoryEventLogStorage.store_asset_event, 3)
if hasattr(InMemoryEventLogStorage, "_store_asset_event"):  # newer releases store within the connection
    require(InMemoryEventLogStorage._store_asset_event, 4)
require(InMemoryEventLogStorage.has_table, 2)
require(InMemoryEventLogStorage.has_asset_key_col, 2)


@contextmanager
def keeping_connection(instance: DagsterInstance) -> Iterator[None]:
    """Within the block all threads use one connection to the events of ``instance``, one at a time, if they
    are in memory.
    """
    storage: Any = instance.event_log_storage
    if not issubclass(type(storage), InMemoryEventLogStorage):
        yield
        return
    lock = threading.RLock()
    engine = sqlalchemy.create_engine(
        storage._engine.url, poolclass=StaticPool, connect_args={"check_same_thread": False}
    )

    @contextmanager
    def connect_in_turn() -> Iterator[Connection]:
        with lock, engine.connect() as connection, connection.begin():
            yield connection

    records = AssetRecords()
    name = "_store_asset_event" if hasattr(storage, "_store_asset_event") else "store_asset_event"
    store_asset_event = getattr(storage, name)

    def store_and_note(*arguments: Any) -> None:
        """Take the event and its number as the last arguments, after a connection in newer releases."""
        store_asset_event(*arguments)
        event, event_id = arguments[-2:]
        records.note(event, event_id)

    kept = {
        "_connect": connect_in_turn,
        "fetch_observations": lambda *_, **__: EventRecordsResult(
            [], cursor="", has_more=False
        ),  # none is made
        "get_asset_records": partial(_find_records, records, storage.get_asset_records),
        name: store_and_note,
        # No table and no column comes later, and they are asked for with every result of a check and step.
        "has_table": cache(storage.has_table),
        "has_asset_key_col": cache(storage.has_asset_key_col),
    }
    vars(storage).update(kept)
    try:
        yield
    finally:
        for name in kept:
            delattr(storage, name)
        engine.dispose()


def _find_records(
    records: AssetRecords, read: Read, asset_keys: Sequence[AssetKey] | None = None
) -> Sequence[AssetRecord]:
    return read(None) if asset_keys is None else records.find(read, asset_keys)
