"""Columns whose texts are equal whatever their letter case: reported, citext, or an ICU collation.

SQL Server's usual collations ignore case, PostgreSQL's never do. What becomes of such columns is a
person's decision (``case_insensitive``); without one they are created plain, and named here.
"""

from __future__ import annotations

from collections.abc import Sequence

from blb_migration.findings import Code, Severity
from blb_migration.first_few import name_some
from blb_migration.model import TableName
from blb_migration.plan.decisions import Decisions
from blb_migration.schema.drafts import DesignContext, NewCollation, TableDraft

# ICU's comparison strength: level 2 ignores case, level 1 accents as well (Unicode TS 35, "ks").
_CASE = "und-u-ks-level2"
_CASE_AND_ACCENTS = "und-u-ks-level1"

_DECISION = "case_insensitive: citext (or icu), or change the application's queries"
_COLUMNS_IN_MESSAGE = 12


def ignores_case(collation: str | None) -> bool:
    """Whether SQL Server's collation of that name treats 'a' and 'A' as equal."""
    return collation is not None and "_CI" in collation.upper()


def find_collation(decisions: Decisions, collation: str | None) -> NewCollation:
    """Find the ICU collation that stands for a case-insensitive one of SQL Server."""
    schemas = {schema.lower(): to for schema, to in decisions.schemas.items()}
    schema = schemas.get(decisions.default_schema.lower(), "public")
    if "_AI" in (collation or "").upper():
        return NewCollation(TableName(schema, "case_and_accent_insensitive"), _CASE_AND_ACCENTS)
    return NewCollation(TableName(schema, "case_insensitive"), _CASE)


def needed_collations(decisions: Decisions, drafts: Sequence[TableDraft]) -> tuple[NewCollation, ...]:
    """Return the collations that the drafts' columns are created with, by name."""
    found = {
        find_collation(decisions, pair.source.collation)
        for draft in drafts
        for pair in draft.pairs.values()
        if pair.target.collation is not None
    }
    return tuple(sorted(found, key=lambda collation: collation.name))


def report_case(context: DesignContext, drafts: Sequence[TableDraft]) -> None:
    """Report the columns that stop ignoring case, and a server without what was decided."""
    decided = context.decisions.case_insensitive
    if decided == "citext" and not context.features.has_citext:
        context.add(
            Code.SERVER_LACKS_CITEXT,
            Severity.ERROR,
            "case_insensitive: citext",
            "the target server has no extension citext",
            "install PostgreSQL's contrib package there, or decide otherwise",
        )
    if decided == "icu" and not context.features.has_icu:
        context.add(
            Code.SERVER_LACKS_ICU,
            Severity.ERROR,
            "case_insensitive: icu",
            "the target server was built without ICU",
            "use a server with ICU, or decide otherwise",
        )
    if decided != "report":
        return
    keyed: list[str] = []
    others: list[str] = []
    for draft in drafts:
        in_keys = _columns_in_keys(draft)
        for pair in draft.pairs.values():
            if pair.ignores_case:
                names = keyed if pair.source.name.lower() in in_keys else others
                names.append(f"{draft.label}.{pair.source.name}")
    if keyed:
        context.add(
            Code.CASE_INSENSITIVE_KEYS,
            Severity.WARNING,
            "unique texts",
            f"{len(keyed)} columns are unique without regard to letter case at the source, with it here: "
            + ", ".join(keyed),
            _DECISION,
        )
    if others:
        context.add(
            Code.CASE_INSENSITIVE_COLUMNS,
            Severity.NOTE,
            "texts",
            f"{len(others)} columns compare without regard to letter case at the source, with it here: "
            f"{name_some(others, _COLUMNS_IN_MESSAGE)}",
            _DECISION,
        )


def _columns_in_keys(draft: TableDraft) -> set[str]:
    source = draft.source
    keys = [*source.unique_keys, *([source.primary_key] if source.primary_key else [])]
    columns = {column.lower() for key in keys for column in key.columns}
    return columns | {
        column.name.lower() for index in source.indexes if index.unique for column in index.columns
    }
