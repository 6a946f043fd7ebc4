"""What happened in a run, as its observer heard it: for the display and for the exit code.

The report does not come from here: it reads the ledger in the target.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from blb_migration.defs.observer import RunObserver
from blb_migration.errors import ExitCode, MigrationError, SourceError, TargetError

if TYPE_CHECKING:
    from blb_migration.migrate.context import TableProgress
    from blb_migration.migrate.preflight import PreflightResult
    from blb_migration.migrate.table import TableLoad
    from blb_migration.plan.build import TablePlan
    from blb_migration.reconcile.checks import CheckResult

TableState = Literal["waiting", "loading", "checking", "equal", "not equal", "failed"]


@dataclass
class TableStanding:
    """One table in the run. ``rows_expected`` is the source's estimate, None when unknown."""

    label: str
    rows_expected: int | None
    rows: int = 0
    elapsed_seconds: float = 0.0
    state: TableState = "waiting"

    @property
    def rows_per_second(self) -> float | None:
        """None while there is nothing to divide."""
        return self.rows / self.elapsed_seconds if self.rows and self.elapsed_seconds else None


class RunRecord(RunObserver):
    """Collects. ``tables`` are in load order."""

    def __init__(self, tables: Sequence[TablePlan]) -> None:
        self.tables = {table.label: TableStanding(table.label, table.source.row_estimate) for table in tables}
        self.preflight: PreflightResult | None = None
        self.checks: list[CheckResult] = []
        self.failures: list[tuple[str, BaseException]] = []
        self.started_at = time.monotonic()

    def preflight_finished(self, result: PreflightResult) -> None:
        """Keep the findings."""
        self.preflight = result

    def table_started(self, label: str) -> None:
        """The table is being loaded."""
        self.tables[label].state = "loading"

    def table_progressed(self, progress: TableProgress) -> None:
        """The table has got further."""
        standing = self.tables[progress.label]
        standing.rows, standing.elapsed_seconds = progress.rows_read, progress.elapsed_seconds

    def table_loaded(self, load: TableLoad) -> None:
        """The table is loaded; its checks come next."""
        standing = self.tables[load.label]
        standing.rows, standing.elapsed_seconds = load.rows_written, load.elapsed_seconds
        standing.state = "checking"

    def check_finished(self, result: CheckResult) -> None:
        """One of the table's checks is done; one that differs decides."""
        self.checks.append(result)
        standing = self.tables[result.label]
        if not result.passed:
            standing.state = "not equal"
        elif standing.state != "not equal":
            standing.state = "equal"

    def step_failed(self, step: str, error: BaseException) -> None:
        """A table or a stage has failed."""
        self.failures.append((step, error))
        if step in self.tables:
            self.tables[step].state = "failed"

    @property
    def errors(self) -> tuple[BaseException, ...]:
        """What the steps failed with, in order."""
        return tuple(error for _, error in self.failures)

    @property
    def exit_code(self) -> ExitCode:
        """What the run's own events amount to; equality is decided by the ledger, not here."""
        codes = [error.exit_code for error in self.errors if isinstance(error, MigrationError)]
        for kind in (SourceError, TargetError):  # a side that fails explains whatever else failed
            of_kind = [error.exit_code for error in self.errors if isinstance(error, kind)]
            if of_kind:
                return of_kind[0]
        if codes:
            return codes[0]
        has_differences = any(not check.passed for check in self.checks)
        return ExitCode.NOT_EQUAL if self.failures or has_differences else ExitCode.RECONCILED
