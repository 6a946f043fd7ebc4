"""What every step of the night is given: who, what, between which servers, by which file."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from blb_migration.cutover.cutover_file import NightFile
from blb_migration.cutover.journal import Actor, Journal
from blb_migration.cutover.night_models import NightSettings
from blb_migration.masking import mask_secrets
from blb_migration.plan.project import Project
from blb_migration.postgres import catalog as target_catalog
from blb_migration.postgres.connect import TargetConnector
from blb_migration.sqlserver import catalog as source_catalog
from blb_migration.sqlserver.connect import SourceConnector


@dataclass(frozen=True)
class JobOutcome:
    """How one of the migration's own jobs ended. ``report`` is its report's file, sealed by ``sha256``."""

    run_id: str
    is_equal: bool
    verdict: str
    report: Path | None = None
    sha256: str | None = None


class JobRunner(Protocol):
    """Runs the migration's own jobs, as ``blb-migrate`` and ``blb-migrate reconcile`` do."""

    def __call__(
        self,
        kind: str,
        *,
        output: Path,
        rereads_source: bool | None = None,
        replaced: Collection[str] = (),
        reason: str | None = None,
    ) -> JobOutcome:
        """Run ``cutover`` (load and check) or ``reconcile`` (check alone). Raises MigrationError.

        ``replaced`` are tables whose rows may go though others have changed them, for a person's ``reason``.
        """


@dataclass(frozen=True)
class Night:
    """One night. ``project`` has the catalogs of catalog.json; ``read_live_project`` those of this moment.

    ``tell`` shows a line at once. ``now`` is UTC.
    """

    project: Project
    source: SourceConnector
    target: TargetConnector
    file: NightFile
    journal: Journal
    actor: Actor
    run_job: JobRunner
    tell: Callable[[str], None] = lambda _line: None
    now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC)
    sleep: Callable[[float], None] = time.sleep

    @property
    def settings(self) -> NightSettings:
        """Return what cutover.yaml says."""
        return self.file.settings

    @property
    def records(self) -> Path:
        """Where the journal, reports and saved rows go."""
        return self.settings.records

    def read_live_project(self) -> Project:
        """Read the project over both catalogs as they are now. Raises SourceError or TargetError."""
        with self.source.connect() as session:
            source = source_catalog.read_catalog(session)
        with self.target.connect() as connection:
            target = target_catalog.read_catalog(connection)
        return self.project.with_catalogs(source, target)

    def mask(self, text: str) -> str:
        """Return ``text`` without any secret that cutover.yaml, smoke.yaml or a URL has brought in."""
        known = {self.source.settings.password or "", self.target.settings.password or ""}
        return mask_secrets(text, self.file.secrets | known)
