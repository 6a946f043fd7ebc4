"""How tables are loaded and compared, from the environment, when a run starts."""

from __future__ import annotations

from blb_migration.migration import Comparing, Loading
from blb_migration.settings.variable_list import refuse_misspelt_variables
from blb_migration.settings.variables import (
    ComparingVariables,
    LoadingVariables,
)


def read_loading() -> Loading:
    """Read how tables are loaded. Raises ConfigurationError for a value that is none, or a misspelt name."""
    refuse_misspelt_variables()
    variables = LoadingVariables.read()
    return Loading(
        connections=variables.connections,
        chunked_from_rows=variables.chunked_from_rows,
        resumes=variables.resume,
        source_sessions=variables.source_sessions,
        target_sessions=variables.target_sessions,
    )


def read_comparing() -> Comparing:
    """Read how contents are compared. Raises ConfigurationError."""
    variables = ComparingVariables.read()
    return Comparing(variables.reread, variables.differences.resolve())
