"""Names of things in the asset graph, made from table names that may be anything.

Dagster allows letters, digits and underscores; SQL Server allows whatever stands in brackets. No
metadata and no assets here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from dagster import AssetKey

from blb_migration.plan.table_plans import Plan, TablePlan

PREFLIGHT = AssetKey("preflight")
TARGET_PREPARED = AssetKey("target_prepared")
CONSTRAINTS_RESTORED = AssetKey("constraints_restored")
RECONCILIATION_REPORT = AssetKey("reconciliation_report")
STAGE_KEYS = (PREFLIGHT, TARGET_PREPARED, CONSTRAINTS_RESTORED, RECONCILIATION_REPORT)

CHECKS_SUFFIX = "checks"
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_]")
_DIGEST_LENGTH = 6


def build_asset_keys(plan: Plan) -> Mapping[str, AssetKey]:
    """Build the asset key of every planned table, by label.

    ``users`` for a table of the default schema, ``sales/orders`` for others. A name that Dagster does
    not allow, or that another table or a stage already has, ends in a digest of its label, so that a
    table's key does not depend on which other tables there are. Keys differ by more than letter case,
    since Dagster names files after them.
    """
    taken = {_operation_name(key).lower() for key in STAGE_KEYS}
    keys: dict[str, AssetKey] = {}
    # Plain names first: they keep their names whatever else is there.
    for table in sorted(plan.tables, key=lambda table: (not _is_plain(table), table.label)):
        key = AssetKey(_build_path(table))
        attempt = 0
        while (not _is_plain(table) and attempt == 0) or _is_taken(key, taken):
            key = AssetKey(_build_path(table, f"{table.label}{attempt or ''}"))
            attempt += 1
        taken |= {_operation_name(key).lower(), build_checks_name(key).lower()}
        keys[table.label] = key
    return {table.label: keys[table.label] for table in plan.tables}


def build_checks_name(key: AssetKey) -> str:
    """Build the name of the operation that runs a table's checks."""
    return f"{_operation_name(key)}__{CHECKS_SUFFIX}"


def build_integrity_name(key: AssetKey) -> str:
    """Build the name of a table's check among those of ``constraints_restored``."""
    return f"integrity_{_operation_name(key)}"


def build_group_name(group: str) -> str:
    """Build a group name that Dagster allows; schemas, which are groups by default, may be called
    anything."""
    return _FORBIDDEN.sub("_", group) or "_"


def _operation_name(key: AssetKey) -> str:
    return "__".join(key.path)


def _is_taken(key: AssetKey, taken: set[str]) -> bool:
    return bool({_operation_name(key).lower(), build_checks_name(key).lower()} & taken)


def _name_parts(table: TablePlan) -> list[str]:
    name = table.source.name
    return [name.name] if table.label == name.name else [name.schema, name.name]


def _is_plain(table: TablePlan) -> bool:
    return not any(_FORBIDDEN.search(part) for part in _name_parts(table))


def _build_path(table: TablePlan, digested: str | None = None) -> list[str]:
    path = [_FORBIDDEN.sub("_", part) for part in _name_parts(table)]
    if digested is not None:
        path[-1] += "_" + hashlib.sha256(digested.encode()).hexdigest()[:_DIGEST_LENGTH]
    return path
