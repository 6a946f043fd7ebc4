"""How runs ended, by the ledger: for whoever tells people. Only reading; functions raise TargetError."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from dataclasses import dataclass

from blb_migration.postgres.ledger.ledger_sql import read, read_one
from blb_migration.postgres.ledger.records import KINDS_OFF_RECORD, KINDS_THAT_LOAD
from blb_migration.postgres.ledger.versions import require_current_ledger
from blb_migration.postgres.names import TargetConnection


@dataclass(frozen=True)
class RunEnding:
    """One run that is over: its outcome, and what failed in it, the first first."""

    run_id: str
    kind: str
    outcome: str
    errors: tuple[str, ...]
    started_at: datetime.datetime
    finished_at: datetime.datetime

    @property
    def is_good(self) -> bool:
        """Whether it left the whole target equal."""
        return self.outcome == "equal"


def read_clock(connection: TargetConnection) -> datetime.datetime:
    """Read the server's time: what the ledger's times are compared with."""
    row = read_one(connection, "SELECT clock_timestamp()")
    assert row is not None
    moment: datetime.datetime = row[0]
    return moment


def has_begun_since(connection: TargetConnection, since: datetime.datetime, unless: str) -> bool:
    """Whether a run that loads, but ``unless``, began at ``since`` or later."""
    if not require_current_ledger(connection):
        return False
    row = read_one(
        connection,
        "SELECT EXISTS (SELECT FROM blb_migration.runs"
        " WHERE kind = ANY (%s) AND started_at >= %s AND run_id <> %s)",
        list(KINDS_THAT_LOAD),
        since,
        unless,
    )
    return bool(row and row[0])


def read_endings(
    connection: TargetConnection, since: datetime.datetime, run_ids: Collection[str] = ()
) -> tuple[RunEnding, ...]:
    """Read the runs that ended after ``since``, and those of ``run_ids`` that did, the earliest first."""
    if not require_current_ledger(connection):
        return ()
    rows = read(
        connection,
        "SELECT run_id, kind, outcome, errors, started_at, finished_at FROM blb_migration.runs"
        " WHERE outcome IS NOT NULL AND kind <> ALL (%s) AND (finished_at > %s OR run_id = ANY (%s))"
        " ORDER BY finished_at, run_id",
        list(KINDS_OFF_RECORD),
        since,
        list(run_ids),
    )
    return tuple(
        RunEnding(run_id, kind, outcome, tuple(errors), started_at, finished_at)
        for run_id, kind, outcome, errors, started_at, finished_at in rows
    )
