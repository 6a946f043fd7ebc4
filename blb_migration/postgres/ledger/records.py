"""What the ledger holds, as frozen values. No SQL: that is in the modules named after what they record."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from blb_migration.model import TableName
from blb_migration.postgres.binary.hash_functions import CURRENT_HASH, HashFunction
from blb_migration.settings.environments import PRODUCTION, Environment
from blb_migration.source_marker import MarkerVerdict, SourceMarker

RunKind = Literal["migration", "rehearsal", "reconcile", "cutover", "dry_run", "preflight", "verdict"]
# What only looks has no place in the history, and a dry run leaves nothing behind.
KINDS_OFF_RECORD: tuple[RunKind, ...] = ("dry_run", "preflight", "verdict")
# Into the target's own tables.
KINDS_THAT_LOAD: tuple[RunKind, ...] = ("migration", "rehearsal", "cutover")
LoadStatus = Literal["running", "finished", "failed"]


@dataclass(frozen=True)
class RunStart:
    """Who started what: known before anything is written.

    ``source_identity`` says which database was read, without user or password; ``operator`` and
    ``host`` are a person's log-in name and machine. ``environment`` None: an older version recorded the run.
    ``seconds_ago``: how long it has been going on when it is recorded.
    """

    run_id: str
    kind: RunKind
    tool_version: str
    plan_hash: str
    project: str
    source_identity: str
    operator: str
    host: str
    environment: Environment | None = PRODUCTION
    seconds_ago: float = 0.0


@dataclass(frozen=True)
class Run:
    """One run of this tool against the target. ``outcome`` and ``finished_at`` are None until its end.

    They stay None after a crash. Servers, ``isolation`` and ``source_driver`` are None for a run that did not
    look at them; ``is_prepared`` says whether findings, decisions and what is not migrated were recorded with
    it.
    """

    start: RunStart
    started_at: datetime.datetime
    finished_at: datetime.datetime | None
    outcome: str | None
    errors: tuple[str, ...]
    source_server: str | None
    target_server: str | None
    isolation: str | None
    source_driver: str | None
    notes: tuple[str, ...]
    is_prepared: bool
    source_movement: MarkerVerdict | None = None


@dataclass(frozen=True)
class PlannedTable:
    """One table of a run's plan, in load order, and the checks it must pass to count as equal.

    ``column_types`` has each source column's type there and in the target, in words.
    """

    label: str
    table: TableName
    source_table: TableName
    group: str
    column_count: int
    required_checks: tuple[str, ...]
    column_types: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NotMigratedRecord:
    """What the source has and the target does not get: a table, a column, a view, a trigger and so on.

    ``row_count`` is the source's estimate for a table, None where there is nothing to count.
    """

    kind: str
    subject: str
    reason: str
    row_count: int | None = None


@dataclass(frozen=True)
class ServerFacts:
    """What preflight learned of both servers: versions, how the source is read, and what it would not say.

    ``source_driver`` is the driver that reads it, its version, and why this one; ``source_marker`` is of the
    time before anything was read.

    ``objects_not_migrated`` are the source's views, procedures, triggers and the like.
    """

    source_server: str
    target_server: str
    isolation: str
    notes: tuple[str, ...] = ()
    source_driver: str | None = None
    source_marker: SourceMarker | None = None
    objects_not_migrated: tuple[NotMigratedRecord, ...] = ()


@dataclass(frozen=True)
class LoadedTable:
    """What one table's load did, written in the transaction that did it.

    ``next_sequence_value`` is the number that the sequence of ``sequence_column`` gives next;
    None for tables without one. ``digest`` is of the rows' content, in hexadecimal, if taken.
    """

    rows_read: int
    rows_written: int
    bytes_written: int
    elapsed_seconds: float
    sequence_column: str | None = None
    next_sequence_value: int | None = None
    digest: str | None = None


@dataclass(frozen=True)
class TableLoad:
    """One attempt to load one table.

    ``load_xid`` is the transaction id its rows carry in ``xmin`` (32 bits), None for no rows. What
    ``loaded`` says exists only for finished loads, ``error`` only for failed ones. A chunked
    load has a ``chunk_count``, and a transaction per chunk; ``resumed_from`` is the load it went on with;
    ``source_id`` is of the source that it read, ``hash_function`` that of its digest.
    """

    load_id: int
    run_id: str
    table: TableName
    source_table: TableName
    status: LoadStatus
    started_at: datetime.datetime
    finished_at: datetime.datetime | None
    loaded: LoadedTable | None
    load_xid: int | None
    error: str | None
    chunk_count: int | None = None
    resumed_from: int | None = None
    source_id: int | None = None
    hash_function: HashFunction = CURRENT_HASH


@dataclass(frozen=True)
class SourceRead:
    """What a check has read of the source. ``read_from`` None: nothing, it trusts the load."""

    source_id: int | None = None
    read_from: datetime.datetime | None = None
    before: SourceMarker | None = None


@dataclass(frozen=True)
class CheckResult:
    """One check of one table; ``load_id`` is the load whose rows were checked.

    ``details`` must be JSON: expected, actual and the like.
    """

    run_id: str
    load_id: int | None
    table: TableName
    check_name: str
    passed: bool
    plan_hash: str
    details: dict[str, object] = field(default_factory=dict)
    checked_at: datetime.datetime | None = None
    read: SourceRead = SourceRead()


@dataclass(frozen=True)
class FindingRecord:
    """Something preflight found; ``details`` must be JSON: counts, keys, the decision that covers it."""

    kind: str
    severity: str
    subject: str
    message: str
    details: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class DecisionRecord:
    """A decision that a person wrote down and that this run followed; it touches ``row_count`` rows."""

    subject: str
    decision: str
    reason: str
    row_count: int | None = None
