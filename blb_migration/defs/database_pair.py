"""The resource ``databases``: Dagster's Resources page shows which variables name an environment's databases.

Their values are read when a step runs; Dagster neither stores nor shows them.
"""

from dagster import ConfigurableResource, EnvVar
from pydantic import Field

from blb_migration.defs.connectors import Connectors, build_connectors
from blb_migration.settings.environments import (
    Environment,
    find_unusable_variables,
    name_variables,
    parse_pair,
    read_pair,
)

DATABASES_KEY = "databases"
_HIDDEN = "DatabasePair(source_conn=***, target_conn=***)"


class DatabasePair(ConfigurableResource):  # type: ignore[type-arg]
    """The two databases of one environment, by their URLs; empty where no usable variable names them."""

    source_conn: str = Field(description="The source, SQL Server: it is only read.")
    target_conn: str = Field(description="The target, PostgreSQL.")

    def connect(self, environment: Environment) -> Connectors:
        """Return what connects to both; nothing is contacted yet. Raises ConfigurationError."""
        if not (self.source_conn and self.target_conn):
            return build_connectors(*read_pair(environment))
        return build_connectors(*parse_pair(environment, self.source_conn, self.target_conn))

    def __repr__(self) -> str:
        return _HIDDEN

    __str__ = __repr__


def build_database_pair(environment: Environment) -> DatabasePair:
    """Build the resource of the environment; a variable that is missing now is named when a step asks."""
    source, target = name_variables(environment)
    unusable = find_unusable_variables(environment)
    return DatabasePair(
        source_conn="" if source in unusable else EnvVar(source),
        target_conn="" if target in unusable else EnvVar(target),
    )
