"""How far a table's identity has come at the source: asked in several ways, for none is trusted alone.

``sys.identity_columns`` has one row for a table with an identity; its last_value is IDENT_CURRENT's.
Servers were seen that give a row for every column of the database, or no seed and no last value. What either
says is held against the other and against the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from blb_migration.errors import SourceError, SourceUnreachable
from blb_migration.model import Column, Identity, Table, TableName
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.names import quote_name, quote_table
from blb_migration.types import look_up_source

# last_value is a sql_variant, NULL as long as no row was inserted; identity columns may be decimal(38, 0).
_CATALOG_ROWS = """
SELECT i.name, CAST(i.last_value AS decimal(38, 0))
FROM sys.identity_columns AS i
JOIN sys.tables AS t ON t.object_id = i.object_id
JOIN sys.schemas AS s ON s.schema_id = t.schema_id
WHERE s.name = ? AND t.name = ?
"""


@dataclass(frozen=True)
class IdentityReading:
    """What the source says of one identity column, unjudged.

    ``in_catalog`` is last_value of sys.identity_columns, ``catalog_is_sound`` whether that view has one
    row for the table, and it is this column's. ``current`` is IDENT_CURRENT: the seed of a table that
    never had a row. None: not told.
    """

    column: str
    seed: int
    increment: int
    catalog_is_sound: bool
    in_catalog: int | None
    current: int | None

    def describe(self, in_rows: int | None) -> str:
        """Say what each of the three says."""
        catalog = f"last_value {_shown(self.in_catalog)}"
        if not self.catalog_is_sound:
            catalog = "not one row for this table"
        return (
            f"sys.identity_columns: {catalog}; IDENT_CURRENT: {_shown(self.current)}; "
            f"{'MAX' if self.increment > 0 else 'MIN'} of its rows: {_shown(in_rows)}"
        )


@dataclass(frozen=True)
class IdentityPosition:
    """The last number handed out, as the answers together say; None: none yet.

    ``agrees``: every answer says so. ``is_settled``: at least two do, and none is ahead of them unseen.
    """

    last_value: int | None
    agrees: bool = True
    is_settled: bool = True


def judge_identity(reading: IdentityReading, in_rows: int | None) -> IdentityPosition:
    """Hold the answers against each other; ``in_rows`` is the column's MAX, or its MIN for a negative step.

    Where no two agree, the furthest one is taken, so that no number is handed out twice.
    """
    catalog, current = reading.in_catalog, reading.current
    is_unused = reading.catalog_is_sound and current == reading.seed
    if catalog is None and (is_unused or (current is None and in_rows is None)):
        return IdentityPosition(None)
    known = [number for number in (catalog, current) if number is not None]
    if not known:
        return IdentityPosition(None, agrees=False, is_settled=False)
    if catalog == current:
        return IdentityPosition(catalog)
    if in_rows in known:
        return IdentityPosition(in_rows, agrees=False)
    furthest = _furthest(reading, *known)
    # Where the view does not tell, IDENT_CURRENT counts if the rows do not belie it.
    is_borne_out = catalog is None and (in_rows is None or _furthest(reading, furthest, in_rows) == furthest)
    return IdentityPosition(furthest, agrees=False, is_settled=is_borne_out)


def _furthest(reading: IdentityReading, *numbers: int) -> int:
    return max(numbers) if reading.increment > 0 else min(numbers)


def _shown(number: int | None) -> str:
    return "not told" if number is None else str(number)


def is_used_up(column: Column, next_value: int) -> bool:
    """Whether the source's identity column could not take the number: SQL Server's error 8115."""
    if column.identity is None:
        return False
    limit: int = 10 ** (column.type.precision or 18) - 1
    low, high = look_up_source(column.type).range or (-limit, limit)
    return not low <= next_value <= high


def find_identity_column(table: Table) -> Column | None:
    """Return the table's identity column, of which there is one at most."""
    return next((column for column in table.columns if column.identity is not None), None)


