"""Values and rows that the source would show changed or not at all: masks and row filters.

They refuse, unless the log-in is shown to see through them; that it does is a fact on the report.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blb_migration.errors import SourceError, SourceUnreachable
from blb_migration.findings import Code, Finding, Severity
from blb_migration.first_few import name_some
from blb_migration.plan.decision_texts import WHY, write_decision
from blb_migration.plan.table_plans import TablePlan
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.hidden_data import (
    count_rows_seen,
    read_masked_columns,
    read_row_filters,
    sees_security_policies,
)


def find_hidden_values(session: SourceSession, tables: Sequence[TablePlan]) -> Iterator[Finding]:
    """Yield what the log-in does not see of the planned tables. Raises SourceUnreachable."""
    yield from _find_masked(session, tables)
    yield from _find_filtered(session, tables)


def _find_masked(session: SourceSession, tables: Sequence[TablePlan]) -> Iterator[Finding]:
    by_name = {table.source.name: table for table in tables}
    seen_through: list[str] = []
    for masked in read_masked_columns(session):
        table = by_name.get(masked.table)
        if table is None:
            continue
        loaded = {column.source.name for column in table.columns}
        loaded |= {pair.source.name for pair in table.computed}
        if masked.column not in loaded:
            continue
        subject = f"{table.label}.{masked.column}"
        if masked.is_exempt:
            seen_through.append(subject)
            continue
        yield Finding(
            Code.COLUMN_IS_MASKED,
            Severity.ERROR,
            subject,
            f"the source masks it for this log-in (MASKED WITH (FUNCTION = '{masked.mask}')): masked values "
            "would be loaded, and called equal",
            "GRANT UNMASK TO the log-in's user in the source database, or decide: "
            + write_decision(table.label, {"skip": WHY}, masked.column),
            row_count=table.source.row_estimate,
        )
    if seen_through:
        yield Finding(
            Code.COLUMN_IS_MASKED,
            Severity.NOTE,
            "source",
            f"masked columns, which this log-in sees as they are (UNMASK): {name_some(seen_through)}",
        )


def _find_filtered(session: SourceSession, tables: Sequence[TablePlan]) -> Iterator[Finding]:
    policies = read_row_filters(session)
    if policies is None:
        return
    is_sure = sees_security_policies(session)  # one that is seen does not say that all are
    unknown: list[str] = []
    for table in tables:
        policy = policies.get(table.source.name)
        if policy is None and is_sure:
            continue
        try:
            counts = count_rows_seen(session, table.source.name)
        except SourceUnreachable:
            raise
        except SourceError:  # a table that cannot be read is a finding of its own
            continue
        found = f"the log-in counts {counts.counted:,} rows, " + (
            "and the server does not tell how many are stored"
            if counts.stored is None
            else f"{counts.stored:,} are stored"
        )
        if policy is not None:
            yield Finding(
                Code.ROWS_ARE_FILTERED,
                Severity.NOTE if counts.are_all_seen else Severity.ERROR,
                table.label,
                f"the source's security policy {policy} filters its rows: {found}",
                None
                if counts.are_all_seen
                else "let the policy's predicate pass this log-in, or ALTER SECURITY POLICY "
                f"{policy} WITH (STATE = OFF) at the source for the time of the migration",
                row_count=None if counts.stored is None else max(0, counts.stored - counts.counted),
            )
        elif counts.stored is None:
            unknown.append(table.label)
        elif not counts.are_all_seen:
            yield Finding(
                Code.ROWS_ARE_FILTERED,
                Severity.ERROR,
                table.label,
                f"{found}; a security policy may hide the others, and the log-in lacks the right to see "
                "policies",
                "GRANT VIEW DEFINITION to the log-in's user in the source database, and see what it finds "
                "then; where there is no policy, DBCC UPDATEUSAGE corrects the stored number",
                row_count=counts.stored - counts.counted,
            )
    if unknown:
        yield Finding(
            Code.ROWS_ARE_FILTERED,
            Severity.WARNING,
            "source",
            "whether a security policy hides rows from the log-in is not known: it lacks the right to see "
            f"policies, and the server does not tell how many rows are stored: {name_some(unknown)}",
            "GRANT VIEW DEFINITION to the log-in's user in the source database",
        )
