"""The ledger's rows of the watch after the cutover: one per look. Functions raise TargetError."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from blb_migration.postgres.ledger.ledger_sql import read, write
from blb_migration.postgres.ledger.versions import require_current_ledger
from blb_migration.postgres.names import TargetConnection


@dataclass(frozen=True)
class WatchRow:
    """One look: when (UTC), what was seen, and what of it is worth an alert."""

    looked_at: datetime.datetime
    facts: Mapping[str, Any]
    alerts: tuple[str, ...]


def add_watch_row(connection: TargetConnection, night_id: str, row: WatchRow) -> None:
    """Add a look."""
    write(
        connection,
        "INSERT INTO blb_migration.watch_rows (night_id, looked_at, facts, alerts) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        night_id,
        row.looked_at,
        Jsonb(dict(row.facts)),
        list(row.alerts),
    )


def read_watch_rows(connection: TargetConnection, night_id: str, limit: int) -> tuple[WatchRow, ...]:
    """Read the latest looks, the newest first; nothing where there is no ledger."""
    if not require_current_ledger(connection):
        return ()
    rows = read(
        connection,
        "SELECT looked_at, facts, alerts FROM blb_migration.watch_rows WHERE night_id = %s"
        " ORDER BY looked_at DESC LIMIT %s",
        night_id,
        limit,
    )
    return tuple(WatchRow(looked_at, facts, tuple(alerts)) for looked_at, facts, alerts in rows)
