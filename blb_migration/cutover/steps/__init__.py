"""The steps of the night, one module each, in the order in which they are carried out."""

from __future__ import annotations

from blb_migration.cutover.step import Step
from blb_migration.cutover.steps.backup import BackupStep
from blb_migration.cutover.steps.configure import ConfigureStep
from blb_migration.cutover.steps.freeze import FreezeStep
from blb_migration.cutover.steps.go_live import LiveStep
from blb_migration.cutover.steps.prove import ProveStep
from blb_migration.cutover.steps.ready import ReadyStep
from blb_migration.cutover.steps.run_migration import MigrateStep
from blb_migration.cutover.steps.smoke import SmokeStep
from blb_migration.cutover.steps.switch import SwitchStep
from blb_migration.cutover.steps.target_schema import TargetSchemaStep
from blb_migration.cutover.steps.watch import WatchStep

STEPS: tuple[Step, ...] = (
    ReadyStep(),
    FreezeStep(),
    BackupStep(),
    TargetSchemaStep(),
    MigrateStep(),
    ProveStep(),
    ConfigureStep(),
    SmokeStep(),
    SwitchStep(),
    LiveStep(),
    WatchStep(),
)
