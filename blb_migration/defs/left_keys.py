"""Foreign keys that a run has left dropped because the process that would have restored them was not there.

Where one process has all steps, the resource restores them at the run's end. A run of several processes has
no such place, and a killed one no end: Dagster's daemon sees both fail, and these sensors restore then. The
next run, and ``blb-migrate restore-keys``, do the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster import (
    DagsterRunStatus,
    DefaultSensorStatus,
    RunStatusSensorContext,
    SensorDefinition,
    SkipReason,
    run_status_sensor,
)

from blb_migration.defs.resource import MigrationResource
from blb_migration.defs.tick_budget import ASKING_SECONDS, Apart
from blb_migration.errors import MigrationError

if TYPE_CHECKING:
    from blb_migration.load.finish import RestoredConstraints

_STATUSES = (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)


def build_left_key_sensors(resource: MigrationResource) -> list[SensorDefinition]:
    """Build the sensors that restore what a failed or canceled run has left dropped."""
    return [_build_sensor(resource, status) for status in _STATUSES]


def _build_sensor(resource: MigrationResource, status: DagsterRunStatus) -> SensorDefinition:
    @run_status_sensor(
        run_status=status,
        name=f"keys_after_{status.value.lower()}",
        default_status=DefaultSensorStatus.RUNNING,
        description="Restores the foreign keys that a run has left dropped.",
    )
    def restore(context: RunStatusSensorContext) -> SkipReason:
        # A large key takes longer than a tick: the restoring goes on, and the next tick sees the target held.
        restoring = Apart(lambda: _restore(resource, context.dagster_run.run_id))
        if not restoring.wait(ASKING_SECONDS):
            return SkipReason(f"foreign keys are being restored for more than {ASKING_SECONDS:g} seconds")
        try:
            restored = restoring.get()
        except MigrationError as error:  # the next run tries again
            context.log.error(str(error))
            return SkipReason(f"foreign keys stay dropped: {error}")
        return SkipReason(f"{len(restored.restored)} foreign keys restored")

    return restore


def _restore(resource: MigrationResource, run_id: str) -> RestoredConstraints:
    from blb_migration.load.finish import RestoredConstraints, restore_after_run
    from blb_migration.postgres.target_hold import read_holder
    from blb_migration.run_hold import holding_target

    target = resource.connect(resource.environment).target
    with target.connect() as connection:
        if read_holder(connection) is not None:  # whose end restores every key
            return RestoredConstraints(())
    with holding_target(target, run_id) as hold:
        hold.ensure()
        restored = restore_after_run(target, run_id)
    restored.require_all()
    return restored
