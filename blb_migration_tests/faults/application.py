"""An application at work in a loaded target: changes rows at random, and an owner who rewrites tables.

Whether something has really changed is asked of the rows' own text, by nothing that the product uses.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg import sql

from blb_migration.model import Column, Table
from blb_migration.postgres.names import (
    TargetConnection,
    comma_separated,
    qualified_name,
    quote_identifier,
)

_WIDER = {
    "smallint": "integer",
    "integer": "bigint",
    "bigint": "numeric",
    "real": "double precision",
    "character varying": "text",
    "date": "timestamp without time zone",
}


# Another value of a column {c}, by what its type begins with; of other types the same one.
_OTHER_VALUES = {
    **dict.fromkeys(("smallint", "integer", "bigint", "numeric", "real", "double"), "({c} + {n})::{kind}"),
    **dict.fromkeys(("timestamp", "date"), "({c} + {n} * interval '1 hour')::{kind}"),
    **dict.fromkeys(("character varying", "text", "citext"), "left({c} || {n}::text, {length})"),
    "uuid": "gen_random_uuid()",
    "boolean": "NOT {c}",
    "bytea": "{c} || decode(md5({n}::text), 'hex')",
}


def read_fingerprint(connection: TargetConnection, table: Table) -> str:
    """Hash every row's text in an order of its own."""
    row = connection.execute(
        sql.SQL("SELECT md5(string_agg(md5(own::text), '' ORDER BY md5(own::text))) FROM {} AS own").format(
            qualified_name(table.name)
        )
    ).fetchone()
    return str(row and row[0])


