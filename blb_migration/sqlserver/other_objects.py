"""What a source database holds besides tables, for the report: nothing of it is migrated, all of it is
named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from blb_migration.errors import SourceError
from blb_migration.sqlserver import catalog_rows
from blb_migration.sqlserver.connect import SourceSession

# sys.objects.type
_KINDS = {
    "V": "view",
    "P": "procedure",
    "PC": "procedure",
    "X": "procedure",
    "FN": "function",
    "IF": "function",
    "TF": "function",
    "FS": "function",
    "FT": "function",
    "AF": "metric",
    "TR": "trigger",
    "TA": "trigger",
    "SO": "sequence",
}


@dataclass(frozen=True, order=True)
class SourceModule:
    """One view, procedure, function, trigger, sequence or synonym, or a feature of a table.

    ``parent`` is a trigger's table. ``definition`` is its T-SQL (for a synonym: what it stands for, for a
    table's feature: what it consists of), or None when the server does not show it.
    """

    kind: str
    schema: str
    name: str
    parent: str | None = None
    definition: str | None = None


def read_not_migrated(session: SourceSession) -> tuple[SourceModule, ...]:
    """All of them, sorted by kind, schema and name; what the server does not list is noted in the session."""
    modules: list[SourceModule] = []
    try:
        for schema, name, kind, parent, definition in session.read_rows(
            catalog_rows.MODULES, action="reading the catalog (views, procedures, triggers)"
        ):
            modules.append(SourceModule(_KINDS[kind.strip().upper()], schema, name, parent, definition))
    except SourceError as error:
        session.notes.append(f"views, procedures and triggers are not listed ({error.found})")
    try:
        for schema, name, base_name in session.read_rows(
            catalog_rows.SYNONYMS, action="reading the catalog (synonyms)"
        ):
            modules.append(SourceModule("synonym", schema, name, definition=base_name))
    except SourceError as error:
        session.notes.append(f"synonyms are not listed ({error.found})")
    try:
        for row in session.read_rows(
            catalog_rows.TABLE_FEATURES, action="reading the catalog (temporal and memory-optimized tables)"
        ):
            modules += _iterate_features(row)
    except SourceError as error:
        session.notes.append(
            f"temporal and memory-optimized tables and full-text indexes are not listed ({error.found})"
        )
    return tuple(sorted(modules, key=lambda module: (module.kind, module.schema, module.name)))


def _iterate_features(row: tuple[Any, ...]) -> Iterator[SourceModule]:
    """Yield what a table does besides holding rows; its rows are migrated, this is not."""
    schema, name, temporal_type, history_schema, history_name, is_memory_optimized, has_full_text = row
    if temporal_type == 2:
        history = f"-- system-versioned; its history is the table {history_schema}.{history_name}"
        yield SourceModule("temporal table", schema, name, definition=history)
    if is_memory_optimized:
        yield SourceModule("memory-optimized table", schema, name, definition="-- an ordinary table here")
    if has_full_text:
        text = "-- a full-text index; PostgreSQL's are GIN indexes on tsvector"
        yield SourceModule("full-text index", schema, name, definition=text)
