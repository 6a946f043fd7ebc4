"""Whose rows a target table holds: exactly what this project's last load left, or also somebody's work.

Only judges; refusing is the caller's. Two proofs, the cheap one first:

- *transactions*: every row's ``xmin`` is that of the load, and there are as many as it wrote. COPY gives all
  rows the loading transaction's number, also with FREEZE, and VACUUM (FREEZE, FULL) and CLUSTER keep it. A
  chunked load has a transaction per chunk. Numbers count only where they were given (``left_rows.Place``).
- *content*: the table is digested again and compared with the load's digest (``left_content``). So a restored
  dump, or a table that ALTER TABLE has rewritten, is told from one that somebody has changed.

Rows that another project, or a load from another source, has left are not ours either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from blb_migration.model import Table, TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.chunks import read_chunk_xids, read_merged_digest
from blb_migration.postgres.ledger.left_rows import LeftRows, read_left_rows, read_place
from blb_migration.postgres.ledger.loads import read_digest, read_effective_load
from blb_migration.postgres.ledger.records import TableLoad
from blb_migration.postgres.ledger.runs import read_run
from blb_migration.postgres.left_content import FIRST_KEYS, ContentChange, find_content_change
from blb_migration.postgres.names import TargetConnection, qualified_name, quote_identifier


@dataclass(frozen=True)
class Loader:
    """Who loads: the project, and the source by its server and database."""

    project: str
    source_identity: str

    def is_same(self, project: str, source_identity: str) -> bool:
        """Whether that is this one; SQL Server's database names are the same in any letter case."""
        return self.project == project and self.source_identity.lower() == source_identity.lower()


@dataclass(frozen=True)
class ChangedRows:
    """A table that does not hold exactly what the loader's last load left.

    ``found`` says it in words. ``row_count`` rows were certainly not written by that load, as they stand;
    None where that cannot be told. ``first_keys`` are theirs, as ``id=17``, or of the part of the table that
    has changed. ``was_loaded``: rows of the loader's own are among them, or were.
    """

    table: TableName
    found: str
    row_count: int | None
    first_keys: tuple[str, ...] = ()
    was_loaded: bool = False


@dataclass(frozen=True)
class _Left:
    """What a load left: how many rows, by which transactions where those are a proof, and in which form.

    ``rows`` is None for a load by an older version of this tool. ``is_made_anew``: the table is another one.
    """

    load: TableLoad
    row_count: int
    xids: tuple[int, ...]
    rows: LeftRows | None
    is_made_anew: bool


@dataclass(frozen=True)
class _Counted:
    """The table's rows now, those of them that the load wrote as they stand, and how many it wrote."""

    row_count: int
    untouched_count: int
    loaded_count: int

    @property
    def are_as_written(self) -> bool:
        """Whether transactions prove that none was added, changed or removed."""
        return self.row_count == self.untouched_count == self.loaded_count


def read_load_xid(connection: TargetConnection, table: TableName) -> int | None:
    """Read the ``xmin`` that the table's rows carry, to be recorded by the load that has just written them.

    Read from a row and not from the server's transaction id, since inside a savepoint rows carry
    the subtransaction's. None for an empty table.
    """
    with target_errors(f"table {table}"):
        row = connection.execute(
            sql.SQL("SELECT xmin::text::bigint FROM {} LIMIT 1").format(qualified_name(table))
        ).fetchone()
    return None if row is None else int(row[0])


def find_changed_rows(
    connection: TargetConnection, table: Table, loader: Loader, *, compares_content: bool = True
) -> ChangedRows | None:
    """Find out whether the table holds anything else than what ``loader``'s last load left.

    None where it does not, and for an empty table that no load of this one has filled. Without
    ``compares_content`` only transactions are asked, for a table that may be replaced whatever it holds.
    Raises TargetError.
    """
    load = read_effective_load(connection, table.name)
    if load is None:
        counted = _count_rows(connection, table.name, (), 0)
        found = f"it holds {counted.row_count:,} rows that this tool did not load"
        return _describe(connection, table, found, counted) if counted.row_count else None
    left = _read_left(connection, table.name, load)
    counted = _count_rows(connection, table.name, left.xids, left.row_count)
    strangers = _describe_strangers(connection, load, loader)
    if strangers is not None:
        theirs = replace(counted, untouched_count=0)
        return _describe(connection, table, strangers, theirs) if counted.row_count else None
    if counted.are_as_written or (left.is_made_anew and not counted.row_count):
        return None
    change = None
    if counted.row_count == left.row_count and left.rows is not None and compares_content:
        change = _find_content_change(connection, table, left.load, left.rows)
        if change is None:
            return None
    if counted.untouched_count or change is None:  # transactions tell most
        found = _describe_counts(counted)
        return _describe(connection, table, found, counted, left.xids, was_loaded=True)
    found = f"{_describe_counts(counted)}; {change.found}"
    return ChangedRows(table.name, found, None, change.first_keys, was_loaded=True)


