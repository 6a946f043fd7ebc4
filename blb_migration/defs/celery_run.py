"""The run's own process where its steps are carried out elsewhere: it holds the target, and ends the run.

It takes the target before a step is submitted, and keeps it until the end, so that no other run comes in
between while steps wait in a queue or a worker is lost; a run that has to wait for another keeps no worker
busy. At the end it does what a run in one process does: foreign keys are restored, the end is recorded, the
verdict is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from dagster import DagsterEvent, DagsterEventType

from blb_migration.cancellation import run_to_end
from blb_migration.defs.asset_keys import VERDICT
from blb_migration.defs.cancelling import INTERRUPTS
from blb_migration.defs.dead_runs import build_process_tags
from blb_migration.defs.observer import RunObserver
from blb_migration.defs.resource import KINDS_WITHOUT_HOLD, MigrationResource, find_kind
from blb_migration.defs.run_notes import RunNotes
from blb_migration.defs.run_tags import OFF_RECORD_TAG, describe_places, tag_run
from blb_migration.errors import MigrationError, TargetHeld
from blb_migration.waiting import told_to

if TYPE_CHECKING:
    from blb_migration.run_hold import TargetHold

_OF_A_STEPS_END = (DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE)


class KeptRun:
    """What the run's process knows and does. ``refusal``: another run holds the target."""

    def __init__(self, notes: RunNotes, hold: TargetHold | None, log: Any) -> None:
        self.refusal: TargetHeld | None = None
        self._notes = notes
        self._hold = hold
        self._log = log

    def take_hold(self) -> None:
        """Hold the target, anew where the session was lost. Another run that has it is the ``refusal``."""
        if self._hold is None or self.refusal is not None:
            return
        try:
            self._hold.ensure()
        except TargetHeld as error:
            self.refusal = error
        except MigrationError as error:  # the next step meets the same, and fails with it
            self._log.info(f"The run's own process does not hold the target: {error}")

    def hear(self, event: DagsterEvent) -> None:
        """Note what a worker has told of the run."""
        is_check = event.event_type is DagsterEventType.ASSET_CHECK_EVALUATION
        if is_check and event.asset_check_evaluation_data.check_name == VERDICT:
            self._notes.is_judged = True
        elif event.event_type in _OF_A_STEPS_END:
            self.take_hold()

    def step_failed(self, step: str, error: MigrationError) -> None:
        """Keep the failure of a step whose worker cannot do so itself."""
        self._notes.step_failed(step, error)


@contextmanager
def keeping_run(resource: MigrationResource, context: Any) -> Iterator[KeptRun]:
    """Yield what keeps the run of Dagster's ``context`` together, and end the run after the block."""
    from blb_migration.run_hold import holding_target

    notes = RunNotes(resource.project.plan.tables, RunObserver())
    run, instance, log = context.dagster_run, context.instance, context.log
    tag_run(instance, run.run_id, run.tags, build_process_tags(run.run_id))
    with ExitStack() as stack:
        stack.enter_context(told_to(log.warning))
        try:
            migration = resource.build_migration(run.run_id, find_kind(run, resource.environment))
        except MigrationError:  # no databases are configured: the first step says so
            yield KeptRun(notes, None, log)
            return
        if migration.run.kind in KINDS_WITHOUT_HOLD:
            yield KeptRun(notes, None, log)
            return
        notes.step_opened(migration, True, describe_places(migration))
        hold = stack.enter_context(holding_target(migration.target, run.run_id))
        kept = KeptRun(notes, hold, log)
        kept.take_hold()
        try:
            yield kept
        finally:
            if notes.was_kept_out:
                tag_run(instance, run.run_id, {}, {OFF_RECORD_TAG: "another run held the target"})
            elif hold.was_taken:
                run_to_end(lambda: _end(resource, notes, run.run_id, context), INTERRUPTS)


def _end(resource: MigrationResource, notes: RunNotes, run_id: str, context: Any) -> None:
    """End a run that has held its target, as a run in one process does."""
    run = context.instance.get_run_by_id(run_id)
    notes.restore_keys(context.log, resource.giving_up)
    notes.record_end(context.log, lambda: run is not None and run.status.value in ("CANCELING", "CANCELED"))
    if notes.ends_unjudged:
        notes.tell_verdict(context.instance, context.log, writes_files=resource.writes_reports)