@dataclass
class Application:
    """Does one thing after the other to ``table``, as ``draw`` has it."""

    connection: TargetConnection
    table: Table
    draw: random.Random

    @property
    def changes(self) -> dict[str, Callable[[], None]]:
        """What applications do; some of it may turn out to change nothing."""
        return {
            "insert": self._insert,
            "update one": self._update,
            "update all": self._update_all,
            "delete": lambda: self._delete(self.draw.randint(1, 10)),
            "n deleted, n inserted": self._swap,
            "deleted and inserted again": self._delete_and_insert_again,
            "emptied and filled again": self._refill,
            "deletes undone": self._delete_and_undo,
            "deleted, number used again": self._use_number_again,
        }

    @property
    def rewritings(self) -> dict[str, Callable[[], bool]]:
        """What rewrites a table and changes no value; False where the table does not allow it."""
        return {
            "none": lambda: True,
            "every row updated to itself": self._touch,
            "CLUSTER": self._cluster,
            "ALTER TYPE": self._widen,
            "ADD and DROP of a column": self._add_and_drop,
        }

    def _run(self, statement: str, **parts: sql.Composable) -> None:
        self.connection.execute(sql.SQL(statement).format(t=qualified_name(self.table.name), **parts))

    @property
    def _stored(self) -> list[Column]:
        return [column for column in self.table.columns if column.computed is None]

    def _draw_row(self) -> str | None:
        rows = self.connection.execute(
            sql.SQL("SELECT ctid::text FROM {} ORDER BY ctid").format(qualified_name(self.table.name))
        ).fetchall()
        return self.draw.choice(rows)[0] if rows else None

    def _copy(self, row: str, replaced: dict[str, sql.Composable]) -> None:
        names = [column.name for column in self._stored]
        values = [replaced.get(name, quote_identifier(name)) for name in names]
        self._run(
            "INSERT INTO {t} ({names}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {t} WHERE ctid = {row}",
            names=comma_separated(names),
            values=sql.SQL(", ").join(values),
            row=sql.Literal(row),
        )

    def _name_anew(self) -> dict[str, sql.Composable]:
        """Expressions that make a copied row's keys its own."""
        named = self.table.primary_key.columns[-1:] if self.table.primary_key else ()
        named += tuple(key.columns[-1] for key in self.table.unique_keys)
        return {name: self._draw_value(self.table.columns_by_name[name]) for name in named}

    def _draw_value(self, column: Column) -> sql.Composable:
        name, kind = quote_identifier(column.name), column.type.name
        expression = next((each for begin, each in _OTHER_VALUES.items() if kind.startswith(begin)), "{c}")
        return sql.SQL(expression).format(
            c=name,
            n=sql.Literal(self.draw.randrange(30_000)),
            kind=sql.SQL(str(column.type)),
            length=sql.Literal(column.type.length or 100),
        )

    def _insert(self) -> None:
        row = self._draw_row()
        if row is not None:
            self._copy(row, self._name_anew())

    def _update(self) -> None:
        row, column = self._draw_row(), self.draw.choice(self._stored)
        is_nulled = column.nullable and self.draw.random() < 0.3
        value: sql.Composable = sql.SQL("NULL") if is_nulled else self._draw_value(column)
        if row is not None:
            self._run(
                "UPDATE {t} SET {c} = {value} WHERE ctid = {row}",
                c=quote_identifier(column.name), value=value, row=sql.Literal(row),
            )  # fmt: skip

    def _update_all(self) -> None:
        column = self.draw.choice(self._stored)
        self._run(
            "UPDATE {t} SET {c} = {value}",
            c=quote_identifier(column.name), value=self._draw_value(column),
        )  # fmt: skip

    def _delete(self, count: int) -> None:
        self._run(
            "DELETE FROM {t} WHERE ctid IN (SELECT ctid FROM {t} ORDER BY md5(ctid::text || {s}) LIMIT {n})",
            s=sql.Literal(str(self.draw.random())), n=sql.Literal(count),
        )  # fmt: skip

    def _swap(self) -> None:
        count = self.draw.randint(1, 10)
        for _ in range(count):
            self._insert()
        self._delete(count)

    def _keep(self, statement: str) -> None:
        """Take all rows out and put back what ``statement`` selects of them."""
        names = comma_separated([column.name for column in self._stored])
        self._run("CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT {n} FROM {t}", n=names)
        self._run("DELETE FROM {t}")
        self._run(f"INSERT INTO {{t}} ({{n}}) OVERRIDING SYSTEM VALUE {statement}", n=names)
        self._run("DROP TABLE kept")

    def _delete_and_insert_again(self) -> None:
        row = self._draw_row()
        if row is None:
            return
        names = comma_separated([column.name for column in self._stored])
        condition = sql.Literal(row)
        self._run("CREATE TEMP TABLE kept AS SELECT {n} FROM {t} WHERE ctid = {row}", n=names, row=condition)
        self._run("DELETE FROM {t} WHERE ctid = {row}", row=condition)
        self._run("INSERT INTO {t} ({n}) OVERRIDING SYSTEM VALUE SELECT {n} FROM kept", n=names)
        self._run("DROP TABLE kept")
        if self.draw.random() < 0.7:
            self._update()

    def _refill(self) -> None:
        self._keep("SELECT {n} FROM kept")
        if self.draw.random() < 0.7:
            self.draw.choice([self._update, self._swap])()

    def _delete_and_undo(self) -> None:
        with self.connection.transaction(force_rollback=True):
            self._delete(10)

    def _use_number_again(self) -> None:
        row, other = self._draw_row(), self._draw_row()
        if row is None or row == other or self.table.primary_key is None:
            return
        key = self.table.primary_key.columns
        values = self.connection.execute(
            sql.SQL("DELETE FROM {} WHERE ctid = {} RETURNING {}").format(
                qualified_name(self.table.name), sql.Literal(row),
                sql.SQL(", ").join(sql.SQL("{}::text").format(quote_identifier(name)) for name in key),
            )
        ).fetchone()  # fmt: skip
        types = [str(self.table.columns_by_name[name].type) for name in key]
        replaced: dict[str, sql.Composable] = {
            name: sql.SQL("{}::{}").format(sql.Literal(value), sql.SQL(kind))
            for name, value, kind in zip(key, values or (), types, strict=True)
        }
        assert other is not None
        self._copy(other, {**self._name_anew(), **replaced})

    def _touch(self) -> bool:
        name = quote_identifier(self.draw.choice(self._stored).name)
        self._run("UPDATE {t} SET {c} = {c}", c=name)
        return True

    def _cluster(self) -> bool:
        if self.table.primary_key is None:
            return False
        self._run("CLUSTER {t} USING {i}", i=quote_identifier(self.table.primary_key.name))
        return True

    def _widen(self) -> bool:
        wider = [
            column
            for column in self._stored
            if column.type.name in _WIDER and column.type.alias is None and column.identity is None
        ]
        if not wider:
            return False
        column = self.draw.choice(wider)
        try:
            with self.connection.transaction():
                self._run(
                    "ALTER TABLE {t} ALTER {c} TYPE {kind}",
                    c=quote_identifier(column.name), kind=sql.SQL(_WIDER[column.type.name]),
                )  # fmt: skip
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.DatatypeMismatch):
            return False  # a generated column or a default depends on it
        return True

    def _add_and_drop(self) -> bool:
        self._run("ALTER TABLE {t} ADD blb_added uuid DEFAULT gen_random_uuid()")
        self._run("ALTER TABLE {t} DROP blb_added")
        return True
