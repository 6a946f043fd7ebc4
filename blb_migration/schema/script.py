"""The designed schema as files for people: an SQL script, and what has no counterpart in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blb_migration.schema.ddl import build_statements
from blb_migration.schema.design import SchemaDesign
from blb_migration.sqlserver.other_objects import SourceModule

SCHEMA_FILE = "schema.sql"
NOT_MIGRATED_FILE = "not-migrated.sql"


def render_script(design: SchemaDesign, modules: Sequence[SourceModule], notes: Sequence[str] = ()) -> str:
    """Return the DDL in one transaction, and under it, in comments, everything it does not carry over.

    ``notes`` is what the source could not tell or the catalog has no place for, in words.
    """
    lines = [
        f"-- PostgreSQL schema for {_one_line(design.catalog.database)}, by blb-migrate schema",
        f"-- {len(design.catalog.tables)} tables",
        "",
        "BEGIN;",
        *(f"\n{statement};" for statement in build_statements(design)),
        "",
        "COMMIT;",
    ]
    if design.findings:
        lines += ["", "-- Differences from the source, and what is left to a person:"]
        lines += [f"-- {finding.severity.value}: {_one_line(str(finding))}" for finding in design.findings]
    lines += [f"-- note: {_one_line(note)}" for note in notes]
    if modules:
        lines += ["", "-- Without a counterpart, with their definitions:"]
        lines += [f"-- {line}" for module in modules for line in _describe(module)]
    return "\n".join(lines) + "\n"


def render_not_migrated(database: str, modules: Sequence[SourceModule], notes: Sequence[str] = ()) -> str:
    """All views, procedures, functions, triggers, synonyms and the like, in T-SQL as the source has them."""
    lines = [
        f"-- What {_one_line(database)} has besides plain tables: {len(modules)} objects.",
        "-- None of it is migrated. In Transact-SQL, to be rewritten where the application needs it.",
        *(f"-- note: {_one_line(note)}" for note in notes),
    ]
    for module in modules:
        lines += ["", *_describe(module)]
    return "\n".join(lines) + "\n"


def _describe(module: SourceModule) -> Iterator[str]:
    parent = f" of {module.parent}" if module.parent else ""
    yield f"{_RULE} {module.kind} {_one_line(f'{module.schema}.{module.name}{parent}')}"
    if module.definition is None:
        yield "-- the server does not show its definition"
    else:
        yield from module.definition.strip().splitlines()


_RULE = "-- ----"


def _one_line(text: str) -> str:
    return " ".join(text.split())
