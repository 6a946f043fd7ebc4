"""What a run's process knows of the assets: the records that Dagster asks for anew with each step.

A step asks for the last materialization of whatever is upstream, for data versions, and a step of checks for
that of its table: two statements each, compiled anew, a fifth of what Dagster adds to a small table.
Within a run these events are the process's own: all records are read once, and each materialization that is
stored afterwards takes the place of the one before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dagster import AssetKey, EventLogEntry, EventLogRecord
from dagster._core.storage.event_log.base import AssetEntry, AssetRecord

from blb_migration.defs.internals.requirements import require

_ENTRY = ("asset_key", "last_materialization_record", "last_run_id", "asset_details", "cached_status")
require(AssetEntry, 0, *_ENTRY)
require(AssetRecord, 0, "storage_id", "asset_entry")
require(EventLogRecord, 0, "storage_id", "event_log_entry")

_NOT_KNOWN = 0  # the number of an asset's row, which no step asks for

Read = Callable[[Any], Sequence[AssetRecord]]


@dataclass
class AssetRecords:
    """The records by key, once the first was asked for; a key without one has no events. Thread-safe."""

    _known: dict[AssetKey, AssetRecord] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, read: Read, keys: Sequence[AssetKey]) -> list[AssetRecord]:
        """Return those of ``keys``; ``read`` is the storage's own question, None for all."""
        if self._known is None:
            records = {record.asset_entry.asset_key: record for record in read(None)}
            with self._lock:
                self._known = {**records, **(self._known or {})}
        return [self._known[key] for key in keys if key in self._known]

    def note(self, event: EventLogEntry, storage_id: int) -> None:
        """Note an event of an asset, which was stored as ``storage_id``."""
        stored = event.dagster_event
        if stored is None or stored.asset_key is None or not stored.is_step_materialization:
            return
        with self._lock:
            if self._known is None:
                return
            before = self._known.get(stored.asset_key)
            entry = AssetEntry(
                asset_key=stored.asset_key,
                last_materialization_record=EventLogRecord(storage_id=storage_id, event_log_entry=event),
                last_run_id=event.run_id,
                asset_details=before.asset_entry.asset_details if before else None,
                cached_status=before.asset_entry.cached_status if before else None,
            )
            row = before.storage_id if before else _NOT_KNOWN
            self._known[stored.asset_key] = AssetRecord(storage_id=row, asset_entry=entry)
