"""Reading a table's rows back in binary COPY form, for comparing. Decodes nothing.

libpq hands over one row per message; they are joined to blocks of bounded size. What each column is
selected as is ``canonical``'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import psycopg
from psycopg import Copy, pq, sql
from psycopg.abc import Buffer

from blb_migration.model import Column, TableName
from blb_migration.postgres.binary.blocks import (
    COPY_HEADER,
    COPY_TRAILER,
    RowBlock,
    join_fields,
    split_fields,
)
from blb_migration.postgres.binary.canonical import canonical_expression, canonical_json, needs_rewriting
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import (
    TargetConnection,
    comma_separated,
    qualified_name,
    quote_identifier,
    server_text,
)

BLOCK_ROWS = 8192
BLOCK_BYTES = 8 * 1024 * 1024
_FIRST_ROWS = 64  # before it is known how large rows are


def read_row_blocks(
    connection: TargetConnection,
    table: TableName,
    columns: Sequence[Column],
    order_by: Sequence[Column] = (),
    casts: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Iterator[RowBlock]:
    """Every row of the table, its fields in the order of ``columns``; without ``order_by`` in no order.

    ``casts`` are types, as the server spells them, that a column's values are cast to one after the other
    before they are read. A block has at most ``BLOCK_ROWS`` rows, and fewer where rows are large. Raises
    TargetError.
    """
    order = sql.SQL(" ORDER BY {}").format(comma_separated([column.name for column in order_by]))
    statement = sql.SQL("COPY (SELECT {} FROM {}{}) TO STDOUT (FORMAT BINARY)").format(
        sql.SQL(", ").join(map(canonical_expression, columns)),
        _build_cast_rows(table, columns, casts) if casts else qualified_name(table),
        order if order_by else sql.SQL(""),
    )
    rewritten = [position for position, column in enumerate(columns) if needs_rewriting(column)]
    # A reader that has seen enough cancels the COPY; inside somebody's transaction that must not end it.
    with (
        target_errors(f"table {table}"),
        connection.transaction(),
        connection.cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        # The header comes alone or with the first row, as the server likes.
        head = bytes(copy.read())[len(COPY_HEADER) :]
        rows: list[Buffer] = [head] if head else []
        is_over = head == COPY_TRAILER
        row_count = _FIRST_ROWS
        while not is_over:
            is_over = _fetch_rows(connection.pgconn, copy, rows, row_count)
            if rewritten:
                rows = [_rewrite(bytes(row), rewritten) for row in rows]
            if rows:
                yield RowBlock.from_rows(rows)
                most = max(1, BLOCK_BYTES // max(map(len, rows)))
                row_count = min(BLOCK_ROWS, 4 * row_count, most)
            rows = []
        copy.read()  # behind the trailer: the server's word that all went well


def _build_cast_rows(
    table: TableName, columns: Sequence[Column], casts: Mapping[str, Sequence[str]]
) -> sql.Composable:
    names = [(quote_identifier(column.name), casts.get(column.name, ())) for column in columns]
    values = [
        sql.SQL("{}{} AS {}").format(name, server_text("".join(f"::{each}" for each in types)), name)
        for name, types in names
    ]
    return sql.SQL("(SELECT {} FROM {}) AS own").format(sql.SQL(", ").join(values), qualified_name(table))


def _fetch_rows(pgconn: pq.abc.PGconn, copy: Copy, rows: list[Buffer], row_count: int) -> bool:
    """Append rows until there are ``row_count`` of them; True when they were the last ones.

    libpq is asked directly for what has arrived: half the time of ``Copy``'s own iterator, which is asked
    only to wait. (-1 is an error of the server in the middle of the rows.)
    """
    get_copy_data = pgconn.get_copy_data
    while len(rows) < row_count:
        size, row = get_copy_data(1)
        if size <= 0:
            if size < 0:
                result = pgconn.get_result()
                assert result is not None
                raise psycopg.errors.error_from_result(result)
            row = memoryview(copy.read())
            size = len(row)
        if size == len(COPY_TRAILER) and row == COPY_TRAILER:
            return True
        rows.append(row)
    return False


def _rewrite(row: bytes, positions: Sequence[int]) -> bytes:
    fields = list(split_fields(row))
    for position in positions:
        field = fields[position]
        if field is not None:
            fields[position] = canonical_json(field.decode()).encode()
    return join_fields(fields)
