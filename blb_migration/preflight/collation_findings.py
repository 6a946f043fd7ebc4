"""Columns whose texts the source compares without regard to case or accents, and the target does not.

Reported once per table: after the cutover, `WHERE email = 'Ana@…'` finds other rows there. Keys whose rows
would break on it are asked about one by one (``preflight/keys.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from blb_migration.findings import Code, Finding, Severity
from blb_migration.model import Table
from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.table_plans import TablePlan

# In SQL Server's collation names: CI case-insensitive, AI accent-insensitive; CS, AS, BIN and BIN2 are exact.
_INSENSITIVE = re.compile(r"_(CI|AI)(_|$)", re.IGNORECASE)


def find_insensitive_columns(table: TablePlan) -> Iterator[Finding]:
    """At most one finding; a warning when a unique key relies on such a comparison."""
    columns = [column.source.name for column in table.columns if _loses_insensitivity(column)]
    if not columns:
        return
    in_keys = [column for column in columns if column in _unique_columns(table.source)]
    yield Finding(
        Code.CASE_INSENSITIVE_COLLATION,
        Severity.WARNING if in_keys else Severity.NOTE,
        table.label,
        "compared without regard to case or accents at the source, exactly at the target: "
        + ", ".join(columns)
        + (f"; unique at the source: {', '.join(in_keys)}" if in_keys else ""),
        "make them citext or give them a nondeterministic ICU collation at the target, or let the "
        "application compare with lower()",
    )


def _loses_insensitivity(column: ColumnPlan) -> bool:
    is_insensitive = column.source.collation is not None and _INSENSITIVE.search(column.source.collation)
    target = column.target
    return (
        bool(is_insensitive)
        and target.type.name in ("character varying", "character", "text")
        and target.insensitive_locale is None
    )


def _unique_columns(table: Table) -> set[str]:
    names = {name for key in table.unique_keys for name in key.columns}
    names |= set(table.primary_key.columns) if table.primary_key is not None else set()
    return names | {column.name for index in table.indexes if index.unique for column in index.columns}
