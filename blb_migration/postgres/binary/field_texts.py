"""Fields of binary rows as texts that people read: a row's key, a cell's value.

psycopg decodes them, but for dates and times, of which Python holds a part. A value that cannot be decoded
is shown as its bytes: whoever looks for a difference must be told of it whatever it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from decimal import Decimal

import psycopg
from psycopg import pq

from blb_migration.checks import HIDDEN
from blb_migration.model import Column
from blb_migration.postgres.binary.canonical import canonical_type
from blb_migration.postgres.binary.moment_texts import MOMENT_TEXTS

_TEXTS = ("json",)  # psycopg would parse it
_Decode = Callable[[bytes], object]


class FieldTexts:
    """Decodes the fields of rows whose fields are ``columns``, in that order; of ``hidden`` ones none."""

    def __init__(self, columns: Sequence[Column], hidden: Collection[str] = ()) -> None:
        self.column_names = tuple(column.name for column in columns)
        self._hidden = frozenset(hidden)
        self._decoders = [_find_decoder(canonical_type(column).name) for column in columns]

    def decode(self, position: int, field: bytes | None, *, shows_hidden: bool = False) -> str | None:
        """One value as text: numbers with all digits, moments in ISO form, binaries as hexadecimal."""
        if self.column_names[position] in self._hidden and not shows_hidden:
            return HIDDEN
        if field is None:
            return None
        try:
            value = self._decoders[position](field)
        except Exception:  # noqa: BLE001 - drivers and their helpers raise what they like
            value = field
        if isinstance(value, bytes | memoryview):
            return f"\\x{value.hex()}"
        if isinstance(value, Decimal):
            return f"{value:f}"
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value)

    def render(
        self, fields: Sequence[bytes | None], positions: Iterable[int], *, shows_hidden: bool = False
    ) -> str:
        """``id=17, name=Meier``: the columns at ``positions`` with their values."""
        values = (
            (position, self.decode(position, fields[position], shows_hidden=shows_hidden))
            for position in positions
        )
        return ", ".join(
            f"{self.column_names[position]}={'NULL' if value is None else value}"
            for position, value in values
        )


def _find_decoder(type_name: str) -> _Decode:
    """Return what decodes a type's binary form; types without a loader are texts (enumerations)."""
    if type_name in MOMENT_TEXTS:
        return MOMENT_TEXTS[type_name]
    adapters = psycopg.adapters
    info = None if type_name in _TEXTS else adapters.types.get(type_name)
    loader = adapters.get_loader(info.oid, pq.Format.BINARY) if info is not None else None
    return bytes.decode if loader is None or info is None else loader(info.oid).load
