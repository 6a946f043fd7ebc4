"""What SQL Server makes of its own: carried, and how, or refused until somebody decides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from blb_migration.findings import Code, Finding, Severity
from blb_migration.first_few import name_some
from blb_migration.plan.decision_texts import WHY, write_decision
from blb_migration.plan.table_plans import TablePlan
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.special_columns import Special, read_special_columns

_REFUSED = {
    Special.ENCRYPTED: (
        "Always Encrypted: without its key the driver hands over the encrypted bytes, which would load",
        "decrypt the column at the source for the migration",
    ),
    Special.COLUMN_SET: (
        "a column set: XML that the source makes of the sparse columns, which are carried themselves",
        None,
    ),
    Special.GRAPH: (
        "an internal column of a graph table, which SQL Server lets nobody select; $node_id, $edge_id, "
        "$from_id and $to_id say the same and are carried",
        None,
    ),
}
_CARRIED = {
    Special.FILESTREAM: "FILESTREAM columns are carried as their bytes, into the table itself",
    Special.GRAPH_KEY: "$node_id, $edge_id, $from_id and $to_id of graph tables are carried as the JSON "
    "texts that SQL Server shows; nothing writes them here",
    Special.PERIOD: "columns of a system-versioned period are carried as timestamps; nothing writes them "
    "here, and the history is the table that the source keeps it in",
    Special.EXTERNAL: "external tables stand in another database: a copy of their rows is carried",
    Special.LEDGER: "ledger tables are carried; their chain of hashes proves nothing here",
}


def find_special(session: SourceSession, tables: Sequence[TablePlan]) -> Iterator[Finding]:
    """Yield an error for each column that cannot be carried, and a note per kind that is."""
    by_name = {table.source.name: table for table in tables}
    carried: defaultdict[Special, list[str]] = defaultdict(list)
    for special in read_special_columns(session):
        table = by_name.get(special.table)
        if table is None:
            continue
        loaded = {column.source.name for column in table.columns}
        if special.column is not None and special.column not in loaded:
            continue
        subject = table.label if special.column is None else f"{table.label}.{special.column}"
        if special.kind is Special.MEMORY_OPTIMIZED:
            if session.isolation == "snapshot":
                yield _refuse_snapshot(table)
            continue
        if special.kind in _CARRIED:
            carried[special.kind].append(subject)
            continue
        message, act = _REFUSED[special.kind]
        decision = write_decision(table.label, {"skip": WHY}, special.column)
        yield Finding(
            Code.COLUMN_IS_SPECIAL,
            Severity.ERROR,
            subject,
            message,
            f"{act}, or decide: {decision}" if act else decision,
            row_count=table.source.row_estimate,
        )
    for kind, subjects in carried.items():
        yield Finding(
            Code.COLUMN_IS_SPECIAL, Severity.NOTE, "source", f"{_CARRIED[kind]}: {name_some(subjects)}"
        )


def _refuse_snapshot(table: TablePlan) -> Finding:
    return Finding(
        Code.SNAPSHOT_NOT_ALLOWED,
        Severity.ERROR,
        table.label,
        "BLB_SOURCE_ISOLATION asks for snapshot, in which SQL Server lets no session read a memory-optimized "
        "table (its error 41332)",
        "unset BLB_SOURCE_ISOLATION, and freeze the source or name a READ_ONLY copy of it",
        row_count=table.source.row_estimate,
    )
