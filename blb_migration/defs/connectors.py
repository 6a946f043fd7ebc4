"""The two databases of a run, as what connects to them; imported when a step needs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blb_migration.defs.executor import CELERY
from blb_migration.settings.environments import Environment, read_pair
from blb_migration.settings.variables import ExecutorVariables

if TYPE_CHECKING:
    from blb_migration.postgres.connect import TargetConnector
    from blb_migration.settings import SourceSettings, TargetSettings
    from blb_migration.sqlserver.connect import SourceConnector


@dataclass(frozen=True)
class Connectors:
    """The two databases of a run."""

    source: SourceConnector
    target: TargetConnector


def build_connectors(source: SourceSettings, target: TargetSettings) -> Connectors:
    """Build what connects to both; nothing is contacted.

    The target ends the sessions of a Celery worker that is cut off within seconds: its step is tried again.
    """
    from blb_migration.postgres.connect import TargetConnector
    from blb_migration.sqlserver.connect import SourceConnector

    is_elsewhere = ExecutorVariables.read().executor == CELERY
    return Connectors(SourceConnector(source), TargetConnector(target, is_expendable=is_elsewhere))


def connect_from_environment(environment: Environment) -> Connectors:
    """Return the databases that the environment's variables name right now; nothing is contacted.

    Raises ConfigurationError for a variable that is not set or holds no usable URL.
    """
    return build_connectors(*read_pair(environment))
