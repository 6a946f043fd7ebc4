"""What a database catalog is: tables, columns, keys and indexes, for either engine.

Frozen dataclasses only. No SQL, no I/O, no engine's quirks: those live in ``sqlserver/`` and
``postgres/``, which both read their catalogs into these shapes. Lists are tuples in a
deterministic order (tables by name, columns by position, the rest by name), so that two catalogs
of the same database compare equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

EngineName = Literal["sqlserver", "postgres"]
ReferentialAction = Literal["NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"]


@dataclass(frozen=True, order=True)
class TableName:
    """A table's schema and name, as the engine spells them."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class ColumnType:
    """A column's type, resolved to the engine's own base type.

    ``name`` is the engine's base name in lower case (``decimal``, ``nvarchar``, ``datetime2``;
    ``numeric``, ``character varying``, ``timestamp without time zone``). ``length`` counts
    characters for text and bytes for binaries; None means unlimited ((max), ``text``) or not
    applicable. ``precision`` and ``scale`` are decimal digits; for times, ``scale`` is the number
    of fractional second digits. ``alias`` is the user-defined type or domain it was declared with,
    ``labels`` are an enum's.
    """

    name: str
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    alias: str | None = None
    labels: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.name in _LENGTH_TYPES:
            if self.length is not None:
                return f"{self.name}({self.length})"
            return f"{self.name}(max)" if self.name in _MAX_TYPES else self.name
        if self.name in ("decimal", "numeric") and self.precision is not None:
            return f"{self.name}({self.precision},{self.scale or 0})"
        if self.name in ("datetime2", "datetimeoffset", "time") and self.scale is not None:
            return f"{self.name}({self.scale})"
        if self.name.startswith(("timestamp ", "time ")) and self.scale is not None:
            base, rest = self.name.split(" ", 1)
            return f"{base}({self.scale}) {rest}"
        return f"enum {self.alias}" if self.labels and self.alias is not None else self.name


_MAX_TYPES = frozenset({"varchar", "nvarchar", "varbinary"})
_LENGTH_TYPES = _MAX_TYPES | {"char", "nchar", "binary", "character varying", "character", "bit varying"}


@dataclass(frozen=True)
class Identity:
    """A column that numbers itself: IDENTITY at the source, a sequence at the target.

    ``last_value`` is the last number handed out (IDENT_CURRENT, the sequence's last_value), or
    None when it was never used. ``sequence`` names the target's sequence.
    """

    seed: int
    increment: int
    last_value: int | None = None
    sequence: TableName | None = None


@dataclass(frozen=True)
class Computed:
    """A column the database computes itself; never loaded, compared afterwards."""

    expression: str
    persisted: bool


@dataclass(frozen=True)
class Column:
    """One column. ``default`` and computed expressions are the engine's own SQL text.

    ``insensitive_locale`` is the ICU locale of a collation of PostgreSQL's under which different texts can be
    equal (a nondeterministic one); None under every other.
    """

    name: str
    type: ColumnType
    nullable: bool
    collation: str | None = None
    identity: Identity | None = None
    default: str | None = None
    computed: Computed | None = None
    comment: str | None = None
    insensitive_locale: str | None = None


@dataclass(frozen=True)
class UniqueKey:
    """A primary key or a unique constraint; ``columns`` in key order."""

    name: str
    columns: tuple[str, ...]
    nulls_distinct: bool = False


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key; ``columns`` and ``referred_columns`` pair up by position.

    ``trusted`` is False for SQL Server's WITH NOCHECK keys and PostgreSQL's NOT VALID ones;
    ``enabled`` is False when the source does not enforce it at all. ``matches_full``: of several columns
    all are NULL or none is (PostgreSQL's MATCH FULL).
    """

    name: str
    columns: tuple[str, ...]
    referred_table: TableName
    referred_columns: tuple[str, ...]
    on_delete: ReferentialAction = "NO ACTION"
    on_update: ReferentialAction = "NO ACTION"
    trusted: bool = True
    enabled: bool = True
    matches_full: bool = False


@dataclass(frozen=True)
class IndexColumn:
    """A key column of an index, or an expression (PostgreSQL only)."""

    name: str
    descending: bool = False


@dataclass(frozen=True)
class Index:
    """An index that is not a constraint. ``filter`` is the engine's own SQL text of its WHERE.

    ``nulls_not_distinct``: a unique one of PostgreSQL takes one NULL, as SQL Server's always do.
    """

    name: str
    columns: tuple[IndexColumn, ...]
    unique: bool = False
    included: tuple[str, ...] = ()
    filter: str | None = None
    nulls_not_distinct: bool = False


@dataclass(frozen=True)
class CheckConstraint:
    """A CHECK constraint; ``expression`` is the engine's own SQL text.

    ``enabled`` is False where no row is held to it: PostgreSQL's NOT ENFORCED.
    """

    name: str
    expression: str
    trusted: bool = True
    enabled: bool = True


@dataclass(frozen=True)
class Table:
    """One table and all that constrains it. ``row_estimate`` comes from statistics, never a scan."""

    name: TableName
    columns: tuple[Column, ...] = ()
    primary_key: UniqueKey | None = None
    unique_keys: tuple[UniqueKey, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    indexes: tuple[Index, ...] = ()
    checks: tuple[CheckConstraint, ...] = ()
    row_estimate: int | None = None
    comment: str | None = None

    @cached_property
    def columns_by_name(self) -> dict[str, Column]:
        """The columns by their exact names."""
        return {column.name: column for column in self.columns}


@dataclass(frozen=True)
class Catalog:
    """All user tables of one database, sorted by schema and name.

    ``other_relations`` are what has a table's place without being one: a name with what is there, as "view".
    """

    engine: EngineName
    database: str
    server_version: str
    collation: str | None = None
    tables: tuple[Table, ...] = ()
    other_relations: tuple[tuple[TableName, str], ...] = ()

    @cached_property
    def tables_by_name(self) -> dict[TableName, Table]:
        """The tables by their exact names."""
        return {table.name: table for table in self.tables}

    def __iter__(self) -> Iterator[Table]:
        return iter(self.tables)
