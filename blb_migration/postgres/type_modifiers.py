"""PostgreSQL's type modifiers as lengths, precisions and scales.

Only the meaning of ``pg_attribute.atttypmod``; reading it is in ``catalog_columns``. Its layout per
type is in PostgreSQL's source: varchar.c, numeric.c, timestamp.c (VARHDRSZ is 4).
"""

from __future__ import annotations

from blb_migration.model import ColumnType

VARLENA_HEADER_BYTES = 4  # VARHDRSZ, which varchar and numeric add to their modifiers
_TEXT_TYPES = ("character varying", "character")
_BIT_TYPES = ("bit", "bit varying")
_TIME_PREFIXES = ("timestamp ", "time ")
# The bits of the fields of an interval, from large to small: utils/datetime.h.
_INTERVAL_FIELDS = {"year": 2, "month": 1, "day": 3, "hour": 10, "minute": 11, "second": 12}
_ALL_FIELDS = 0x7FFF
_FULL_PRECISION = 0xFFFF


def build_column_type(name: str, type_modifier: int, alias: str | None) -> ColumnType:
    """Build the column type of ``name`` as ``format_type`` spells it without a modifier.

    ``type_modifier`` is -1 when the column was declared without one: then there is no length,
    precision or scale (for times that means six fractional digits, for numeric: unlimited).
    """
    if type_modifier < 0:
        return ColumnType(name, alias=alias)
    if name in _TEXT_TYPES or name in _BIT_TYPES:
        header = VARLENA_HEADER_BYTES if name in _TEXT_TYPES else 0
        return ColumnType(name, length=type_modifier - header, alias=alias)
    if name == "numeric":
        packed = type_modifier - VARLENA_HEADER_BYTES
        # 16 bits of precision above 11 bits of scale, signed since PostgreSQL 15.
        scale = ((packed & 0x7FF) ^ 0x400) - 0x400
        return ColumnType(name, precision=(packed >> 16) & 0xFFFF, scale=scale, alias=alias)
    if name == "interval":
        return _build_interval(type_modifier, alias)
    if name.startswith(_TIME_PREFIXES):
        return ColumnType(name, scale=type_modifier, alias=alias)
    return ColumnType(name, alias=alias)


def _build_interval(type_modifier: int, alias: str | None) -> ColumnType:
    """Read 15 bits of fields above 16 of a second's digits; with fewer fields it is no plain interval."""
    fields, digits = type_modifier >> 16 & _ALL_FIELDS, type_modifier & _FULL_PRECISION
    kept = [field for field, bit in _INTERVAL_FIELDS.items() if fields & 1 << bit]
    name = (
        "interval" if fields == _ALL_FIELDS else f"interval {' to '.join(dict.fromkeys((kept[0], kept[-1])))}"
    )
    return ColumnType(name, scale=None if digits == _FULL_PRECISION else digits, alias=alias)
