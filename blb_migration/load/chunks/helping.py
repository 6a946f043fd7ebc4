"""Helping a load that another process has begun, here or elsewhere: its chunks, taken from the ledger.

The helper writes chunks and nothing else: beginning, indexes and end of the load are its own process's. What
both must have the same (plan, source, version) is compared with what the load has on record.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from blb_migration.errors import ConfigurationError
from blb_migration.feed.digesting import find_content_key
from blb_migration.load.chunks.resuming import build_basis
from blb_migration.load.chunks.workers import ChunkWorkers
from blb_migration.load.connections import choose_connections
from blb_migration.load.task import LoadTask
from blb_migration.migration import Migration, ProgressListener, RunInfo
from blb_migration.model import Column
from blb_migration.plan.project import Project
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.ledger.chunk_claims import LoadToHelp
from blb_migration.postgres.ledger.live_mark import refuse_live_target
from blb_migration.postgres.session_slots import SessionSlots
from blb_migration.run_hold import holding_target

_NAMES = {
    "tool_version": "the version of blb_migration",
    "plan_hash": "the plan",
    "source_identity": "the source's address",
    "source_origin": "which database the source is",
    "isolation": "the isolation that rows are read with",
    "key_column": "the column that the table is cut along",
    "is_aligned": "how the chunks are cut",
    "hash_function": "the function that rows are hashed with",
    "table_oid": "the table itself",
}


def find_project(projects: Iterable[Project], load: LoadToHelp) -> Project:
    """Find the project whose plan the load goes by; no further one is asked for.

    Raises ConfigurationError when it is none of these.
    """
    name = ""
    for project in projects:
        if project.plan.hash == load.basis["plan_hash"]:
            return project
        name = project.name
    raise ConfigurationError(
        f"project {name}",
        found=f"its plan is not the one that run {load.run_id} loads {load.table} by",
        expected="the project folder of that run: the same decisions.yaml and catalog.json",
        next_act="Name it by --project or BLB_PROJECT",
    )


def help_load(migration: Migration, load: LoadToHelp, on_progress: ProgressListener | None = None) -> None:
    """Load chunks of ``load`` beside its own process until none is to be had, or it has ended.

    ``migration`` has the project of ``find_project``. Raises ConfigurationError for another source or version
    than the load's, TargetHeld when its run has ended and another holds the target, TargetNotOurs for a
    target that is live, SourceError, TargetError, and ValueError for a value that does not fit.
    """
    migration = replace(migration, run=RunInfo(load.run_id, load.kind, load.environment))
    [table] = [each for each in migration.project.plan.tables if each.target.name == load.table]
    column = _find_column(table, load)
    source, target, loading = migration.source, migration.target, migration.loading
    with (
        holding_target(target, load.run_id) as hold,
        source.keeping_sessions(),
        target.keeping_sessions(),
        target.connect() as connection,
    ):
        hold.ensure()
        refuse_live_target(connection, table.label)
        slots = SessionSlots(connection, loading.source_sessions, loading.target_sessions)
        with slots.holding_pair(table.label):
            task = LoadTask(
                migration, table, connection, load.load_id, slots, is_prepared=True, on_progress=on_progress
            )
            _refuse_other_basis(task, column, load)
            ChunkWorkers(task, column, ()).run_once(choose_connections(loading, connection))


def _find_column(table: TablePlan, load: LoadToHelp) -> Column:
    name = load.basis["key_column"]
    return next(pair.source for pair in table.columns if pair.source.name == name)


def _refuse_other_basis(task: LoadTask, column: Column, load: LoadToHelp) -> None:
    with task.migration.source.connect() as session:
        is_aligned = find_content_key(task.table).is_ordered
        own = build_basis(task, column, session, is_aligned=is_aligned)
    for name, found in own.items():
        if found != load.basis.get(name):
            raise ConfigurationError(
                f"run {load.run_id}, table {task.table.label}",
                found=f"{_NAMES[name]} differs: here {found}, there {load.basis.get(name)}",
                expected="the same on every machine that loads chunks of one table",
                next_act="Give this machine the settings of the one that has begun the run",
            )
