"""What the source's log-in does not see or may not read, and what would therefore stay behind unnoticed."""

from __future__ import annotations

from collections.abc import Iterator

from blb_migration.findings import Code, Finding, Severity
from blb_migration.model import Catalog
from blb_migration.sqlserver.catalog import may_read_everything, read_unreadable_tables
from blb_migration.sqlserver.connect import SourceSession

_GRANT = "add the log-in to the role db_datareader of the source database, or GRANT SELECT to it there"


def find_hidden_tables(session: SourceSession, source: Catalog) -> Iterator[Finding]:
    """No table at all, tables without the right to read them, and the doubt whether there are more.

    Raises SourceError.
    """
    if not source.tables:
        yield Finding(
            Code.NO_TABLE_VISIBLE,
            Severity.ERROR,
            f"database {source.database}",
            "the log-in sees no user table in it",
            f"name the right database in the source URL, or {_GRANT}",
        )
    for table in read_unreadable_tables(session):
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
