"""Primary keys, unique constraints, indexes and checks of one target table. Foreign keys have their own."""

from __future__ import annotations

from collections.abc import Iterator

from blb_migration.findings import Code, Severity
from blb_migration.model import CheckConstraint, ColumnType, Index, IndexColumn, UniqueKey
from blb_migration.postgres.names import qualified_text, quote_identifier
from blb_migration.schema.drafts import DesignContext, TableDraft
from blb_migration.schema.translate_expression import translate_condition
from blb_migration.schema.translation import Untranslatable

_LONG_CHARACTERS = 600  # of up to four bytes, beside the key's own
MAX_INDEX_COLUMNS = 32  # INDEX_MAX_KEYS, included columns counted


def design_primary_key(context: DesignContext, draft: TableDraft) -> UniqueKey | None:
    """Return the primary key, or None where the source has none or one of its columns is not created."""
    key = draft.source.primary_key
    if key is None:
        return None
    columns = draft.target_columns(key.columns)
    if columns is None:
        _report_missing_column(context, draft, f"primary key {key.name}")
        return None
    return UniqueKey(context.names.take_key(draft.name, key.name), columns)


def design_unique_keys(context: DesignContext, draft: TableDraft) -> Iterator[UniqueKey]:
    """Yield the unique constraints; NULLs are equal in them, as at the source, where the server can do
    that."""
    primary_key = draft.source.primary_key
    known = {primary_key.columns: primary_key.name} if primary_key is not None else {}
    for key in draft.source.unique_keys:
        columns = draft.target_columns(key.columns)
        if columns is None:
            _report_missing_column(context, draft, f"unique constraint {key.name}")
            continue
        if key.columns in known:
            context.add(
                Code.KEY_REDUNDANT,
                Severity.NOTE,
                f"{draft.label}.{key.name}",
                f"left out: {known[key.columns]} keeps the same columns unique",
            )
            continue
        known[key.columns] = key.name
        has_nulls = _has_nullable_column(draft, key.columns)
        if has_nulls:
            _report_many_nulls(context, draft, key.name)
        yield UniqueKey(
            context.names.take_key(draft.name, key.name),
            columns,
            nulls_distinct=not (has_nulls and context.features.has_nulls_not_distinct),
        )


def design_indexes(context: DesignContext, draft: TableDraft) -> Iterator[Index]:
    """Yield the indexes that are no constraints, filters as partial indexes."""
    for index in draft.source.indexes:
        names = tuple(column.name for column in index.columns)
        columns = draft.target_columns(names)
        if columns is None or not columns:
            _report_missing_column(context, draft, f"index {index.name}")
            continue
        included = tuple(
            pair.target.name for name in index.included if (pair := draft.find(name)) is not None
        )
        included = _leave_out_long(context, draft, index.name, included)
        if len(columns) + len(included) > MAX_INDEX_COLUMNS:
            context.add(
                Code.INDEX_TOO_WIDE,
                Severity.WARNING,
                f"{draft.label}.{index.name}",
                f"{len(included)} included columns are left out: an index of PostgreSQL has at most "
                f"{MAX_INDEX_COLUMNS} columns",
            )
            included = ()
        try:
            condition = _translate_filter(draft, index)
        except Untranslatable as reason:
            context.add(
                Code.INDEX_FILTER_NOT_TRANSLATED,
                Severity.WARNING,
                f"{draft.label}.{index.name}",
                f"the {'unique ' if index.unique else ''}index with the filter {index.filter} is left out: "
                f"{reason}",
                "create it by hand",
            )
            continue
        has_nulls = index.unique and _has_nullable_column(draft, names)
        if has_nulls:
            _report_many_nulls(context, draft, index.name)
        yield Index(
            name=context.names.take_relation(draft.name, index.name),
            columns=tuple(
                IndexColumn(name, column.descending)
                for name, column in zip(columns, index.columns, strict=True)
            ),
            unique=index.unique,
            included=included,
            filter=condition,
            nulls_not_distinct=has_nulls and context.features.has_nulls_not_distinct,
        )


def _leave_out_long(
    context: DesignContext, draft: TableDraft, name: str, included: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the included columns whose values cannot make an entry too large for a page of the index."""
    types = {pair.target.name: pair.target.type for pair in draft.pairs.values()}
    long = [each for each in included if _may_be_long(types[each])]
    if long:
        context.add(
            Code.INCLUDED_COLUMNS_LEFT_OUT,
            Severity.WARNING,
            f"{draft.label}.{name}",
            f"its included columns {', '.join(long)} are left out: an entry of an index has at most 2,704 "
            "bytes, and one longer value would fail the load",
            "add them by hand if their values are short",
        )
    return tuple(each for each in included if each not in long)


def _may_be_long(column_type: ColumnType) -> bool:
    if column_type.name in ("character varying", "character"):
        return (column_type.length or 0) > _LONG_CHARACTERS
    return column_type.name in ("text", "citext", "bytea", "json", "jsonb", "xml")


def _translate_filter(draft: TableDraft, index: Index) -> str | None:
    if index.filter is None:
        return None
    # Which rows a unique index counts must stay the same. Other indexes serve the application's
    # queries, and those will compare texts as they are written.
    scope = draft.scope if index.unique else draft.scope.with_exact_text()
    return translate_condition(index.filter, scope)


def design_checks(context: DesignContext, draft: TableDraft) -> Iterator[CheckConstraint]:
    """Yield the checks that every row meets; one that the source does not trust would refuse the load."""
    for check in draft.source.checks:
        subject = f"{draft.label}.{check.name}"
        try:
            condition = translate_condition(check.expression, draft.scope)
        except Untranslatable as reason:
            context.add(
                Code.CHECK_NOT_TRANSLATED,
                Severity.WARNING,
                subject,
                f"the check {check.expression} is left out: {reason}",
                "add it by hand after the migration",
            )
            continue
        if not check.trusted:
            table, name = qualified_text(draft.name), quote_identifier(check.name).as_string()
            statement = f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID"
            context.add(
                Code.CHECK_NOT_TRUSTED,
                Severity.WARNING,
                subject,
                "left out: the source does not vouch that its rows meet this check, and a load would fail at "
                "the first that does not",
                f"after the migration: {statement}",
            )
            continue
        yield CheckConstraint(context.names.take_constraint(draft.name, check.name), condition)


def _has_nullable_column(draft: TableDraft, source_columns: tuple[str, ...]) -> bool:
    pairs = [draft.find(name) for name in source_columns]
    return any(pair is not None and pair.target.nullable for pair in pairs)


def _report_missing_column(context: DesignContext, draft: TableDraft, what: str) -> None:
    context.add(
        Code.KEY_LEFT_OUT,
        Severity.WARNING,
        draft.label,
        f"the {what} is left out: one of its columns is not created",
    )


def _report_many_nulls(context: DesignContext, draft: TableDraft, name: str) -> None:
    if not context.features.has_nulls_not_distinct:
        context.add(
            Code.UNIQUE_ALLOWS_MANY_NULLS,
            Severity.WARNING,
            f"{draft.label}.{name}",
            "unique here among values, while NULL may stand any number of times: the server is older than "
            "PostgreSQL 15",
            "use a newer server, or let the application see to it",
        )