def read_identity(session: SourceSession, table: Table) -> IdentityReading | None:
    """Read what the source says of the table's identity; None without one. Raises SourceUnreachable."""
    column = find_identity_column(table)
    if column is None or column.identity is None:
        return None
    name = table.name
    rows = _ask(session, _CATALOG_ROWS, name, (name.schema, name.name))
    current = _ask(session, f"SELECT CAST(IDENT_CURRENT({_argument(name)}) AS decimal(38, 0))", name)
    is_sound = len(rows) == 1 and rows[0][0] == column.name
    return IdentityReading(
        column.name,
        column.identity.seed,
        column.identity.increment,
        catalog_is_sound=is_sound,
        in_catalog=_whole(rows[0][1]) if is_sound else None,
        current=_whole(current[0][0]) if current else None,
    )


def read_identity_extreme(session: SourceSession, table: Table, reading: IdentityReading) -> int | None:
    """Read the column's MAX at the source, or its MIN for a negative step, where an index has it at its end.

    None where it would cost a scan: the rows are loaded anyway, and their own is compared then. Raises
    SourceError.
    """
    leading = [key.columns[0] for key in (table.primary_key, *table.unique_keys) if key is not None]
    leading += [index.columns[0].name for index in table.indexes if index.filter is None]
    if reading.column not in leading:
        return None
    function = "MAX" if reading.increment > 0 else "MIN"
    rows = session.read_rows(
        f"SELECT CAST({function}({quote_name(reading.column)}) AS decimal(38, 0)) "
        f"FROM {quote_table(table.name)}",
        action="asking how far its identity is used",
        subject=str(table.name),
    )
    return _whole(rows[0][0])


def read_identities(
    rows: Sequence[tuple[Any, ...]], columns: Sequence[tuple[Any, ...]], session: SourceSession
) -> dict[tuple[int, int], Identity]:
    """Build the identities of a catalog by (object_id, column_id).

    ``rows`` are those of sys.identity_columns, ``columns`` (object_id, column_id, is_identity, table) those
    of sys.columns. Where the view has other rows than one for a table's identity column, or no seed, the
    server's functions are asked. Raises SourceError.
    """
    by_table: dict[int, list[tuple[Any, ...]]] = {}
    for row in rows:
        by_table.setdefault(row[0], []).append(row)
    identities: dict[tuple[int, int], Identity] = {}
    doubtful = 0
    for object_id, column_id, is_identity, table in columns:
        own = by_table.get(object_id, [])
        if len(own) == 1 and own[0][1] == column_id and None not in own[0][2:4]:
            seed, increment, last_value = own[0][2:5]
            identities[object_id, column_id] = Identity(int(seed), int(increment), _whole(last_value))
        elif is_identity:
            doubtful += 1
            identities[object_id, column_id] = _ask_functions(session, table)
    if doubtful:
        session.notes.append(
            f"sys.identity_columns does not have one whole row for each identity column ({doubtful} tables); "
            "their seed, step and last number are those of IDENT_SEED, IDENT_INCR and IDENT_CURRENT"
        )
    return identities


def _ask_functions(session: SourceSession, table: TableName) -> Identity:
    name = _argument(table)
    answers = _ask(
        session,
        f"SELECT CAST(IDENT_SEED({name}) AS decimal(38, 0)), CAST(IDENT_INCR({name}) AS decimal(38, 0)), "
        f"CAST(IDENT_CURRENT({name}) AS decimal(38, 0))",
        table,
    )
    seed, increment, current = answers[0] if answers else (None, None, None)
    return Identity(
        1 if seed is None else int(seed), 1 if increment is None else int(increment), _whole(current)
    )


def _ask(
    session: SourceSession, statement: str, table: TableName, values: Sequence[object] = ()
) -> list[tuple[Any, ...]]:
    """Return the rows; none where the server cannot answer."""
    try:
        return session.read_rows(statement, tuple(values), action="reading its identity", subject=str(table))
    except SourceUnreachable:
        raise
    except SourceError:
        return []


def _argument(table: TableName) -> str:
    return "N'" + quote_table(table).replace("'", "''") + "'"


def _whole(number: Any) -> int | None:
    return None if number is None else int(number)
