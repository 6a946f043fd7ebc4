"""Names of things in the asset graph, made from table names that may be anything.

Dagster allows letters, digits and underscores; SQL Server allows whatever stands in brackets. No
metadata and no assets here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence

from dagster import AssetCheckKey, AssetKey

from blb_migration.plan.table_plans import Plan, TablePlan
from blb_migration.settings.environments import PRODUCTION, REHEARSAL, Environment

# Of production; those of the rehearsal have its name before them.
PREFLIGHT = AssetKey("preflight")
TARGET_PREPARED = AssetKey("target_prepared")
CONSTRAINTS_RESTORED = AssetKey("constraints_restored")
RECONCILIATION_REPORT = AssetKey("reconciliation_report")
STAGE_KEYS = (PREFLIGHT, TARGET_PREPARED, CONSTRAINTS_RESTORED, RECONCILIATION_REPORT)

SOURCE_PREFIX = "sqlserver"  # of the source's tables, which nothing here materializes
VERDICT = "may_we_cut_over"
CHECKS_SUFFIX = "checks"
SOURCE_GROUP = "source"
MOST_IN_GROUP = 200
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_]")
_DIGEST_LENGTH = 6


def place_key(key: AssetKey, environment: Environment) -> AssetKey:
    """Return ``key`` as the environment has it: Dagster keeps status and history by key."""
    return key if environment == PRODUCTION else key.with_prefix(environment)


def build_asset_keys(plan: Plan, environment: Environment = PRODUCTION) -> Mapping[str, AssetKey]:
    """Build the asset key of every planned table in ``environment``, by label.

    ``users`` for a table of the default schema, ``sales/orders`` for others. A name that Dagster does
    not allow, or that another table or a stage already has, ends in a digest of its label, so that a
    table's key does not depend on which other tables there are. Keys differ by more than letter case,
    since Dagster names files after them.
    """
    keys = _build_plain_keys(plan)
    return {table.label: place_key(keys[table.label], environment) for table in plan.tables}


def build_source_keys(plan: Plan, environment: Environment = PRODUCTION) -> Mapping[str, AssetKey]:
    """Build the key of every planned table at the source, by label: ``sqlserver/users``."""
    keys = _build_plain_keys(plan)
    return {
        table.label: place_key(keys[table.label].with_prefix(SOURCE_PREFIX), environment)
        for table in plan.tables
    }


def build_verdict_key(environment: Environment) -> AssetCheckKey:
    """Build the key of the environment's verdict, which is a check of its report."""
    return AssetCheckKey(place_key(RECONCILIATION_REPORT, environment), VERDICT)


def build_checks_name(key: AssetKey) -> str:
    """Build the name of the operation that runs a table's checks."""
    return f"{_operation_name(key)}__{CHECKS_SUFFIX}"


def build_group_names(plan: Plan) -> Mapping[str, str]:
    """Build the name of every planned table's group, by label, as Dagster allows it.

    Schemas, which are groups by default, may be called anything. A group of more tables than a browser draws
    in a moment is cut into parts, ``dbo_01`` and so on, in load order, so that none leads back to an earlier.
    """
    labels: dict[str, list[str]] = {}
    for table in plan.tables:
        labels.setdefault(_FORBIDDEN.sub("_", table.group) or "_", []).append(table.label)
    return {label: name for group, members in labels.items() for label, name in _cut(group, members)}


def build_source_group_names(plan: Plan) -> Mapping[str, str]:
    """Build the same for the tables at the source, which are one group where they are not too many."""
    return dict(_cut(SOURCE_GROUP, [table.label for table in plan.tables]))


def _cut(group: str, labels: Sequence[str]) -> Iterator[tuple[str, str]]:
    width = max(2, len(str(-(-len(labels) // MOST_IN_GROUP))))
    for position, label in enumerate(labels):
        is_whole = len(labels) <= MOST_IN_GROUP
        yield label, group if is_whole else f"{group}_{position // MOST_IN_GROUP + 1:0{width}}"


def _build_plain_keys(plan: Plan) -> dict[str, AssetKey]:
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
    return keys


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
    if len(path) > 1 and path[0].lower() in (REHEARSAL, SOURCE_PREFIX):  # a schema of that name is neither
        path[0] += "_"
    if digested is not None:
        path[-1] += "_" + hashlib.sha256(digested.encode()).hexdigest()[:_DIGEST_LENGTH]
    return path
