"""What the source's log-in does not see or may not read, and what would therefore stay behind unnoticed.

What a server says of rights and names can be wrong (HAS_PERMS_BY_NAME 0 where SELECT works, a column's name
in a code page that lacks its letters); so every SELECT of the plan is tried, and asked for no rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blb_migration.errors import SourceError
from blb_migration.findings import Code, Finding, Severity
from blb_migration.model import Table
from blb_migration.plan.project import Project
from blb_migration.plan.table_plans import TablePlan
from blb_migration.sqlserver.catalog import may_read_everything, read_unreadable_tables
from blb_migration.sqlserver.connect import SourceSession, WantedIsolation
from blb_migration.sqlserver.read import try_reading

_GRANT = "add the log-in to the role db_datareader of the source database, or GRANT SELECT to it there"


def find_failing_reads(session: SourceSession, tables: Sequence[TablePlan]) -> Iterator[Finding]:
    """Yield planned tables whose SELECT, exactly as the load sends it but without rows, fails.

    Raises a transient SourceError.
    """
    for table in tables:
        try:
            differing = try_reading(session, table.source.name, [column.source for column in table.columns])
        except SourceError as error:
            if error.is_transient:  # the server is gone or busy, which tells nothing of the table
                raise
            yield Finding(
                Code.SOURCE_TABLE_NOT_READABLE,
                Severity.ERROR,
                table.label,
                f"its rows cannot be selected: {error.found}",
                error.next_act or _GRANT,
            )
            continue
        for column, scale in differing.items():
            told = table.source.columns_by_name[column].type
            yield Finding(
                Code.SOURCE_SENDS_ANOTHER_TYPE,
                Severity.ERROR,
                f"{table.label}.{column}",
                f"{told} in the source's catalog, but its rows come with {scale} digits after the point; a "
                "load would cut them to what the catalog tells",
                "declare the column at the source as what it is, or skip it in decisions.yaml",
            )


def find_hidden_tables(session: SourceSession, project: Project) -> Iterator[Finding]:
    """No table at all, tables without the right to read them, and the doubt whether there are more.

    What was decided to stay behind needs no right. Raises SourceError.
    """
    source = project.source
    left = {each.table for each in project.plan.not_migrated if each.column is None}
    if not source.tables:
        yield Finding(
            Code.NO_TABLE_VISIBLE,
            Severity.ERROR,
            f"database {source.database}",
            "the log-in sees no user table in it",
            f"name the right database in the source URL, or {_GRANT}",
        )
    for table in read_unreadable_tables(session):
        if table in left or _is_readable(session, source.tables_by_name.get(table)):
            continue
        yield Finding(
            Code.SOURCE_TABLE_NOT_READABLE,
            Severity.ERROR,
            str(table),
            "the log-in sees this table and may not SELECT from it",
            _GRANT,
        )
    if may_read_everything(session) is False:
        yield Finding(
            Code.SOURCE_PARTLY_VISIBLE,
            Severity.WARNING,
            f"database {source.database}",
            "the log-in may not SELECT in the whole database: tables hidden from it are not in this plan, "
            "and would stay behind unnoticed",
            _GRANT,
        )


def find_snapshot_refused(session: SourceSession, wanted: WantedIsolation) -> Iterator[Finding]:
    """Find that reading from one moment was asked for and the database does not allow it."""
    if wanted == "snapshot" and session.isolation != "snapshot":
        yield Finding(
            Code.SNAPSHOT_NOT_ALLOWED,
            Severity.ERROR,
            session.subject,
            f"BLB_SOURCE_ISOLATION asks for snapshot; the database does not allow it, and would be read"
            f" {session.isolation}",
            "ALTER DATABASE ... SET ALLOW_SNAPSHOT_ISOLATION ON there, or name a database snapshot or a"
            " READ_ONLY copy as the source, or unset BLB_SOURCE_ISOLATION",
        )


def _is_readable(session: SourceSession, table: Table | None) -> bool:
    if table is None or not table.columns:
        return False
    try:
        try_reading(session, table.name, table.columns)
    except SourceError as error:
        if error.is_transient:
            raise
        return False
    return True
