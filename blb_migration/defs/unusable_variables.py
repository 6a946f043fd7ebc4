"""What is not configured, on the first page of the UI: a node of the graph for each variable in the way.

The code location loads without any variable, and no run can begin then. The nodes are external assets in
front of ``preflight``: they cannot be materialized, and are gone when Dagster starts with the variables.
"""

from __future__ import annotations

from dagster import AssetKey, AssetSpec

from blb_migration.defs.asset_keys import place_key
from blb_migration.settings.environments import Environment, find_unusable_variables

GROUP = "NOT_CONFIGURED"


def build_unusable_variables(environment: Environment) -> list[AssetSpec]:
    """Build a node for each of the environment's variables that names no usable database."""
    return [
        AssetSpec(
            place_key(AssetKey(f"{variable}_is_not_usable"), environment),
            description=f"**No run can begin.** {str(error).rstrip('.')}. Then start Dagster again: it reads"
            " its variables when it starts.",
            group_name=GROUP,
        )
        for variable, error in find_unusable_variables(environment).items()
    ]
