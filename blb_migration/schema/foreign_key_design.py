"""Foreign keys of the target: columns and actions as at the source, and how far they are enforced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from blb_migration.findings import Code, Severity
from blb_migration.model import ForeignKey, Table, TableName
from blb_migration.schema.drafts import DesignContext, TableDraft


def design_foreign_keys(
    context: DesignContext,
    draft: TableDraft,
    drafts: Mapping[TableName, TableDraft],
    unique_columns: Mapping[TableName, Set[frozenset[str]]],
) -> Iterator[ForeignKey]:
    """Yield the foreign keys of one table.

    ``drafts`` are all tables by their source names, ``unique_columns`` the column sets by target table
    that a key may refer to. An untrusted key becomes NOT VALID: enforced from now on, not for the
    rows that are there. A disabled one is left out.
    """
    for key in draft.source.foreign_keys:
        subject = f"{draft.label}.{key.name}"
        if not key.enabled:
            context.add(
                Code.FOREIGN_KEY_DISABLED,
                Severity.WARNING,
                subject,
                f"left out, since it is disabled at the source: ({', '.join(key.columns)}) refers to "
                f"{key.referred_table}",
                "add it by hand if the application counts on it",
            )
            continue
        columns = draft.target_columns(key.columns)
        parent = drafts.get(key.referred_table)
        referred = parent.target_columns(key.referred_columns) if parent is not None else None
        if columns is None or parent is None or referred is None:
            missing = f"{key.referred_table} or one of the columns is not created"
            context.add(Code.FOREIGN_KEY_LEFT_OUT, Severity.WARNING, subject, f"it is left out: {missing}")
            continue
        if frozenset(referred) not in unique_columns[parent.name]:
            context.add(
                Code.FOREIGN_KEY_LEFT_OUT,
                Severity.WARNING,
                subject,
                f"it is left out: nothing makes ({', '.join(referred)}) of {parent.name} unique here",
            )
            continue
        if not key.trusted:
            context.add(
                Code.FOREIGN_KEY_NOT_VALID,
                Severity.NOTE,
                subject,
                "the source does not vouch for the rows that are there: created NOT VALID, so that only new "
                "rows are held to it",
                "see what the orphans are; then ALTER TABLE ... VALIDATE CONSTRAINT",
            )
        yield ForeignKey(
            name=context.names.take_constraint(draft.name, key.name),
            columns=columns,
            referred_table=parent.name,
            referred_columns=referred,
            on_delete=key.on_delete,
            on_update=key.on_update,
            trusted=key.trusted,
        )


def find_unique_columns(table: Table) -> Set[frozenset[str]]:
    """Find the sets of columns that a foreign key may refer to."""
    keys = [*table.unique_keys, *([table.primary_key] if table.primary_key else [])]
    sets = {frozenset(key.columns) for key in keys}
    return sets | {
        frozenset(column.name for column in index.columns)
        for index in table.indexes
        if index.unique and index.filter is None
    }
