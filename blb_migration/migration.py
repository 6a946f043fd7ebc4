"""What every stage is given: the plan, the two connectors, and which run this is. No behaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from blb_migration.plan.project import Project
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger.records import RunKind
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
class Loading:
    """How tables are loaded.

    ``connections`` read and write one large table at once; None: as many as machine and servers bear.
    A table is split into chunks from ``chunked_from_rows`` rows on, or where it has as many bytes as
    that many usual rows. ``chunk_rows`` is the size of a chunk, None: by the table's. With ``resumes``, a
    chunked load that was broken off goes on where it stopped.
    """

    connections: int | None = None
    chunked_from_rows: int = 4_000_000
    chunk_rows: int | None = None
    resumes: bool = True


@dataclass(frozen=True)
class Migration:
    """One migration between two servers under one project."""

    project: Project
    source: SourceConnector
    target: TargetConnector
    run: RunInfo
    comparing: Comparing = Comparing()
    loading: Loading = Loading()


LoadPhase = Literal["loading", "building indexes", "analyzing"]


@dataclass(frozen=True)
class TableProgress:
    """How far the load of one table is, or of ``part``: one of the chunks that a table is split into.

    Rows, bytes and seconds count from the beginning of that part. ``rows_expected`` is the source's
    estimate for the whole table, None when unknown. ``is_kept``: an earlier load that was broken off
    has left these rows; they are done, but say nothing about this load's speed.
    """

    label: str
    rows_read: int
    rows_expected: int | None
    source_bytes: int
    elapsed_seconds: float
    part: int = 0
    is_kept: bool = False


@dataclass(frozen=True)
class PhaseBegun:
    """The load of a table goes on with something else than rows."""

    label: str
    phase: LoadPhase


ProgressEvent = TableProgress | PhaseBegun
ProgressListener = Callable[[ProgressEvent], None]
"""Called from the data path after each batch and at the beginning of each phase, from any thread and from
several at once; must return at once."""
