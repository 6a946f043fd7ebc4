"""Our load of one table, end to end. The floors that it is compared with are in ``floors``.

Each function runs in a process of its own (see ``worker``) and returns its seconds and its own metrics.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from blb_migration.load.prepare import prepare_target
from blb_migration.load.table import load_table
from blb_migration.migration import Loading, Migration, RunInfo
from blb_migration.plan.decisions_file import parse_decisions
from blb_migration.plan.project import Project
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres import catalog as target_catalog
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.copy import empty_table
from blb_migration.postgres.names import comma_separated, qualified_name
from blb_migration.replacing import read_replacing
from blb_migration.settings import parse_source_url, parse_target_url
from blb_migration.sqlserver import catalog as source_catalog
from blb_migration.sqlserver.connect import SourceConnector

Outcome = tuple[float, dict[str, Any]]
_DECISIONS = "project: benchmark\n"


@dataclass(frozen=True)
class Pair:
    """One table's plan and the migration it belongs to."""

    migration: Migration
    table: TablePlan

    @property
    def target_name(self) -> str:
        """The target table's name, quoted."""
        return qualified_name(self.table.target.name).as_string()

    @property
    def target_columns(self) -> str:
        """The loaded columns of the target, quoted."""
        return comma_separated([column.target.name for column in self.table.columns]).as_string()


def open_pair(source_url: str, target_url: str, table: str) -> Pair:
    """Read both catalogs and plan; nothing of it is measured."""
    source = SourceConnector(parse_source_url(source_url))
    target = TargetConnector(parse_target_url(target_url))
    with source.connect() as session, target.connect() as connection:
        catalogs = source_catalog.read_catalog(session), target_catalog.read_catalog(connection)
    project = Project(Path("benchmark"), parse_decisions(_DECISIONS, "decisions.yaml"), *catalogs)
    migration = Migration(project, source, target, RunInfo(str(uuid.uuid4()), "migration"))
    return Pair(migration, next(t for t in project.plan.tables if t.source.name.name == table))


def load(source_url: str, target_url: str, table: str, loading: dict[str, Any] | None = None) -> Outcome:
    """Our load, end to end, with keys, indexes, sequence and ledger; ``loading`` is of ``Loading``.

    Within a prepared run, and into an empty table: a floor need not judge whose rows are there.
    """
    pair = open_pair(source_url, target_url, table)
    replacing = read_replacing(pair.migration.project.plan, [pair.table.label], "emptied for the next round")
    migration = replace(pair.migration, loading=Loading(**loading or {}), replacing=replacing)
    prepare_target(migration, ())
    with migration.target.connect() as connection:
        empty_table(connection, pair.table.target.name)
    started = time.perf_counter()
    loaded = load_table(migration, pair.table)
    seconds = time.perf_counter() - started
    return seconds, {"rows": loaded.rows_written, "copy_bytes": loaded.copy_bytes}
