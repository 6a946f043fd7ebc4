"""From the source's catalog and the decisions to the catalog that the target should have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from blb_migration.findings import Code, Finding, Severity, sort_findings
from blb_migration.model import Catalog, Column, Table, TableName, UniqueKey
from blb_migration.plan.decision_texts import WHY, write_decision, write_keys
from blb_migration.plan.decisions import Decisions
from blb_migration.plan.match import (
    build_label,
    choose_target_table,
    find_decision_names,
    find_table_decision,
)
from blb_migration.postgres.ledger.versions import OWN_SCHEMAS
from blb_migration.postgres.server_features import USUAL_SERVER, ServerFeatures
from blb_migration.schema.collations import needed_collations, report_case
from blb_migration.schema.column_design import design_columns
from blb_migration.schema.drafts import DesignContext, NewCollation, TableDraft
from blb_migration.schema.foreign_key_design import design_foreign_keys, find_unique_columns
from blb_migration.schema.key_design import (
    design_checks,
    design_indexes,
    design_primary_key,
    design_unique_keys,
)
from blb_migration.schema.naming import NameRegistry


@dataclass(frozen=True)
class SchemaDesign:
    """``catalog`` is the target as it should be read back; ``findings`` is what could not be carried over."""

    catalog: Catalog
    findings: tuple[Finding, ...]
    extensions: tuple[str, ...]
    collations: tuple[NewCollation, ...]


def build_design(
    source: Catalog, decisions: Decisions, features: ServerFeatures = USUAL_SERVER
) -> SchemaDesign:
    """Return what to create for ``source``; whatever is unclear becomes a finding, nothing is raised.

    Deterministic: the same catalog, decisions and server give the same design.
    """
    context = DesignContext(decisions, features, NameRegistry(decisions.names))
    drafts = _draft_tables(context, source)
    tables = [
        Table(
            name=draft.name,
            columns=_with_key_not_null(draft.columns, primary_key),
            primary_key=primary_key,
            unique_keys=tuple(sorted(design_unique_keys(context, draft), key=lambda key: key.name)),
            indexes=tuple(sorted(design_indexes(context, draft), key=lambda index: index.name)),
            checks=tuple(sorted(design_checks(context, draft), key=lambda check: check.name)),
            comment=draft.source.comment,
        )
        for draft in drafts
        for primary_key in (design_primary_key(context, draft),)
    ]
    unique_columns = {table.name: find_unique_columns(table) for table in tables}
    by_source = {draft.source.name: draft for draft in drafts}
    tables = [
        replace(
            table,
            foreign_keys=tuple(
                sorted(
                    design_foreign_keys(context, draft, by_source, unique_columns), key=lambda key: key.name
                )
            ),
        )
        for table, draft in zip(tables, drafts, strict=True)
    ]
    report_case(context, drafts)
    _refuse_xml(context)
    uses_citext = any(column.type.name == "citext" for table in tables for column in table.columns)
    return SchemaDesign(
        catalog=Catalog(
            "postgres", source.database, "", None, tuple(sorted(tables, key=lambda table: table.name))
        ),
        findings=sort_findings(context.findings),
        extensions=("citext",) if uses_citext else (),
        collations=needed_collations(decisions, drafts),
    )


def _with_key_not_null(columns: tuple[Column, ...], key: UniqueKey | None) -> tuple[Column, ...]:
    """PostgreSQL makes a primary key's columns NOT NULL, whatever they were declared."""
    in_key = key.columns if key is not None else ()
    return tuple(replace(column, nullable=False) if column.name in in_key else column for column in columns)


def _draft_tables(context: DesignContext, source: Catalog) -> Sequence[TableDraft]:
    named: list[tuple[str, Table, TableName]] = []
    names = find_decision_names(source, context.decisions)
    for table in source:
        label = build_label(table.name, context.decisions.default_schema)
        decision = find_table_decision(table.name, names, context.decisions)
        if decision.skip is not None:
            continue
        name = choose_target_table(table.name, decision, context.decisions)
        if _is_reserved(name.schema):
            context.add(
                Code.SCHEMA_NAME_RESERVED,
                Severity.ERROR,
                label,
                f"PostgreSQL, or this tool, keeps the schema name {name.schema} for itself",
                write_keys("schemas", {table.name.schema: "another name"}),
            )
        elif not context.names.claim_table(name):
            other = next(label for label, _, taken in named if taken == name)
            context.add(
                Code.TARGET_NAMES_COLLIDE,
                Severity.ERROR,
                label,
                f"it would be called {name}, as {other} already is",
                write_decision(label, {"to": "another name", "reason": WHY}),
            )
        else:
            named.append((label, table, name))
    drafts = []
    for label, table, name in named:  # all tables have their names before indexes and sequences take theirs
        decision = find_table_decision(table.name, names, context.decisions)
        pairs = design_columns(context, label, table, name, decision)
        drafts.append(TableDraft(label, table, name, decision, pairs))
    return drafts


def _is_reserved(schema: str) -> bool:
    return schema.startswith("pg_") or schema in ("information_schema", *OWN_SCHEMAS)


def _refuse_xml(context: DesignContext) -> None:
    if context.decisions.xml == "xml" and not context.features.has_xml:
        context.add(
            Code.SERVER_LACKS_XML,
            Severity.ERROR,
            "xml: xml",
            "the target server was built without libxml and cannot take any value of its type xml",
            "decide 'xml: text', or use a server with libxml",
        )
