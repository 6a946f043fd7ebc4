"""A dry run's own ground: the whole migration onto scratch copies of the target's tables, then nothing.

The copies have all the constraints of the originals, so what loads and reconciles here does so there.
Nothing of a dry run stays in the target: its schemas go, and so do its lines in the ledger, or the
ledger itself when the dry run was the first to need one. What a killed one has left goes with the next run
that writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from blb_migration.errors import PreflightRefused
from blb_migration.migration import Migration
from blb_migration.plan.project import Project
from blb_migration.postgres.ledger.dropped_keys import read_dropped_keys
from blb_migration.postgres.ledger.forget import drop_ledger, forget_run, read_left_dry_runs
from blb_migration.postgres.ledger.versions import upgrade_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.scratch_copies import SCRATCH_PREFIX, create_scratch_tables, drop_scratch_schemas


@contextmanager
def on_scratch(migration: Migration) -> Iterator[Migration]:
    """Yield the same migration onto scratch tables, which ``prepare_target`` makes and this block's end
    drops.

    Read what is to be read from the ledger inside the block. Raises PreflightRefused when an unfinished
    run has left the target without some of its foreign keys, and TargetError when the target cannot be
    asked or cleaned.
    """
    with migration.target.connect() as connection:
        had_ledger = upgrade_ledger(connection)
        dropped = [key for _, key in read_dropped_keys(connection)] if had_ledger else []
        if keys := [key for key in dropped if not key.table.schema.startswith(SCRATCH_PREFIX)]:
            raise PreflightRefused(
                "dry run",
                found=f"{len(keys)} foreign keys of the target are dropped by a run that did not finish",
                expected="a target with all its foreign keys in place",
                next_act="Run 'blb-migrate restore-keys', or blb-migrate to its end; then repeat the dry run",
            )
    scratch = replace(migration, project=replace(migration.project, scratch_prefix=SCRATCH_PREFIX))
    try:
        yield scratch
    finally:
        with migration.target.connect() as connection:
            _discard(connection, scratch, had_ledger=had_ledger)


def create_scratch(connection: TargetConnection, project: Project) -> None:
    """Make the copies that ``project``'s plan loads into; leftovers of a killed dry run go first."""
    originals = [table.target.name for table in project.plan_in_place.tables]
    copies = [table.target for table in project.plan.tables]
    create_scratch_tables(connection, list(zip(originals, copies, strict=True)))


def clear_left_scratch(connection: TargetConnection, run_id: str) -> None:
    """Drop what a killed dry run has left, and its lines in the ledger, which there must be.

    The run of ``run_id`` holds the target: no other one is under way. Raises TargetError.
    """
    for left, schemas in read_left_dry_runs(connection, SCRATCH_PREFIX, run_id):
        drop_scratch_schemas(connection, schemas)
        forget_run(connection, left)


def _discard(connection: TargetConnection, scratch: Migration, *, had_ledger: bool) -> None:
    drop_scratch_schemas(connection, sorted({name.schema for name in scratch.project.plan.target_tables}))
    if had_ledger:
        forget_run(connection, scratch.run.run_id)
    else:
        drop_ledger(connection)
