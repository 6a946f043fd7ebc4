"""What a source database holds besides the plan's tables, for the report: not migrated, all of it named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
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
    "RF": "procedure",
    "FN": "function",
    "IF": "function",
    "TF": "function",
    "FS": "function",
    "FT": "function",
    "AF": "function",
    "TR": "trigger",
    "TA": "trigger",
    "R": "rule",
    "D": "default",
    "EC": "edge constraint",
    "SQ": "queue",
}
# Why it is not migrated, of those that hold rows or stand for something that does.
_REASONS = {
    "temporal table": "Its rows and those of its history are migrated as the plan says; that PostgreSQL "
    "keeps versions of them is not.",
    "memory-optimized table": "Its rows are migrated as the plan says, into an ordinary table.",
    "full-text index": "The texts are migrated as the plan says; PostgreSQL searches them by a GIN index on "
    "tsvector.",
    "queue": "The messages that wait in it are not migrated: let its readers empty it before the cutover.",
    "system table": "SQL Server marks it as its own (is_ms_shipped), as change data capture and replication "
    "do: its rows are not migrated. If they are yours, copy them into a table of yours first.",
    "sequence": "{told}: where the new application has one like it, let it number on from there.",
}


@dataclass(frozen=True, order=True)
class SourceModule:
    """One view, procedure, function, trigger, sequence or synonym, or a feature of a table.

    ``parent`` is a trigger's table. ``definition`` is its T-SQL (for a synonym: what it stands for, for a
    table's feature: what it consists of), or None when the server does not show it. ``row_count`` is a
    system table's, by the source's statistics.
    """

    kind: str
    schema: str
    name: str
    parent: str | None = None
    definition: str | None = None
    row_count: int | None = None

    @property
    def reason(self) -> str:
        """Say why it is not migrated, and what becomes of what it stands for."""
        usual = f"A {self.kind} holds no rows; the new application brings its own, or somebody rewrites it."
        told = (self.definition or "what it has come to is not known").removeprefix("-- ")
        return _REASONS.get(self.kind, usual).format(told=told)


def read_not_migrated(session: SourceSession) -> tuple[SourceModule, ...]:
    """All of them, sorted by kind, schema and name; what the server does not list is noted in the session.

    Raises a transient SourceError.
    """
    modules: list[SourceModule] = []
    for what, statement, build, is_newer in _LISTS:
        try:
            rows = session.read_rows(statement, action=f"reading the catalog ({what})")
        except SourceError as error:
            if error.is_transient:
                raise
            if not (is_newer and error.is_unknown_name):  # an older server has none
                session.notes.append(f"{what} are not listed ({error.found})")
            continue
        modules += map(build, rows)
    return tuple(sorted(modules, key=lambda module: (module.kind, module.schema, module.name)))


def _build_module(row: tuple[Any, ...]) -> SourceModule:
    schema, name, kind, parent, definition = row
    return SourceModule(_KINDS.get(kind.strip().upper(), "object"), schema, name, parent, definition)


def _build_sequence(row: tuple[Any, ...]) -> SourceModule:
    schema, name, current, increment = row
    told = None if current is None else f"-- it has come to {current}, in steps of {increment}"
    return SourceModule("sequence", schema, name, definition=told)


def _build_synonym(row: tuple[Any, ...]) -> SourceModule:
    schema, name, base_name = row
    return SourceModule("synonym", schema, name, definition=base_name)


def _build_feature(kind: str, told: str, row: tuple[Any, ...]) -> SourceModule:
    schema, name = row
    return SourceModule(kind, schema, name, definition=told)


def _build_temporal(row: tuple[Any, ...]) -> SourceModule:
    schema, name, history_schema, history_name = row
    history = f"-- system-versioned; its history is the table {history_schema}.{history_name}"
    return SourceModule("temporal table", schema, name, definition=history)


def _build_system_table(row: tuple[Any, ...]) -> SourceModule:
    schema, name, row_count = row
    told = "-- SQL Server's own, by is_ms_shipped"
    return SourceModule("system table", schema, name, definition=told, row_count=row_count)


# What it is called, the statement, what is made of a row, and whether SQL Server 2012 lacks it.
_LISTS: Sequence[tuple[str, str, Callable[[tuple[Any, ...]], SourceModule], bool]] = (
    ("views, procedures and triggers", catalog_rows.MODULES, _build_module, False),
    ("sequences", catalog_rows.SEQUENCES, _build_sequence, False),
    ("synonyms", catalog_rows.SYNONYMS, _build_synonym, False),
    ("temporal tables", catalog_rows.TEMPORAL_TABLES, _build_temporal, True),
    (
        "memory-optimized tables",
        catalog_rows.MEMORY_OPTIMIZED_TABLES,
        partial(_build_feature, "memory-optimized table", "-- an ordinary table here"),
        True,
    ),
    (
        "full-text indexes",
        catalog_rows.FULL_TEXT_INDEXES,
        partial(
            _build_feature,
            "full-text index",
            "-- a full-text index; PostgreSQL's are GIN indexes on tsvector",
        ),
        False,
    ),
    ("system tables", catalog_rows.SYSTEM_TABLES, _build_system_table, False),
)
