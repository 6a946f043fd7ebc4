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
from blb_migration.migration import LoadPhase, PhaseBegun, ProgressEvent
from blb_migration.progress.rates import Clock
from blb_migration.progress.run_meter import RunMeter

if TYPE_CHECKING:
    from blb_migration.compare.run_checks import CheckResult
    from blb_migration.load.finish import RestoredConstraints
    from blb_migration.load.table import TableLoad
    from blb_migration.plan.table_plans import TablePlan
    from blb_migration.preflight.stage import PreflightResult

TableState = Literal[LoadPhase, "waiting", "checking", "equal", "not equal", "failed"]


@dataclass
class TableStatus:
    """One table in the run; its metrics are in the record's meter."""

    label: str
    state: TableState = "waiting"


class RunRecord(RunObserver):
    """Collects. ``tables`` are in load order."""

    def __init__(self, tables: Sequence[TablePlan], clock: Clock = time.monotonic) -> None:
        self.tables = {table.label: TableStatus(table.label) for table in tables}
        self.meter = RunMeter(tables, clock)  # until a run begins
        self.preflight: PreflightResult | None = None
        self.checks: list[CheckResult] = []
        self.failures: list[tuple[str, BaseException]] = []
        self.left_over: RestoredConstraints | None = None
        self._clock = clock
        self._started_at = clock()

    def run_opened(self, meter: RunMeter) -> None:
        """Read the run's own meter from now on."""
        self.meter = meter

    def preflight_finished(self, result: PreflightResult) -> None:
        """Keep the findings."""
        self.preflight = result

    def table_started(self, label: str) -> None:
        """Note that the table is being loaded."""
        self.tables[label].state = "loading"

    def table_progressed(self, event: ProgressEvent) -> None:
        """Note the table's phase."""
        if isinstance(event, PhaseBegun):
            self.tables[event.label].state = event.phase

    def table_loaded(self, load: TableLoad) -> None:
        """Note that the table is loaded; its checks come next."""
        self.tables[load.label].state = "checking"

    def check_finished(self, result: CheckResult) -> None:
        """One of the table's checks is done; one that differs decides."""
        self.checks.append(result)
        status = self.tables[result.label]
        if not result.passed:
            status.state = "not equal"
        elif status.state != "not equal":
            status.state = "equal"

    def keys_left_over(self, result: RestoredConstraints) -> None:
        """Keep what became of the foreign keys that the run's end found dropped."""
        self.left_over = result

    def step_failed(self, step: str, error: BaseException) -> None:
        """Keep the failure of a table or a stage."""
        self.failures.append((step, error))
        if step in self.tables:
            self.tables[step].state = "failed"

    @property
    def has_begun(self) -> bool:
        """Whether some table's load has begun, so that the target may hold something new."""
        return any(status.state != "waiting" for status in self.tables.values())

    @property
    def elapsed_seconds(self) -> float:
        """Since the run began."""
        return self._clock() - self._started_at

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
