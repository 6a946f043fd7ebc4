"""The columns of one target table: names, types, identity, defaults, computed expressions."""

from __future__ import annotations

from dataclasses import dataclass, replace

from blb_migration.findings import Code, Severity
from blb_migration.model import Column, ColumnType, Computed, Identity, Table, TableName
from blb_migration.plan.decision_texts import WHY, write_decision
from blb_migration.plan.decisions import ColumnDecision, TableDecision
from blb_migration.plan.match import choose_target_table, find_column_decisions
from blb_migration.plan.reserved_names import SYSTEM_COLUMNS, describe_reserved_name
from blb_migration.plan.target_names import build_target_name
from blb_migration.postgres.names import identifier_text, qualified_text, quote_text
from blb_migration.schema.collations import find_collation, ignores_case
from blb_migration.schema.defaults import find_sequence, translate_default
from blb_migration.schema.drafts import DesignContext, NewCollation
from blb_migration.schema.translate_expression import translate_computed
from blb_migration.schema.translation import ColumnPair, Scope, Untranslatable
from blb_migration.schema.type_design import preferred_type

MAX_COLUMNS = 1600  # MaxHeapAttributeNumber in PostgreSQL's htup_details.h


@dataclass(frozen=True)
class NewColumn:
    """What is chosen first about a column that will be created."""

    name: str
    type: ColumnType


def design_columns(
    context: DesignContext, label: str, table: Table, name: TableName, decision: TableDecision
) -> dict[str, ColumnPair]:
    """Return the target columns of a source table, by the source's names, in the source's order.

    Columns that are skipped by decision, have no type or meet another's name are left out; the latter
    two are findings.
    """
    decided = find_column_decisions(table, decision)
    pairs: dict[str, ColumnPair] = {}
    taken: dict[str, str] = {}
    for column in table.columns:
        subject = f"{label}.{column.name}"
        own = decided.get(column.name, ColumnDecision.model_construct())
        if own.skip is not None:
            continue
        target_name = own.to or build_target_name(column.name, context.decisions.names)
        if target_name in SYSTEM_COLUMNS:
            context.findings.append(describe_reserved_name(label, column.name, target_name))
            continue
        if target_name in taken:
            _report_collision(context, label, column.name, target_name, taken[target_name])
            continue
        target_type = _choose_type(context, subject, column)
        if target_type is None:
            continue
        taken[target_name] = column.name
        pairs[column.name] = _design_column(
            context, subject, name, column, NewColumn(target_name, target_type)
        )
    _translate_computed(context, label, pairs)
    if len(pairs) > MAX_COLUMNS:
        context.add(
            Code.TOO_MANY_COLUMNS,
            Severity.ERROR,
            label,
            f"{len(pairs)} columns, a table of PostgreSQL has at most {MAX_COLUMNS}",
            "skip some of them, or create two tables by hand",
        )
    return pairs


def _report_collision(context: DesignContext, label: str, column: str, target_name: str, other: str) -> None:
    context.add(
        Code.TARGET_NAMES_COLLIDE,
        Severity.ERROR,
        f"{label}.{column}",
        f"it would be called {target_name}, as {other} already is",
        write_decision(label, {"to": "another name", "reason": WHY}, column),
    )


def _choose_type(context: DesignContext, subject: str, column: Column) -> ColumnType | None:
    chosen = preferred_type(column.type, xml_as_xml=context.decisions.xml == "xml")
    if chosen is None:
        context.add(
            Code.NO_TYPE_TO_CREATE,
            Severity.ERROR,
            subject,
            f"nobody has decided what {column.type} is created as ('blb-migrate types' lists the rules)",
            "skip the column, or create the table by hand",
        )
    elif column.type.name == "rowversion":
        context.add(
            Code.ROWVERSION_NOT_COUNTED,
            Severity.WARNING,
            subject,
            "its bytes are kept, but nothing counts them up in PostgreSQL: the column is created without "
            "NOT NULL",
            "see that the application's optimistic locking does not rest on it",
        )
    return chosen