def count_written_rows(connection: TargetConnection, table: TableName, load_id: int) -> tuple[int, int]:
    """Return the table's rows, and how many of them are as the load's finished chunks wrote them.

    Raises TargetError.
    """
    left = read_left_rows(connection, load_id)
    is_proof = left is not None and left.place.proves_transactions(read_place(connection, table))
    xids, written = read_chunk_xids(connection, load_id)
    counted = _count_rows(connection, table, xids if is_proof else (), written)
    return counted.row_count, counted.untouched_count


def _describe_strangers(connection: TargetConnection, load: TableLoad, loader: Loader) -> str | None:
    """Say who else has loaded the table last; None if it was ``loader``."""
    run = read_run(connection, load.run_id)
    if run is None or loader.is_same(run.start.project, run.start.source_identity):
        return None
    return (
        f"its rows were loaded by project {run.start.project} from {run.start.source_identity} "
        f"({run.start.operator}, {run.started_at:%Y-%m-%d}), not by project {loader.project} from "
        f"{loader.source_identity}"
    )


def _find_content_change(
    connection: TargetConnection, table: Table, load: TableLoad, left: LeftRows
) -> ContentChange | None:
    if load.status == "finished":
        digest = read_digest(connection, load)
    else:
        digest = read_merged_digest(connection, load.load_id, load.hash_function)
    return find_content_change(connection, table, left.form, digest, left.others_digest)


def _describe_counts(counted: _Counted) -> str:
    loaded = f"{counted.loaded_count:,} rows that its last load left"
    written = counted.row_count - counted.untouched_count
    lost = counted.loaded_count - counted.untouched_count
    if not counted.row_count:
        return f"the {loaded} are missing"
    if not lost:
        return f"{written:,} rows were added to the {loaded}"
    if not written:
        return f"{lost:,} of the {loaded} are missing"
    if not counted.untouched_count:
        return (
            f"it holds {counted.row_count:,} rows, and none of the {loaded} as that load wrote it "
            "(restored, rewritten or changed since)"
        )
    return (
        f"{written:,} rows were added or changed since, and {lost:,} of the {loaded} are changed or missing"
    )


def _describe(
    connection: TargetConnection,
    table: Table,
    found: str,
    counted: _Counted,
    xids: Sequence[int] = (),
    *,
    was_loaded: bool = False,
) -> ChangedRows:
    """Build the finding with the first keys of what ``xids`` did not write."""
    written = counted.row_count - counted.untouched_count
    is_told = not was_loaded or counted.untouched_count > 0 or not counted.row_count
    keys = _read_first_keys(connection, table, xids) if written and is_told else ()
    return ChangedRows(table.name, found, written if is_told else None, keys, was_loaded)


def _read_left(connection: TargetConnection, table: TableName, load: TableLoad) -> _Left:
    """Read what ``load`` left."""
    rows, place = read_left_rows(connection, load.load_id), read_place(connection, table)
    if load.chunk_count is not None:
        xids, row_count = read_chunk_xids(connection, load.load_id)
    else:
        xids = [] if load.load_xid is None else [load.load_xid]
        row_count = load.loaded.rows_written if load.loaded else 0
    if rows is None:
        return _Left(load, row_count, tuple(xids), None, is_made_anew=False)
    is_proof = rows.place.proves_transactions(place)
    return _Left(
        load,
        row_count,
        tuple(xids) if is_proof else (),
        rows,
        is_made_anew=rows.place.is_same_database(place) and rows.place.table_oid != place.table_oid,
    )


def _count_rows(
    connection: TargetConnection, table: TableName, xids: Sequence[int], loaded_count: int
) -> _Counted:
    with target_errors(f"table {table}"):
        row = connection.execute(
            sql.SQL("SELECT count(*), count(written.xid) FROM {}").format(_join_written(table, xids))
        ).fetchone()
    row_count, untouched_count = row or (0, 0)
    return _Counted(row_count, untouched_count, loaded_count)


def _join_written(table: TableName, xids: Sequence[int]) -> sql.Composable:
    """FROM the table's rows, each beside the one of ``xids`` that wrote it, if any did.

    A join, since PostgreSQL before 15 would look for each row's xmin through all of a long list.
    """
    return sql.SQL(
        "{} AS own LEFT JOIN unnest({}::text[]::xid[]) AS written (xid) ON written.xid = own.xmin"
    ).format(qualified_name(table), [str(xid) for xid in sorted(set(xids))])


def _read_first_keys(connection: TargetConnection, table: Table, xids: Sequence[int]) -> tuple[str, ...]:
    names = table.primary_key.columns if table.primary_key else ("ctid",)
    columns = sql.SQL(", ").join(sql.SQL("own.{}").format(quote_identifier(name)) for name in names)
    with target_errors(f"table {table.name}"):
        rows = connection.execute(
            sql.SQL("SELECT {} FROM {} WHERE written.xid IS NULL ORDER BY {} LIMIT {}").format(
                columns, _join_written(table.name, xids), columns, FIRST_KEYS
            )
        ).fetchall()
    return tuple(", ".join(f"{name}={value}" for name, value in zip(names, row, strict=True)) for row in rows)
