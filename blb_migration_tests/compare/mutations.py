"""Single random changes of a loaded target, and what comparing must say of each.

A mutation is made in a transaction that is rolled back after the checks, with triggers off, as somebody
with a superuser's rights could do it. ``Mutator.mutate`` returns None where a kind has nothing to change
in the table drawn, or where a constraint of the target forbids it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.names import (
    TargetConnection,
    qualified_definitions,
    qualified_name,
    qualified_text,
    quote_identifier,
)

_TEXTS = ("character varying", "text", "citext")


@dataclass(frozen=True)
class Mutation:
    """What was changed: ``cells`` are (key as text, target column); or a whole row; or a promise."""

    kind: str
    label: str
    cells: tuple[tuple[str, str], ...] = ()
    row_kind: str | None = None

    @property
    def check(self) -> str:
        """The check that must find it."""
        return "content" if self.cells or self.row_kind else "integrity"


@dataclass(frozen=True)
class _Cell:
    """One present value: where it stands (``ctid``), what its row is called, and what it is as text."""

    ctid: str
    key: str
    value: str | None


class Mutator:
    """Draws tables, columns and rows by ``draw`` and changes them on ``connection``."""

    def __init__(
        self, connection: TargetConnection, tables: Sequence[TablePlan], draw: random.Random
    ) -> None:
        self._connection = connection
        self._tables = tables
        self._draw = draw
        self.kinds: dict[str, Callable[[TablePlan], Mutation | None]] = {
            "smallest step of a cell": self._step_cell,
            "NULL for an empty string": self._null_for_empty,
            "a trailing space": self._add_space,
            "two cells swapped": self._swap_cells,
            "one microsecond": self._add_microsecond,
            "a bit": self._flip_bit,
            "a byte of a binary": self._change_byte,
            "a row lost": self._lose_row,
            "a row doubled": self._double_row,
            "moved to another parent": self._move_to_parent,
            "a sequence set back": self._set_back,
            "a key dropped": self._drop_key,
            "a key left NOT VALID": self._leave_unproven,
        }

    def mutate(self, kind: str) -> Mutation | None:
        """One change of this kind somewhere; None if the draw was none."""
        table = self._draw.choice(self._tables)
        try:
            with self._connection.transaction():
                self._connection.execute("SET LOCAL session_replication_role = replica")
                return self.kinds[kind](table)
        except (psycopg.errors.IntegrityError, psycopg.errors.DataError):
            return None

    def _step_cell(self, table: TablePlan) -> Mutation | None:
        column = self._draw_column(table, lambda _: True)
        return self._change(table, column, "smallest step of a cell", _next_value) if column else None

    def _null_for_empty(self, table: TablePlan) -> Mutation | None:
        column = self._draw_column(table, lambda c: c.target.type.name in _TEXTS and c.target.nullable)
        if column is None:
            return None
        name = quote_identifier(column.target.name)
        cell = self._draw_cell(table, column, sql.SQL("coalesce({}, '') = ''").format(name))
        if cell is None:
            return None
        self._set(table, column, cell, "" if cell.value is None else None)
        return Mutation("NULL for an empty string", table.label, ((cell.key, column.target.name),))

    def _add_space(self, table: TablePlan) -> Mutation | None:
        column = self._draw_column(table, lambda c: c.target.type.name in _TEXTS)
        # One past the limit, the server would cut it off again without a word.
        return (
            self._change(table, column, "a trailing space", lambda _, value: f"{value} ") if column else None
        )

    def _add_microsecond(self, table: TablePlan) -> Mutation | None:
        column = self._draw_column(table, lambda c: c.target.type.name.startswith("time"))
        return self._change(table, column, "one microsecond", _next_value) if column else None

    def _flip_bit(self, table: TablePlan) -> Mutation | None:
        column = self._draw_column(table, lambda c: c.target.type.name == "boolean")
        return self._change(table, column, "a bit", _next_value) if column else None

    def _change_byte(self, table: TablePlan) -> Mutation | None:
        column = self._draw_column(table, lambda c: c.target.type.name == "bytea")
        return self._change(table, column, "a byte of a binary", _next_value) if column else None

    def _swap_cells(self, table: TablePlan) -> Mutation | None:
        column = self._draw_column(table, lambda _: True)
        if column is None or not _key_of(table):
            return None
        one, other = self._draw_cell(table, column), self._draw_cell(table, column)
        if one is None or other is None or one.value == other.value:
            return None
        self._set(table, column, one, other.value)
        self._set(table, column, other, one.value)
        name = column.target.name
        return Mutation("two cells swapped", table.label, ((one.key, name), (other.key, name)))

    def _move_to_parent(self, table: TablePlan) -> Mutation | None:
        keys = [key for key in table.target.foreign_keys if len(key.columns) == 1]
        if not keys:
            return None
        key = self._draw.choice(keys)
        columns = [column for column in table.columns if column.target.name == key.columns[0]]
        if not columns or columns[0].target.name in _key_of(table):
            return None
        parents = sql.SQL("SELECT {}::text FROM {}").format(
            quote_identifier(key.referred_columns[0]), qualified_name(key.referred_table)
        )
        others = [value for (value,) in self._connection.execute(parents)]
        return self._change(
            table,
            columns[0],
            "moved to another parent",
            lambda _, value: next((other for other in others if other != value), None),
        )

    def _lose_row(self, table: TablePlan) -> Mutation | None:
        cell = self._draw_cell(table, self._draw.choice(table.columns))
        if cell is None:
            return None
        self._connection.execute(
            sql.SQL("DELETE FROM {} WHERE ctid = {}").format(qualified_name(table.target.name), cell.ctid)
        )
        return Mutation("a row lost", table.label, row_kind="missing")

    def _double_row(self, table: TablePlan) -> Mutation | None:
        keyless = [own for own in self._tables if not _key_of(own) and not own.target.unique_keys]
        table = self._draw.choice(keyless) if keyless else table
        cell = self._draw_cell(table, self._draw.choice(table.columns))
        if cell is None:
            return None
        names = sql.SQL(", ").join(quote_identifier(column.target.name) for column in table.columns)
        values = names
        if not keyless:  # the copy needs a key of its own
            key = table.columns[0].target
            if key.type.name not in ("integer", "bigint") or _key_of(table) != (key.name,):
                return None
            values = sql.SQL(", ").join(
                [
                    sql.SQL("{} + 1000000").format(quote_identifier(key.name)),
                    *(quote_identifier(column.target.name) for column in table.columns[1:]),
                ]
            )
        self._connection.execute(
            sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} WHERE ctid = {}").format(
                qualified_name(table.target.name), names, values, qualified_name(table.target.name), cell.ctid
            )
        )
        return Mutation("a row doubled", table.label, row_kind="extra")

    def _set_back(self, table: TablePlan) -> Mutation | None:
        numbered = [c.target.identity for c in table.columns if c.target.identity is not None]
        if not numbered or numbered[0].sequence is None:
            return None
        sequence = qualified_name(numbered[0].sequence)
        last = self._connection.execute(sql.SQL("SELECT last_value FROM {}").format(sequence)).fetchone()
        back = (last[0] if last else 1) - max(1, abs(numbered[0].increment)) * (
            1 if numbered[0].increment > 0 else -1
        )
        self._connection.execute(sql.SQL("ALTER SEQUENCE {} RESTART WITH {}").format(sequence, back))
        return Mutation("a sequence set back", table.label)

    def _drop_key(self, table: TablePlan) -> Mutation | None:
        constraint = self._draw_constraint(table, "pufc")
        if constraint is None:
            return None
        self._connection.execute(
            sql.SQL("ALTER TABLE {} DROP CONSTRAINT {} CASCADE").format(
                qualified_name(table.target.name), quote_identifier(constraint[0])
            )
        )
        return Mutation("a key dropped", table.label)

    def _leave_unproven(self, table: TablePlan) -> Mutation | None:
        constraint = self._draw_constraint(table, "f")
        if constraint is None:
            return None
        name, definition = constraint
        self._connection.execute(
            sql.SQL("ALTER TABLE {0} DROP CONSTRAINT {1}, ADD CONSTRAINT {1} {2} NOT VALID").format(
                qualified_name(table.target.name), quote_identifier(name), sql.SQL(definition)
            )
        )
        return Mutation("a key left NOT VALID", table.label)

    def _draw_constraint(self, table: TablePlan, types: str) -> tuple[str, str] | None:
        with qualified_definitions(self._connection):
            found = self._connection.execute(
                "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass"
                " AND contype::text = ANY (%s) ORDER BY conname",
                (qualified_text(table.target.name), list(types)),
            ).fetchall()
        return self._draw.choice(found) if found else None

    def _draw_column(self, table: TablePlan, fits: Callable[[ColumnPlan], bool]) -> ColumnPlan | None:
        key = _key_of(table)
        columns = [c for c in table.columns if c.target.name not in key and fits(c)]
        return self._draw.choice(columns) if columns else None

    def _change(
        self,
        table: TablePlan,
        column: ColumnPlan,
        kind: str,
        next_value: Callable[[ColumnPlan, str], str | None],
    ) -> Mutation | None:
        cell = self._draw_cell(table, column)
        value = None if cell is None or cell.value is None else next_value(column, cell.value)
        if cell is None or value is None:
            return None
        if not self._set(table, column, cell, value):
            return None
        return Mutation(kind, table.label, ((cell.key, column.target.name),))

    def _draw_cell(
        self, table: TablePlan, column: ColumnPlan, where: sql.Composable | None = None
    ) -> _Cell | None:
        name = quote_identifier(column.target.name)
        key = _key_of(table)
        statement = sql.SQL("SELECT ctid::text, {}::text{} FROM {} WHERE {}").format(
            name,
            sql.SQL("").join(sql.SQL(", {}::text").format(quote_identifier(part)) for part in key),
            qualified_name(table.target.name),
            where or sql.SQL("{} IS NOT NULL").format(name),
        )
        rows = self._connection.execute(statement).fetchall()
        if not rows:
            return None
        ctid, value, *parts = self._draw.choice(rows)
        return _Cell(ctid, ", ".join(f"{own}={part}" for own, part in zip(key, parts, strict=True)), value)

    def _set(self, table: TablePlan, column: ColumnPlan, cell: _Cell, value: str | None) -> bool:
        """Whether the stored value is another one afterwards (a char(n) ignores blanks)."""
        name = quote_identifier(column.target.name)
        [(changed,)] = self._connection.execute(
            sql.SQL("UPDATE {} SET {} = %s WHERE ctid = {} RETURNING {}::text").format(
                qualified_name(table.target.name), name, cell.ctid, name
            ),
            (value,),
        ).fetchall()
        return bool(changed != cell.value)


def _key_of(table: TablePlan) -> tuple[str, ...]:
    return table.target.primary_key.columns if table.target.primary_key is not None else ()


def _next_value(column: ColumnPlan, value: str) -> str | None:
    """Return the value's neighbour: the smallest step that its type knows. None: it knows none."""
    column_type = column.target.type
    if column_type.name.startswith(("time", "date")):
        return _next_moment(value, column_type.name, column_type.scale)
    step = _STEPS.get(column_type.name)
    return step(value) if step is not None else None


