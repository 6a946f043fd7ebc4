"""What one process sees of a run: how far its tables are, and how it ends, for the ledger.

Dagster runs no step after one that failed, so the step that writes the report cannot write down that a run
has failed. The resource does, when Dagster lets go of it: at the end of the run where one process carries it
out, at the end of each step where every step has its own process.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from blb_migration.defs.observer import RunObserver
from blb_migration.errors import MigrationError, PreflightRefused

if TYPE_CHECKING:
    from blb_migration.compare.run_checks import CheckResult
    from blb_migration.load.finish import RestoredConstraints
    from blb_migration.load.table import TableLoad
    from blb_migration.migration import Migration, ProgressEvent
    from blb_migration.plan.table_plans import TablePlan
    from blb_migration.preflight.stage import PreflightResult
    from blb_migration.report.sentences import Ending

INTERRUPTED = "the run was interrupted"


class RunNotes(RunObserver):
    """Takes notes of what it hears, and passes it on to ``listener``."""

    def __init__(
        self, tables: Sequence[TablePlan], listener: RunObserver, clock: Callable[[], float] = time.monotonic
    ) -> None:
        from blb_migration.progress.rates import LogPace
        from blb_migration.progress.run_meter import RunMeter

        self.meter = RunMeter(tables, clock)
        self.pace = LogPace(clock=clock)
        self.sees_whole_run = False
        self.preflight: PreflightResult | None = None
        self._listener = listener
        self._migration: Migration | None = None
        self._failures: list[tuple[str, BaseException]] = []
        self._is_interrupted = False
        self._has_differences = False
        self._lock = threading.Lock()
        listener.run_opened(self.meter)

    def step_opened(self, migration: Migration, sees_whole_run: bool) -> None:
        """Note that a step works on ``migration``; ``sees_whole_run``: in the process of all the run's
        steps."""
        self._migration, self.sees_whole_run = migration, sees_whole_run

    def preflight_finished(self, result: PreflightResult) -> None:
        """Keep what it found, and expect what the source's statistics say now."""
        self.preflight = result
        self.meter.expect(result.row_estimates)
        self._listener.preflight_finished(result)

    def table_started(self, label: str) -> None:
        """Measure from now on."""
        self.meter.begin_table(label)
        self._listener.table_started(label)

    def table_progressed(self, event: ProgressEvent) -> None:
        """Count."""
        self.meter.report(event)
        self._listener.table_progressed(event)

    def table_loaded(self, load: TableLoad) -> None:
        """One table less to wait for."""
        self.meter.end_table(load.label, load.rows_written, load.source_bytes)
        self._listener.table_loaded(load)

    def check_finished(self, result: CheckResult) -> None:
        """End the run for the tables below where the check found a difference."""
        if not result.passed:
            self._has_differences = True
            self.meter.give_up(result.label)
        self._listener.check_finished(result)

    def constraints_restored(self, result: RestoredConstraints) -> None:
        """Pass it on."""
        self._listener.constraints_restored(result)

    def step_failed(self, step: str, error: BaseException) -> None:
        """Keep the failure for the ledger."""
        with self._lock:
            self._failures.append((step, error))
        self.meter.give_up(step)
        self._listener.step_failed(step, error)

    def step_interrupted(self, step: str) -> None:
        """Keep that for the ledger."""
        self._is_interrupted = True
        self._listener.step_interrupted(step)

    def record_end(self, log: logging.Logger, is_canceled: Callable[[], bool]) -> None:
        """Write the run's end into the ledger, as far as this process knows it. Never raises."""
        from blb_migration.report.ending import record_failures, record_open_ending
        from blb_migration.report.sentences import Ending

        if self._migration is None:
            return
        knows_end = bool(self._failures) or self._is_interrupted or self._has_differences
        if not knows_end and not self.sees_whole_run:
            return
        try:
            if self._is_interrupted or is_canceled():
                record_failures(self._migration, Ending.INTERRUPTED, [*self._list_errors(), INTERRUPTED])
            elif self._failures:
                record_failures(self._migration, self._name_failure(), self._list_errors())
            else:
                record_open_ending(self._migration)
        except MigrationError as error:  # most of all: the target is gone, and the step's error says so
            log.warning("The end of the run is not in the ledger: %s", error)

    def _name_failure(self) -> Ending:
        from blb_migration.report.sentences import Ending

        is_refused = all(isinstance(error, PreflightRefused) for _, error in self._failures)
        return Ending.REFUSED if is_refused else Ending.FAILED

    def _list_errors(self) -> list[str]:
        return [_describe_error(step, error) for step, error in self._failures]


def _describe_error(step: str, error: BaseException) -> str:
    if isinstance(error, MigrationError):
        return str(error)
    # A foreign error's text may hold anything; Dagster's log has it.
    return f"{step}: {type(error).__name__}, a bug in blb_migration"
