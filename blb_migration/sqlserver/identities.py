"""How far a table's identity has come at the source: asked in several ways, for none is trusted alone.

``sys.identity_columns`` has one row for a table with an identity; its last_value is IDENT_CURRENT's.
Servers were seen that give a row for every column of the database, or no seed and no last value. What either
says is held against the other and against the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from blb_migration.errors import SourceError, SourceUnreachable
from blb_migration.model import Column, Identity, Table, TableName
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.names import quote_name, quote_table
from blb_migration.types import look_up_source

# last_value is a sql_variant, NULL as long as no row was inserted; identity columns may be decimal(38, 0).
_FROM_CATALOG = """
FROM sys.identity_columns AS i
JOIN sys.tables AS t ON t.object_id = i.object_id
JOIN sys.schemas AS s ON s.schema_id = t.schema_id
"""
_CATALOG_ROWS = f"SELECT s.name, t.name, i.name, CAST(i.last_value AS decimal(38, 0)){_FROM_CATALOG}"
_OF_ONE_TABLE = "WHERE s.name = ? AND t.name = ?"
# IDENT_CURRENT is wanted whatever the view says: one row at least.
_TOGETHER = f"""
SELECT {{current}}, own.name, own.last_value
FROM (SELECT 1 AS one) AS asked
LEFT JOIN (
    SELECT i.name, CAST(i.last_value AS decimal(38, 0)) AS last_value{_FROM_CATALOG}{_OF_ONE_TABLE}
) AS own ON 1 = 1
"""
_TABLES_AT_ONCE = 500

Item = TypeVar("Item")


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
class NumberedColumn:
    """A source column whose values go on by ``increment``, there or at the target alone."""

    table: Table
    name: str
    increment: int

    @property
    def is_at_an_index_end(self) -> bool:
        """Whether its MAX and MIN are one step into an index."""
        keys = (self.table.primary_key, *self.table.unique_keys)
        leading = [key.columns[0] for key in keys if key is not None]
        leading += [index.columns[0].name for index in self.table.indexes if index.filter is None]
        return self.name in leading


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
    if find_identity_column(table) is None:
        return None
    name = table.name
    together = _TOGETHER.format(current=_current(name))
    rows = _ask(session, together, name, (name.schema, name.name))
    if rows:
        told = [(row[1], row[2]) for row in rows if row[1] is not None]
        return _build_reading(table, told, rows[0][0])
    own = _ask(session, f"{_CATALOG_ROWS}{_OF_ONE_TABLE}", name, (name.schema, name.name))
    current = _ask(session, f"SELECT {_current(name)}", name)
    return _build_reading(table, [row[2:] for row in own], current[0][0] if current else None)


def read_identities_of(session: SourceSession, tables: Sequence[Table]) -> dict[TableName, IdentityReading]:
    """Read what the source says of these tables' identities, of many at once; those without one are left out.

    What it cannot say of many is asked table by table. Raises SourceUnreachable.
    """
    numbered = [table for table in tables if find_identity_column(table) is not None]
    readings: dict[TableName, IdentityReading] = {}
    if not numbered:
        return readings
    told: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
    rows = _ask(session, _CATALOG_ROWS, numbered[0].name)
    for schema, name, *own in rows:
        told.setdefault((schema, name), []).append(tuple(own))
    for some in _split(numbered):
        names = ", ".join(_current(table.name) for table in some)
        currents = _ask(session, f"SELECT {names}", some[0].name) if rows else []
        for number, table in enumerate(some):
            if currents:
                own_rows = told.get((table.name.schema, table.name.name), [])
                readings[table.name] = _build_reading(table, own_rows, currents[0][number])
            elif (reading := read_identity(session, table)) is not None:
                readings[table.name] = reading
    return readings


def _build_reading(table: Table, told: Sequence[tuple[Any, ...]], current: Any) -> IdentityReading:
    """Build a reading of the view's rows for the table, (column, last value), and of IDENT_CURRENT."""
    column = find_identity_column(table)
    assert column is not None
    assert column.identity is not None
    is_sound = len(told) == 1 and told[0][0] == column.name
    return IdentityReading(
        column.name,
        column.identity.seed,
        column.identity.increment,
        catalog_is_sound=is_sound,
        in_catalog=_whole(told[0][1]) if is_sound else None,
        current=_whole(current),
    )


def _split(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[first : first + _TABLES_AT_ONCE] for first in range(0, len(items), _TABLES_AT_ONCE))


def _current(table: TableName) -> str:
    return f"CAST(IDENT_CURRENT({_argument(table)}) AS decimal(38, 0))"


def read_extremes(
    session: SourceSession, columns: Sequence[NumberedColumn]
) -> list[int | SourceError | None]:
    """Read each column's MAX at the source, or its MIN for a negative step, where an index has it at its end.

    None where it would cost a scan: the rows are loaded anyway, and their own is compared then; and for an
    empty table. Of a table that cannot be read the error is returned. Raises SourceUnreachable.
    """
    extremes: list[int | SourceError | None] = [None] * len(columns)
    asked = [number for number, column in enumerate(columns) if column.is_at_an_index_end]
    for some in _split(asked):
        try:
            values: Sequence[int | SourceError | None] = _read_values(session, [columns[n] for n in some])
        except SourceUnreachable:
            raise
        except SourceError:  # of one at least, which the others are not to suffer from
            values = [_read_alone(session, columns[number]) for number in some]
        for number, value in zip(some, values, strict=True):
            extremes[number] = value
    return extremes


def _read_values(session: SourceSession, columns: Sequence[NumberedColumn]) -> list[int | None]:
    [row] = session.read_rows(
        f"SELECT {', '.join(map(_select_extreme, columns))}",
        action="asking how far its identity is used",
        subject=str(columns[0].table.name),
    )
    return [_whole(value) for value in row]


def _select_extreme(column: NumberedColumn) -> str:
    function = "MAX" if column.increment > 0 else "MIN"
    name = quote_name(column.name)
    return f"(SELECT CAST({function}({name}) AS decimal(38, 0)) FROM {quote_table(column.table.name)})"


def _read_alone(session: SourceSession, column: NumberedColumn) -> int | SourceError | None:
    try:
        return _read_values(session, [column])[0]
    except SourceUnreachable:
        raise
    except SourceError as error:
        return error


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