def _design_column(
    context: DesignContext, subject: str, table: TableName, column: Column, new: NewColumn
) -> ColumnPair:
    target_name, target_type = new.name, new.type
    is_text = target_type.name in ("character", "character varying", "text") and column.collation is not None
    is_ci = is_text and ignores_case(column.collation)
    collation: NewCollation | None = None
    if is_ci and context.decisions.case_insensitive == "citext":
        target_type = ColumnType("citext")
    elif is_ci and context.decisions.case_insensitive == "icu":
        collation = find_collation(context.decisions, column.collation)
    identity = _design_identity(context, subject, table, column, target_name)
    target = Column(
        name=target_name,
        type=target_type,
        nullable=column.nullable or column.type.name == "rowversion",
        collation=None if collation is None else collation.name.name,
        identity=identity,
        default=_translate_default(context, subject, table, column, NewColumn(target_name, target_type)),
        comment=column.comment,
        insensitive_locale=None if collation is None else collation.locale,
    )
    return ColumnPair(column, target, is_ci)


def _design_identity(
    context: DesignContext, subject: str, table: TableName, column: Column, target_name: str
) -> Identity | None:
    if column.identity is None:
        return None
    reached = column.identity.seed if column.identity.last_value is None else column.identity.last_value
    if not -(2**63) <= reached + column.identity.increment < 2**63:
        context.add(
            Code.IDENTITY_NOT_CARRIED,
            Severity.WARNING,
            subject,
            f"it has come to {reached}; no sequence of PostgreSQL goes beyond bigint, so the column is "
            "created without one",
            "let the application number its rows",
        )
        return None
    sequence = TableName(table.schema, context.names.take_relation(table, f"{table.name}_{target_name}_seq"))
    return Identity(column.identity.seed, column.identity.increment, sequence=sequence)


def _translate_default(
    context: DesignContext, subject: str, table: TableName, column: Column, new: NewColumn
) -> str | None:
    sequence = find_sequence(column.default or "")
    next_act = "see that the application gives a value, or add a default by hand"
    if sequence is not None:
        reason = "a sequence is not created here, since tables may share it"
        next_act = _describe_sequence(context, table, new, sequence)
    else:
        try:
            return translate_default(column, new.type)
        except Untranslatable as untranslatable:
            reason = str(untranslatable)
    context.add(
        Code.DEFAULT_NOT_TRANSLATED,
        Severity.WARNING,
        subject,
        f"its default {column.default} is left out: {reason}",
        next_act,
    )
    return None


def _describe_sequence(
    context: DesignContext, table: TableName, new: NewColumn, source_sequence: TableName
) -> str:
    """Write the statements that make the sequence and let the column draw from it."""
    undecided = TableDecision.model_construct()
    sequence = choose_target_table(source_sequence, undecided, context.decisions)
    name = qualified_text(sequence)
    return (
        "before the load, with the step that not-migrated.sql has: "
        f"CREATE SCHEMA IF NOT EXISTS {identifier_text(sequence.schema)}; "
        f"CREATE SEQUENCE IF NOT EXISTS {name}; "
        f"ALTER TABLE {qualified_text(table)} ALTER COLUMN {identifier_text(new.name)} "
        f"SET DEFAULT nextval({quote_text(name)}::regclass); "
        "the load then sets it beyond the rows of all tables that draw from it"
    )


def _translate_computed(context: DesignContext, label: str, pairs: dict[str, ColumnPair]) -> None:
    """Make generated columns of the computed ones, in place; they may name plain columns only."""
    plain = Scope({name: pair for name, pair in pairs.items() if pair.source.computed is None})
    for name, pair in pairs.items():
        computed = pair.source.computed
        if computed is None:
            continue
        try:
            sql = translate_computed(computed.expression, plain, pair.source.type, pair.target.type)
            target = replace(pair.target, computed=Computed(sql, persisted=True), default=None)
        except Untranslatable as reason:
            context.add(
                Code.COMPUTED_COLUMN_NOT_TRANSLATED,
                Severity.WARNING,
                f"{label}.{pair.source.name}",
                f"computed as {computed.expression} at the source; here an ordinary column, loaded with the "
                f"source's values: {reason}",
                "see that the application gives a value, or make it a generated column by hand",
            )
            target = replace(pair.target, nullable=True)
        pairs[name] = ColumnPair(pair.source, target, pair.ignores_case)
