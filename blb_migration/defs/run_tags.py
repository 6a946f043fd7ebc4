"""The tags of a run: which environment and databases, what kind of run, and who carries it out; its pool.

They tell people, and the next process. None of them chooses a database: that does the code location's own
environment, whatever a tag says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dagster import DagsterInstance

from blb_migration.defs.optional_internals import find_internal

if TYPE_CHECKING:
    from blb_migration.migration import Migration
    from blb_migration.settings.environments import Environment

KIND_TAG = "blb/kind"
ENVIRONMENT_TAG = "blb/environment"
SOURCE_TAG = "blb/source"
TARGET_TAG = "blb/target"
OFF_RECORD_TAG = "blb/off_record"
CONNECTIONS_TAG = "blb/connections"  # of earlier versions, where it chose the databases


def name_pool(environment: Environment) -> str:
    """Name the pool of the environment's target: what is in it never runs in two runs at once."""
    return f"{environment}_target"


def describe_places(migration: Migration) -> dict[str, str]:
    """Return the environment and both databases as the metadata of everything that a run leaves."""
    return {
        "environment": migration.run.environment,
        "source": f"SQL Server {migration.source.settings.identity}",
        "target": f"PostgreSQL {migration.target.place}",
    }


def build_place_tags(migration: Migration) -> dict[str, str]:
    """Build the tags that name the run's environment and databases."""
    return {
        ENVIRONMENT_TAG: migration.run.environment,
        SOURCE_TAG: str(migration.source.settings.identity),
        TARGET_TAG: str(migration.target.settings.identity),
    }


def tag_run(
    instance: DagsterInstance, run_id: str, known: Mapping[str, str], tags: Mapping[str, str]
) -> None:
    """Give the run those of ``tags`` that differ from the ``known`` ones, where this Dagster can do that.

    A run that is executed again begins with the tags of the one before.
    """
    changed = {key: value for key, value in tags.items() if known.get(key) != value}
    tag = find_internal("run_states", "tag_run") if changed else None
    if tag is not None:
        tag(instance, run_id, changed)
