"""Both databases as they are now: the settings given, the catalogs read, the project over them.

The graph and the plan are built from these, not from catalog.json, so that they show what is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from blb_migration.cancellation import Cancellation, Interrupted, run_cancellable
from blb_migration.errors import MigrationError
from blb_migration.first_few import name_some
from blb_migration.model import Catalog
from blb_migration.plan.project import DEFAULT_PROJECT, Project, load_project
from blb_migration.postgres import catalog as target_catalog
from blb_migration.postgres.connect import TargetConnector
from blb_migration.preflight.same_database import refuse_same_database
from blb_migration.settings import (
    SourceSettings,
    TargetSettings,
    read_project_folder,
    read_source_settings,
    read_target_settings,
)
from blb_migration.settings.variable_list import refuse_misspelt_variables
from blb_migration.sqlserver import catalog as source_catalog
from blb_migration.sqlserver.connect import SourceConnector


@dataclass(frozen=True)
class Databases:
    """Where the two databases are, and how to open them; nothing is contacted yet."""

    source_settings: SourceSettings
    target_settings: TargetSettings

    @property
    def source(self) -> SourceConnector:
        """Opens sessions with the source."""
        return SourceConnector(self.source_settings)

    @property
    def target(self) -> TargetConnector:
        """Opens sessions with the target."""
        return TargetConnector(self.target_settings)


def read_databases(source_url: str | None, target_url: str | None) -> Databases:
    """Read the databases of the command line or the environment. Raises ConfigurationError."""
    refuse_misspelt_variables()
    return Databases(read_source_settings(source_url), read_target_settings(target_url))


def read_project(folder: Path | None) -> Project:
    """Read the project of the command line or the environment, else the ERP's. Raises ConfigurationError."""
    return load_project(read_project_folder(folder) or DEFAULT_PROJECT)


def read_catalogs(databases: Databases) -> tuple[Catalog, Catalog]:
    """Both catalogs, source first.

    Raises SourceUnreachable or TargetUnreachable, SourceError or TargetError when a catalog cannot be
    read, and ConfigurationError when both URLs lead to one and the same database.
    """
    cancellation, source, target = Cancellation(), databases.source, databases.target
    with source.cancelled_by(cancellation), target.cancelled_by(cancellation):
        try:
            return run_cancellable(
                lambda: _read_catalogs(source, target), cancellation, (KeyboardInterrupt, Interrupted)
            )
        except MigrationError:
            if not cancellation.is_asked:  # else it was broken off, which looks like an error
                raise
        except Interrupted:
            pass
    raise KeyboardInterrupt


def _read_catalogs(
    source_connector: SourceConnector, target_connector: TargetConnector
) -> tuple[Catalog, Catalog]:
    with source_connector.connect() as session:
        source = source_catalog.read_catalog(session)
    if source_catalog.BABELFISH in source.server_version:
        refuse_same_database(source_connector, target_connector)
    with target_connector.connect() as connection:
        target = target_catalog.read_catalog(connection)
    return source, target


def describe_changes(known: Project, live: Project) -> list[str]:
    """Name in short what the databases have now that catalog.json has not, and the other way round."""
    changes = []
    for side, before, now in (
        ("source", known.source, live.source),
        ("target", known.target, live.target),
    ):
        added = sorted(str(name) for name in now.tables_by_name.keys() - before.tables_by_name.keys())
        removed = sorted(str(name) for name in before.tables_by_name.keys() - now.tables_by_name.keys())
        changed = sorted(
            str(name)
            for name in before.tables_by_name.keys() & now.tables_by_name.keys()
            if before.tables_by_name[name].columns_by_name.keys()
            != now.tables_by_name[name].columns_by_name.keys()
        )
        for word, names in (("new", added), ("gone", removed), ("changed", changed)):
            if names:
                changes.append(f"{side}: {len(names)} {word} ({name_some(names)})")
    return changes
