"""What a source database holds besides tables, for the report: nothing of it is migrated, all of it is
named."""

from __future__ import annotations

from dataclasses import dataclass

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
    "AF": "aggregate",
    "TR": "trigger",
    "TA": "trigger",
    "SO": "sequence",
}


@dataclass(frozen=True, order=True)
class SourceModule:
    """One view, procedure, function, trigger, sequence or synonym.

    ``parent`` is a trigger's table. ``definition`` is its T-SQL (for a synonym: what it stands for), or None
    when the server does not show it.
    """

    kind: str
    schema: str
    name: str
    parent: str | None = None
    definition: str | None = None


def read_left_behind(session: SourceSession) -> tuple[SourceModule, ...]:
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
    return tuple(sorted(modules, key=lambda module: (module.kind, module.schema, module.name)))
