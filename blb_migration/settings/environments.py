"""The environments: production's pair of databases and its rehearsal's, each by its own variables.

A run is of one environment from its beginning to its end, and reads no variable of the other but to see that
both do not mean one target.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from blb_migration.errors import ConfigurationError
from blb_migration.settings.source import SourceSettings, parse_source_url
from blb_migration.settings.target import TargetSettings, parse_target_url
from blb_migration.settings.urls import DatabaseIdentity
from blb_migration.settings.variables import name_variable, read_url_variable

Environment = Literal["production", "rehearsal"]
PRODUCTION: Final = "production"
REHEARSAL: Final = "rehearsal"

# Fields of variables.DatabaseVariables.
_FIELDS: Mapping[Environment, tuple[str, str]] = {
    PRODUCTION: ("source_conn", "target_conn"),
    REHEARSAL: ("rehearsal_source_conn", "rehearsal_target_conn"),
}
_SOURCE_URL = "the source, mssql+pyodbc://..."
_TARGET_URL = "the target, postgresql://user:password@host:5432/database"


def is_configured(environment: Environment) -> bool:
    """Whether both databases of the environment are named by variables."""
    return all(read_url_variable(field) for field in _FIELDS[environment])


def read_pair(environment: Environment) -> tuple[SourceSettings, TargetSettings]:
    """Read the two databases of one environment; nothing is contacted.

    Raises ConfigurationError for a variable that is not set or holds no usable URL, and where the other
    environment has the same target.
    """
    source_field, target_field = _FIELDS[environment]
    urls = _require_url(source_field, _SOURCE_URL), _require_url(target_field, _TARGET_URL)
    return parse_pair(environment, *urls)


def parse_pair(
    environment: Environment, source_url: str, target_url: str
) -> tuple[SourceSettings, TargetSettings]:
    """Parse the URLs of one environment's databases. Raises ConfigurationError as ``read_pair`` does."""
    source, target = parse_source_url(source_url), parse_target_url(target_url)
    _refuse_shared_target(environment, target)
    return source, target


def name_variables(environment: Environment) -> tuple[str, str]:
    """Name the variables of the environment's source and target."""
    source, target = _FIELDS[environment]
    return name_variable(source), name_variable(target)


def find_unusable_variables(environment: Environment) -> Mapping[str, ConfigurationError]:
    """Find what is wrong with the environment's variables, by name; nothing where its databases are named."""
    source_field, target_field = _FIELDS[environment]
    unusable = {}
    for field, url, parse in (
        (source_field, _SOURCE_URL, parse_source_url),
        (target_field, _TARGET_URL, parse_target_url),
    ):
        try:
            parse(_require_url(field, url))
        except ConfigurationError as error:
            unusable[name_variable(field)] = error
    if not unusable:
        try:
            read_pair(environment)
        except ConfigurationError as error:  # the other environment has the same target
            unusable[name_variable(target_field)] = error
    return unusable


def read_target_identity(environment: Environment) -> DatabaseIdentity | None:
    """Read which target the environment's variable means, None where it is not set. Raises
    ConfigurationError."""
    url = read_url_variable(_FIELDS[environment][1])
    return None if url is None else parse_target_url(url).identity


def describe_pair(environment: Environment) -> str:
    """Describe the pair in words as the variables are now; what is wrong with them where they name none."""
    try:
        source, target = read_pair(environment)
    except ConfigurationError as error:
        return f"Not usable yet: {error}"
    return f"SQL Server {source.identity} to PostgreSQL {target.identity}."


def find_environment(target: TargetSettings) -> Environment:
    """Find whose target this is: the rehearsal's if its variable means this database, else production's.

    Raises ConfigurationError where both variables do.
    """
    if read_target_identity(REHEARSAL) != target.identity:
        return PRODUCTION
    _refuse_shared_target(REHEARSAL, target)
    return REHEARSAL


def _refuse_shared_target(environment: Environment, target: TargetSettings) -> None:
    other: Environment = PRODUCTION if environment == REHEARSAL else REHEARSAL
    if read_target_identity(other) != target.identity:
        return
    variables = " and ".join(name_variable(_FIELDS[each][1]) for each in (PRODUCTION, REHEARSAL))
    raise ConfigurationError(
        f"environment variables {variables}",
        found=f"both mean the database {target.identity}",
        expected="a target of its own for production and for the rehearsal",
        next_act="Correct one of them, or unset the rehearsal's variables",
    )


def _require_url(field: str, expected: str) -> str:
    url = read_url_variable(field)
    if url is None:
        variable = name_variable(field)
        raise ConfigurationError(
            f"environment variable {variable}",
            found="it is not set",
            expected=f"the SQLAlchemy URL of {expected}",
            next_act=f"Set {variable} where Dagster's code location runs, and run again",
        )
    return url
