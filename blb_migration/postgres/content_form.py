"""In which form a load left a table: its columns with their types, and what tells rows apart. Reads no rows.

It is recorded with the load, so that its rows can be judged later whatever the table's definition, or the
plan, has become since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from blb_migration.model import Column, ColumnType, Table
from blb_migration.postgres.binary.digest import ContentKey


@dataclass(frozen=True)
class ContentForm:
    """The loaded ``columns`` in the order of the digest, its ``key``, and the ``others``.

    Others are columns that the target alone has: they got their defaults. Generated ones are not among
    them. Of columns only names and types are kept.
    """

    columns: tuple[Column, ...]
    key: ContentKey
    others: tuple[Column, ...] = ()

    @classmethod
    def of_table(cls, table: Table, loaded: Sequence[Column], key: ContentKey) -> Self:
        """Describe ``table``, into which ``loaded`` are loaded."""
        names = {column.name for column in loaded}
        return cls(tuple(loaded), key, tuple(find_stored(table, without=names)))

    @property
    def key_columns(self) -> tuple[Column, ...]:
        """What tells rows apart: the key, or everything loaded."""
        return tuple(self.columns[position] for position in self.key.positions) or self.columns

    def to_json(self) -> dict[str, Any]:
        """Return it for the ledger."""
        return {
            "columns": [_write_column(column) for column in self.columns],
            "key": list(self.key.positions),
            "is_ordered": self.key.is_ordered,
            "others": [_write_column(column) for column in self.others],
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read what ``to_json`` returned."""
        return cls(
            tuple(map(_read_column, content["columns"])),
            ContentKey(tuple(content["key"]), content["is_ordered"]),
            tuple(map(_read_column, content["others"])),
        )


def find_stored(table: Table, *, without: set[str]) -> list[Column]:
    """Find the table's columns that hold values of their own, without those named."""
    return [column for column in table.columns if column.computed is None and column.name not in without]


def spell_type(column: Column) -> str:
    """Spell a column's type as the server does, with its schema if it has one."""
    return column.type.alias or str(column.type)


def _write_column(column: Column) -> dict[str, Any]:
    kept = {name: value for name, value in asdict(column.type).items() if value is not None}
    return {"column": column.name, "type": kept}


def _read_column(content: dict[str, Any]) -> Column:
    return Column(content["column"], ColumnType(**content["type"]), nullable=True)
