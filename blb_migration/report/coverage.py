"""What was compared and what was not, counted from the recorded checks: a report must not promise more.

A column's metrics carry its name, ``sum(price)``; their kinds are those of ``metrics``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from blb_migration.checks import CHECKS, complete_comparison
from blb_migration.postgres.ledger.records import CheckResult
from blb_migration.report.facts import TableFacts

CONTENT = "content"
_COLUMN_METRIC = re.compile(r"(?P<kind>[a-z_]+)\((?P<column>.*)\)", re.DOTALL)
_COUNTS_ONLY = frozenset({"count_non_null"})
_COUNTS_AND_LENGTHS = frozenset({"count_non_null", "sum_length"})

Comparison = dict[str, Any]


def describe_coverage(tables: Sequence[TableFacts]) -> dict[str, Any]:
    """Per check the tables that passed, differ or were not compared; and columns by how closely they were.

    Only results that count are counted: of the table's latest load. ``columns`` leaves out tables whose
    every cell was compared (``content``). ``metrics_left_out`` are those the source refused to compute.
    """
    exactly, by_length, by_count = 0, [], []
    for table in tables:
        if _has_passed(table, CONTENT):
            continue
        for column, kinds in _kinds_by_column(table).items():
            if kinds <= _COUNTS_ONLY:
                by_count.append(f"{table.label}.{column}")
            elif kinds <= _COUNTS_AND_LENGTHS:
                by_length.append(f"{table.label}.{column}")
            else:
                exactly += 1
    return {
        "checks": [_describe_check(name, tables) for name in CHECKS],
        "tables_compared_cell_by_cell": sum(_has_passed(table, CONTENT) for table in tables),
        "columns_by_totals": exactly,
        "columns_by_count_and_length_only": by_length,
        "columns_by_count_only": by_count,
        "metrics_left_out": [
            f"{table.label}: {name}" for table in tables for name in iterate_left_out(table)
        ],
    }


def iterate_left_out(table: TableFacts) -> Iterator[str]:
    """Name the metrics of the latest load that the source refused to compute."""
    for check in table.checks:
        left_out = check.details.get("left_out")
        if _is_current(table, check) and isinstance(left_out, list):
            yield from map(str, left_out)


def iterate_comparisons(table: TableFacts) -> Iterator[Comparison]:
    """Every metric on record for the table's latest load, in the order of the checks."""
    for check in table.checks:
        if _is_current(table, check):
            comparisons = check.details.get("comparisons")
            yield from map(complete_comparison, comparisons if isinstance(comparisons, list) else ())


def find_differences(table: TableFacts) -> dict[str, Any] | None:
    """Where the differing rows of the latest load are kept, and the first of them; None without any."""
    for check in table.checks:
        kept = check.details.get("differences")
        if _is_current(table, check) and isinstance(kept, dict):
            return kept
    return None


def _describe_check(name: str, tables: Sequence[TableFacts]) -> dict[str, Any]:
    passed = sum(_has_passed(table, name) for table in tables)
    differing = [
        table.label
        for table in tables
        if any(c.check_name == name and not c.passed and _is_current(table, c) for c in table.checks)
    ]
    return {
        "name": name,
        "meaning": CHECKS[name],
        "tables_passed": passed,
        "tables_differing": len(differing),
        "tables_not_compared": len(tables) - passed - len(differing),
    }


def _has_passed(table: TableFacts, name: str) -> bool:
    return any(c.check_name == name and c.passed and _is_current(table, c) for c in table.checks)


def _is_current(table: TableFacts, check: CheckResult) -> bool:
    return table.load is not None and check.load_id == table.load.load_id


def _kinds_by_column(table: TableFacts) -> dict[str, set[str]]:
    kinds: dict[str, set[str]] = {}
    for comparison in iterate_comparisons(table):
        matched = _COLUMN_METRIC.fullmatch(str(comparison.get("name", "")))
        if matched and not comparison.get("is_key_total"):
            kinds.setdefault(matched["column"], set()).add(matched["kind"])
    return kinds
