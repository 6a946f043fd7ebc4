"""What designing a target schema starts from: the source as it is now, the target where there is one."""

from __future__ import annotations

from dataclasses import dataclass

from blb_migration.model import Catalog
from blb_migration.postgres import catalog as target_catalog
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.server_features import USUAL_SERVER, ServerFeatures, read_server_features
from blb_migration.settings import read_source_settings, read_target_settings
from blb_migration.settings.variable_list import refuse_misspelt_variables
from blb_migration.settings.variables import (
    read_url_variable,
)
from blb_migration.sqlserver import catalog as source_catalog
from blb_migration.sqlserver.connect import SourceConnector
from blb_migration.sqlserver.other_objects import SourceModule, read_not_migrated


@dataclass(frozen=True)
class SourceReading:
    """The source's tables, what else it has, and what it did not tell."""

    catalog: Catalog
    modules: tuple[SourceModule, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class TargetReading:
    """The target's tables and abilities; no tables and a usual server where no target is named."""

    catalog: Catalog
    features: ServerFeatures


def read_source(url: str | None) -> SourceReading:
    """Read the source of the command line or the environment.

    Raises ConfigurationError, SourceUnreachable or SourceError.
    """
    refuse_misspelt_variables()
    return read_source_of(SourceConnector(read_source_settings(url)))


def read_source_of(source: SourceConnector) -> SourceReading:
    """Read a source that is known already."""
    with source.connect() as session:
        catalog = source_catalog.read_catalog(session)
        modules = read_not_migrated(session)
        return SourceReading(catalog, modules, tuple(session.notes))


def read_target(url: str | None) -> TargetReading:
    """Read the target of the command line or the environment, if one is named there.

    Raises ConfigurationError, TargetUnreachable or TargetError.
    """
    if not (url or read_url_variable("target_conn")):
        return TargetReading(Catalog("postgres", "", "", None, ()), USUAL_SERVER)
    connector = TargetConnector(read_target_settings(url))
    with connector.connect() as connection:
        return TargetReading(target_catalog.read_catalog(connection), read_server_features(connection))
