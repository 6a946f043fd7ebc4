"""Writing Arrow batches into a table through COPY ... FORMAT BINARY.

The batches are already in the target's form: which conversion a column needs is the plan's. This module
has them encoded, sends and counts, and says which row and column the server refused. Locking and
emptying the table are here too, because COPY ... FREEZE needs the latter in the same transaction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql

from blb_migration.errors import TargetError
from blb_migration.model import Column, TableName
from blb_migration.postgres.binary.blocks import COPY_HEADER, COPY_TRAILER
from blb_migration.postgres.binary.rows import RowEncoder
from blb_migration.postgres.failures import build_target_error, target_errors
from blb_migration.postgres.names import TargetConnection, comma_separated, qualified_name
from blb_migration.postgres.value_limits import build_guards, refuse_large_rows

# The end of the server's CONTEXT: "COPY users, line 1234, column email", its words in any language.
# For binary input the "line" is the number of the row within the COPY, from 1.
_COPY_CONTEXT = re.compile(r"COPY .+?, \S+ (?P<row>\d+)(?:, \S+ (?P<column>.+?))?$", re.MULTILINE)

# The server keeps a whole message in memory; of this size it stays in its processor's cache.
MESSAGE_BYTES = 256 * 1024


@dataclass(frozen=True)
class EncodedRows:
    """Rows as COPY takes them, one after the other in ``buffer``, without header and trailer."""

    buffer: bytes
    row_count: int


class CopyEncoder:
    """Encodes the batches of one table, in their order, for ``BinaryCopyWriter``.

    ``columns`` are the target's, in the order of the batches' fields and with the same names. Raises
    PreflightRefused for a column that cannot be written exactly (see ``encoders.column_encoder``).
    """

    def __init__(self, table: TableName, columns: Sequence[Column], schema: pa.Schema) -> None:
        names = [column.name for column in columns]
        if names != schema.names:
            raise ValueError(f"{table}: batches hold the columns {schema.names}, expected {names}")
        self._table = table
        self._schema = schema
        self._guards = build_guards(table, tuple(columns))
        self._row_count = 0
        self.rows = RowEncoder(columns, schema, is_canonical=False)

    def encode(self, batch: pa.RecordBatch) -> EncodedRows:
        """One batch. Raises TargetError for a value that the server would cut silently (``narrowing``)."""
        if not batch.schema.equals(self._schema):
            raise ValueError(f"{self._table}: a batch has the schema {batch.schema}, not {self._schema}")
        refuse_large_rows(self._table, batch, self._row_count)
        for position, guard in self._guards.items():
            guard.check(batch.column(position), self._row_count)
        self._row_count += batch.num_rows
        return EncodedRows(self.rows.encode_buffer(batch), batch.num_rows)


@dataclass(frozen=True)
class CopyResult:
    """What one COPY wrote; ``byte_count`` is of the binary stream, header and trailer included."""

    row_count: int
    byte_count: int


class BinaryCopyWriter:
    """Writes encoded rows into one table.

    ``columns`` are those that the rows hold, in their order; the table's other columns get their
    defaults. ``freeze`` asks for COPY ... FREEZE, which the server grants only in the very
    (sub)transaction that emptied or created the table, and never for a partitioned table.
    """

    def __init__(
        self,
        connection: TargetConnection,
        table: TableName,
        columns: Sequence[Column],
        *,
        freeze: bool = False,
    ) -> None:
        self._connection = connection
        self._table = table
        self._statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY{})").format(
            qualified_name(table),
            comma_separated([column.name for column in columns]),
            sql.SQL(", FREEZE" if freeze else ""),
        )

    def write(self, blocks: Iterable[EncodedRows]) -> CopyResult:
        """Send all ``blocks`` in one COPY and return what was written.

        Memory stays within one block. An exception of the ``blocks`` iterator cancels the COPY and passes
        through unchanged. Raises TargetError naming table, row and column for what the server refuses.
        """
        row_count = 0
        byte_count = len(COPY_HEADER) + len(COPY_TRAILER)
        try:
            with self._connection.cursor() as cursor, cursor.copy(self._statement) as copy:
                copy.write(COPY_HEADER)
                for block in blocks:
                    rows = memoryview(block.buffer)
                    for start in range(0, len(rows), MESSAGE_BYTES):
                        copy.write(rows[start : start + MESSAGE_BYTES])
                    row_count += block.row_count
                    byte_count += len(rows)
                copy.write(COPY_TRAILER)
        except psycopg.Error as error:
            raise self._locate(error) from error
        return CopyResult(row_count, byte_count)

    def _locate(self, error: psycopg.Error) -> TargetError:
        subject = f"table {self._table}"
        where: Any = _COPY_CONTEXT.search(error.diag.context or "")
        if where:
            if where["column"]:
                subject = f"column {self._table}.{where['column']}"
            subject += f", row {where['row']} of the load"
        elif error.diag.column_name:
            subject = f"column {self._table}.{error.diag.column_name}"
        return build_target_error(error, subject)


def lock_table(connection: TargetConnection, table: TableName) -> None:
    """Keep everybody else out of the table until the transaction ends, so that what is judged stays so.

    Raises TargetError, transient when another session holds a lock past the session's lock_timeout.
    """
    with target_errors(f"table {table}"):
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(qualified_name(table)))


def empty_table(connection: TargetConnection, table: TableName) -> None:
    """TRUNCATE the table (with its partitions), never CASCADE; sequences stay where they are.

    Refused by the server while another table's foreign key points here, even an empty one's: see
    ``dropping``. Whether its rows may go is for ``ownership`` to say first. Raises TargetError.
    """
    with target_errors(f"table {table}"):
        connection.execute(sql.SQL("TRUNCATE TABLE {} CONTINUE IDENTITY").format(qualified_name(table)))
