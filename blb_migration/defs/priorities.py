"""Which table goes first: the one with the longest way to the end of the graph, in bytes to be read.

The longest table first, but a small parent of a long table before a long table with nothing below it. Sizes
are the catalog's estimates, so this decides about speed and nothing else.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from graphlib import TopologicalSorter

from blb_migration.plan.table_plans import Plan, TablePlan
from blb_migration.progress.row_widths import guess_row_bytes

PRIORITY_TAG = "dagster/priority"  # steps of a higher one are started first


def estimate_bytes(plan: Plan) -> dict[str, float]:
    """About how much is to be read of each table, by label."""
    return {table.label: _estimate_table_bytes(table) for table in plan.tables}


def measure_ways(sizes: Mapping[str, float], parents: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    """For each table its own size and that of the largest chain of tables that wait for it.

    ``parents`` must have no cycle. Parents that ``sizes`` does not know are left out.
    """
    known = {label: set(parents[label]) & sizes.keys() for label in sizes}
    ways = dict(sizes)
    for label in reversed([*TopologicalSorter(known).static_order()]):  # children before parents
        for parent in known[label]:
            ways[parent] = max(ways[parent], sizes[parent] + ways[label])
    return ways


def rank_tables(plan: Plan) -> dict[str, int]:
    """Return the priority of each table by label: the number of tables with a shorter way."""
    parents = {table.label: table.upstream for table in plan.tables}
    ways = measure_ways(estimate_bytes(plan), parents)
    ordered = sorted(ways.values())
    return {label: bisect_left(ordered, way) for label, way in ways.items()}


def _estimate_table_bytes(table: TablePlan) -> float:
    rows = max(table.source.row_estimate or 0, 1)  # an empty table still is a step
    return rows * guess_row_bytes(column.source.type for column in table.columns)
