"""One load of one table: what each of its steps is given. Does nothing by itself."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from blb_migration.migration import LoadPhase, Migration, PhaseBegun, ProgressListener
from blb_migration.model import TableName
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.session_slots import SessionSlots
from blb_migration.sqlserver.chunk_keys import TableSize


@dataclass(frozen=True)
class LoadTask:
    """A load that the ledger knows as ``load_id``, written through ``connection``.

    ``slots`` holds one for a session at either side. ``is_prepared``: within a whole run, whose end restores
    foreign keys and takes statistics. ``source_size`` is how large the table is now, where the source says.
    """

    migration: Migration
    table: TablePlan
    connection: TargetConnection
    load_id: int
    slots: SessionSlots
    is_prepared: bool
    on_progress: ProgressListener | None = None
    started_at: float = field(default_factory=time.monotonic)
    source_size: TableSize | None = None

    @property
    def target_name(self) -> TableName:
        """The table that is loaded."""
        return self.table.target.name

    @property
    def elapsed_seconds(self) -> float:
        """How long it takes so far."""
        return time.monotonic() - self.started_at

    def begin_phase(self, phase: LoadPhase) -> None:
        """Say that the load goes on with something else than rows."""
        if self.on_progress is not None:
            self.on_progress(PhaseBegun(self.table.label, phase))
