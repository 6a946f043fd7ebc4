"""Fields of binary rows as texts that people read: a row's key, a cell's value. psycopg decodes them."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from decimal import Decimal

import psycopg
from psycopg import pq

from blb_migration.model import Column
from blb_migration.postgres.binary.canonical import canonical_type

_TEXTS = ("json",)  # psycopg would parse it


class FieldTexts:
    """Decodes the fields of rows whose fields are ``columns``, in that order."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.column_names = tuple(column.name for column in columns)
        self._loaders = [_find_loader(canonical_type(column).name) for column in columns]

    def decode(self, position: int, field: bytes | None) -> str | None:
        """One value as text: numbers with all digits, moments in ISO form, binaries as hexadecimal."""
        if field is None:
            return None
        loader = self._loaders[position]
        value = field.decode() if loader is None else loader.load(field)
        if isinstance(value, bytes | memoryview):
            return f"\\x{value.hex()}"
        if isinstance(value, Decimal):
            return f"{value:f}"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, datetime.datetime):
            return value.isoformat(sep=" ", timespec="microseconds")
        return str(value)

    def render(self, fields: Sequence[bytes | None], positions: Iterable[int]) -> str:
        """``id=17, name=Meier``: the columns at ``positions`` with their values."""
        values = ((position, self.decode(position, fields[position])) for position in positions)
        return ", ".join(
            f"{self.column_names[position]}={'NULL' if value is None else value}"
            for position, value in values
        )


def _find_loader(type_name: str) -> psycopg.abc.Loader | None:
    """psycopg's binary loader; None for types that are texts (enumerations, extensions' types)."""
    adapters = psycopg.adapters
    info = None if type_name in _TEXTS else adapters.types.get(type_name)
    loader = adapters.get_loader(info.oid, pq.Format.BINARY) if info is not None else None
    return loader(info.oid) if loader is not None and info is not None else None
