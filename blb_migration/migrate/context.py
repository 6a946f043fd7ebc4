"""What every stage is given: the plan, the two connectors, and which run this is. No behaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from blb_migration.plan.project import Project
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger_records import RunKind
from blb_migration.sqlserver.connect import SourceConnector


@dataclass(frozen=True)
class RunInfo:
    """Which run writes to the ledger: Dagster's run id, and what kind of run it is."""

    run_id: str
    kind: RunKind


@dataclass(frozen=True)
class Comparing:
    """How contents are compared.

    ``rereads_source``: the source is digested anew instead of trusting the load's digest. Differences
    are written below ``differences_folder``, one folder per run.
    """

    rereads_source: bool = False
    differences_folder: Path = Path(".blb/differences")


@dataclass(frozen=True)
class Migration:
    """One migration between two servers under one project."""

    project: Project
    source: SourceConnector
    target: TargetConnector
    run: RunInfo
    comparing: Comparing = Comparing()


@dataclass(frozen=True)
class TableProgress:
    """How far one table's load is. ``rows_expected`` is the source's estimate, None when unknown."""

    label: str
    rows_read: int
    rows_expected: int | None
    source_bytes: int
    elapsed_seconds: float


ProgressListener = Callable[[TableProgress], None]
"""Called from the data path after each batch; must return at once."""
