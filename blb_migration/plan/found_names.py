"""How a target that is there already spells the source's names: which style, and which schema for which.

A proposal for a new project, from both catalogs. Decides nothing: what is found is written into
decisions.yaml, and what is not found there stays a question.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blb_migration.model import Catalog, Table
from blb_migration.plan.target_names import NameStyle, build_target_name

# Tables and columns are found in any letter case, so that names in lower case need no style of their own.
_STYLES: tuple[NameStyle, ...] = ("keep", "snake")
_PUBLIC = "public"


@dataclass(frozen=True)
class FoundNames:
    """Where most tables and columns of the source are found at the target.

    ``schemas`` has the source schemas whose tables are in a schema of another name.
    """

    style: NameStyle
    schemas: Mapping[str, str]
    table_count: int
    column_count: int


def find_names(source: Catalog, target: Catalog) -> FoundNames:
    """Find the style under which most tables, then most columns, of the source are at the target."""
    found = [_look_for(source, target, style) for style in _STYLES]
    return max(found, key=lambda names: (names.table_count, names.column_count))


def _look_for(source: Catalog, target: Catalog, style: NameStyle) -> FoundNames:
    targets: defaultdict[str, dict[str, Table]] = defaultdict(dict)
    for table in target:
        targets[table.name.schema][table.name.name.lower()] = table
    by_schema: defaultdict[str, list[Table]] = defaultdict(list)
    for table in source:
        by_schema[table.name.schema].append(table)
    schemas: dict[str, str] = {}
    table_count = column_count = 0
    for schema, tables in by_schema.items():
        own_name = build_target_name(schema, style)
        counts = {name: _count_found(tables, there, style) for name, there in targets.items()}
        best = max(
            sorted(name for name in counts if counts[name][0]),
            key=lambda name: (counts[name], name.lower() == own_name.lower(), name == _PUBLIC),
            default=None,
        )
        if best is not None:
            table_count += counts[best][0]
            column_count += counts[best][1]
            if best.lower() != own_name.lower():
                schemas[schema] = best
    return FoundNames(style, schemas, table_count, column_count)


def _count_found(tables: Sequence[Table], targets: Mapping[str, Table], style: NameStyle) -> tuple[int, int]:
    """Count the tables that are among ``targets``, and their columns that the table there has."""
    table_count = column_count = 0
    for table in tables:
        there = targets.get(build_target_name(table.name.name, style).lower())
        if there is not None:
            names = {column.name.lower() for column in there.columns}
            table_count += 1
            column_count += sum(
                build_target_name(column.name, style).lower() in names for column in table.columns
            )
    return table_count, column_count
