"""What one process sees of a run: how far its tables are, and how it ends, for the ledger.

Dagster runs no step after one that failed, so the step that writes the report cannot write down that a run
has failed. The resource does, when Dagster lets go of it: at the end of the run where one process carries it
out, at the end of each step where every step has its own process.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from blb_migration.defs.observer import RunObserver
from blb_migration.errors import MigrationError, PreflightRefused, TargetHeld, describe_causes

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from blb_migration.cancellation import Cancellation
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
        self.begun = time.monotonic()
        self.pace = LogPace(clock=clock)
        self.sees_whole_run = False
        self.preflight: PreflightResult | None = None
        self.places: Mapping[str, str] = {}
        self.is_judged = False
        self._listener = listener
        self._migration: Migration | None = None
        self._failures: list[tuple[str, BaseException]] = []
        self._keys_left_off: MigrationError | None = None
        self._is_interrupted = False
        self._has_differences = False
        self._lock = threading.Lock()
        listener.run_opened(self.meter)

    def step_opened(self, migration: Migration, sees_whole_run: bool, places: Mapping[str, str]) -> bool:
        """Note that a step works on ``migration``, and that ``places`` describe it; whether it is the first.

        ``sees_whole_run``: in the process of all the run's steps.
        """
        with self._lock:
            is_first = self._migration is None
            self._migration, self.sees_whole_run, self.places = migration, sees_whole_run, places
        return is_first

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

    def keys_lasting(self, text: str) -> None:
        """Pass it on."""
        self._listener.keys_lasting(text)

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

    def restore_keys(self, log: logging.Logger, giving_up: Cancellation) -> None:
        """Restore the foreign keys that the run has left dropped, where this is the process of all its steps.

        A table that fails, or an interrupt, keeps Dagster from ``constraints_restored``. Never raises.
        """
        from blb_migration.load.finish import restore_after_run
        from blb_migration.postgres.ledger.records import KINDS_THAT_LOAD
        from blb_migration.progress.long_keys import KeyWatch
        from blb_migration.run_hold import holding_target

        migration = self._migration
        if migration is None or not self.sees_whole_run or migration.run.kind not in KINDS_THAT_LOAD:
            return

        def say(text: str) -> None:
            log.info(text)
            self._listener.keys_lasting(text)

        try:
            with holding_target(migration.target, migration.run.run_id) as hold, KeyWatch(say) as watch:
                if not hold.was_taken:  # another run is at work, and restores them
                    return
                hold.ensure()
                restored = restore_after_run(
                    migration.target, migration.run.run_id, giving_up=giving_up, on_key=watch.key_begun
                )
            if restored.restored:
                self._listener.keys_left_over(restored)
            restored.require_all()
        except MigrationError as error:
            self._keys_left_off = error
            log.error("At the end of the run: %s", error)

    def record_end(self, log: logging.Logger, is_canceled: Callable[[], bool]) -> None:
        """Write the run's end into the ledger, as far as this process knows it. Never raises."""
        from blb_migration.report.ending import record_ending, record_failures
        from blb_migration.report.sentences import Ending

        if self._migration is None or self.was_kept_out:
            return
        knows_end = bool(self._failures) or self._is_interrupted or self._has_differences
        if not knows_end and not self.sees_whole_run:
            return
        try:
            if self._is_interrupted or is_canceled():
                record_failures(self._migration, Ending.INTERRUPTED, [*self._list_errors(), INTERRUPTED])
            elif self._failures:
                found = () if self.preflight is None else self.preflight.findings
                record_failures(self._migration, self._name_failure(), self._list_errors(), found)
            else:
                record_ending(self._migration, self._list_errors(), if_open=True)
        except MigrationError as error:  # most of all: the target is gone, and the step's error says so
            log.warning("The end of the run is not in the ledger: %s", error)

    @property
    def was_kept_out(self) -> bool:
        """Whether the run did nothing, since another one held the target: it is no part of its history."""
        return bool(self._failures) and all(isinstance(error, TargetHeld) for _, error in self._failures)

    @property
    def failed_unopened(self) -> bool:
        """Whether no step came as far as the databases: the run was refused by its tags or the variables."""
        return bool(self._failures) and self._migration is None

    @property
    def ends_unjudged(self) -> bool:
        """Whether this process has seen the end of a run that counts, and no step has told the verdict."""
        from blb_migration.postgres.ledger.records import KINDS_OFF_RECORD

        migration = self._migration
        counts = migration is not None and migration.run.kind not in KINDS_OFF_RECORD
        return counts and self.sees_whole_run and not self.is_judged

    def tell_verdict(self, instance: DagsterInstance, log: logging.Logger, *, writes_files: bool) -> None:
        """Report the verdict as the run's end leaves it. Never raises."""
        from blb_migration.defs.verdict_events import read_verdict, report_verdict
        from blb_migration.postgres.connect import TargetConnector

        assert self._migration is not None
        # Sessions of its own: those of a run that was interrupted have been told to end.
        target = TargetConnector(self._migration.target.settings)
        try:
            verdict = read_verdict(target, self.places)
            report_verdict(instance, self._migration.run.environment, verdict, writes_files=writes_files)
        except MigrationError as error:  # the target is gone: the sensor asks again
            log.warning("Whether a cutover may go ahead is not told: %s", error)

    def _name_failure(self) -> Ending:
        from blb_migration.report.sentences import Ending

        is_refused = all(isinstance(error, PreflightRefused) for _, error in self._failures)
        return Ending.REFUSED if is_refused else Ending.FAILED

    def _list_errors(self) -> list[str]:
        ours = [error for _, error in self._failures if isinstance(error, MigrationError)]
        bugs = [(step, error) for step, error in self._failures if not isinstance(error, MigrationError)]
        # A foreign error's text may hold anything; Dagster's log has it.
        errors = [
            *describe_causes(ours),
            *(f"{step}: {type(error).__name__}, a bug in blb_migration" for step, error in bugs),
        ]
        left_off = [] if self._keys_left_off is None else [str(self._keys_left_off)]
        # constraints_restored has said the same where it is what failed.
        return errors + [text for text in left_off if text not in errors]
