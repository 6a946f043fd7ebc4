"""What every stage is given: the plan, the two connectors, and which run this is. Almost no behaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from blb_migration.plan.project import Project
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger.records import RunKind
from blb_migration.settings.environments import PRODUCTION, Environment
from blb_migration.sqlserver.connect import SourceConnector


@dataclass(frozen=True)
class RunInfo:
    """Which run writes to the ledger: Dagster's run id, what kind of run it is, and of which environment.

    ``begun``: by this machine's monotonic clock, so that what came before the entry in the ledger counts as
    well; None where nothing did.
    """

    run_id: str
    kind: RunKind
    environment: Environment = PRODUCTION
    begun: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Comparing:
    """How contents are compared.

    ``rereads_source``: the source is digested anew instead of trusting the load's digest; None: wherever it
    was another run that loaded the table. Differences are written below ``differences_folder``, one folder
    per run.
    """

    rereads_source: bool | None = None
    differences_folder: Path = Path(".blb/differences")


@dataclass(frozen=True)
class Loading:
    """How tables are loaded.

    ``connections`` read and write one large table at once; None: as many as machine and servers bear.
    A table is split into chunks from ``chunked_from_rows`` rows on, or where it has as many bytes as
    that many usual rows. ``chunk_rows`` is the size of a chunk, None: by the table's. With ``resumes``, a
    chunked load that was broken off goes on where it stopped. ``source_sessions`` read and
    ``target_sessions`` write rows at once at most, over all tables, chunks and machines; None: any number.
    """

    connections: int | None = None
    chunked_from_rows: int = 4_000_000
    chunk_rows: int | None = None
    resumes: bool = True
    source_sessions: int | None = 16
    target_sessions: int | None = 16


@dataclass(frozen=True)
class Replacing:
    """A person's word for this run: rows of the tables ``labels`` may go, whoever changed them, and why."""

    labels: frozenset[str] = frozenset()
    reason: str = ""


@dataclass(frozen=True)
class Migration:
    """One migration between two servers under one project."""

    project: Project
    source: SourceConnector
    target: TargetConnector
    run: RunInfo
    comparing: Comparing = Comparing()
    loading: Loading = Loading()
    replacing: Replacing = Replacing()

    @property
    def databases(self) -> str:
        """The environment and its two databases, in a line for people."""
        source, target = self.source.settings.identity, self.target.place
        return f"{self.run.environment}: SQL Server {source} to PostgreSQL {target}"


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