def _next_integer(value: str) -> str:
    return str(int(value) - 1 if int(value) > 0 else int(value) + 1)


def _next_decimal(value: str) -> str:
    digits = len(value.partition(".")[2])
    last = int(_next_integer(value.replace(".", "")))
    stepped = str(abs(last)).rjust(digits + 1, "0")
    return ("-" if last < 0 else "") + (f"{stepped[:-digits]}.{stepped[-digits:]}" if digits else stepped)


def _next_hexadecimal(value: str) -> str | None:
    """Return the last bit of a uuid or a bytea, which is empty when it is ``\\x``."""
    return value[:-1] + f"{int(value[-1], 16) ^ 1:x}" if len(value) > 2 else None


def _next_text(value: str) -> str | None:
    return value[:-1] + chr(ord(value[-1]) ^ 1) if value and value[-1] not in "\x01\x00" else None


_STEPS: dict[str, Callable[[str], str | None]] = {
    "boolean": lambda value: "false" if value == "true" else "true",
    **dict.fromkeys(("smallint", "integer", "bigint"), _next_integer),
    "numeric": _next_decimal,
    "double precision": lambda value: repr(math.nextafter(float(value), 0.0 if float(value) > 0 else 1.0)),
    **dict.fromkeys(("bytea", "uuid"), _next_hexadecimal),
    **dict.fromkeys(_TEXTS, _next_text),
    "json": lambda value: f"{value} ",
}


def _next_moment(value: str, type_name: str, scale: int | None) -> str | None:
    if type_name == "date":
        return None if value.startswith("0001") else f"{value[:-2]}{'02' if value[-2:] == '01' else '01'}"
    moment, _, zone = value.partition("+")
    seconds, _, fraction = moment.partition(".")
    digits = 6 if scale is None else scale
    if digits == 0:
        return None
    stepped = int(fraction.ljust(digits, "0") or 0) ^ 1
    return f"{seconds}.{stepped:0{digits}}" + (f"+{zone}" if zone else "")
