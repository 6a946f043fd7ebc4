"""Which binary form each PostgreSQL type takes, and which Arrow type it is made from.

The table below is the whole knowledge: a type that is not in it is refused, since a byte layout
must be known, not guessed. The layouts are those of the types' ``*_recv`` functions; ``pgpq``
writes them, and the golden tests prove each against a real server. What the values must have been
converted to beforehand is the plan's business.

Found true of pgpq 0.12, and relied on: numeric is written with the Arrow type's scale as its
dscale, in the server's own canonical digits; timestamptz takes the same microseconds as timestamp;
uuid takes the sixteen raw bytes; bpchar, varchar, json and enums take a text's bytes; jsonb needs
its own encoder (a version byte before the text); slices and validity offsets are honoured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pgpq import encoders, schema
from pyarrow import types as arrow_types

from blb_migration.errors import PreflightRefused
from blb_migration.model import ColumnType

_Accepts = Callable[[Any], bool]
_Builds = Callable[[Any], Any]


def _jsonb_from(builder: Any) -> _Builds:
    return lambda field: builder.new_with_output(field, schema.Jsonb())


def _is_microseconds(field_type: Any, *, is_zoned: bool) -> bool:
    return (
        arrow_types.is_timestamp(field_type)
        and field_type.unit == "us"
        and (field_type.tz is not None) == is_zoned
    )


_TEXT: tuple[tuple[_Accepts, _Builds], ...] = (
    (arrow_types.is_string, encoders.StringEncoderBuilder),
    (arrow_types.is_large_string, encoders.LargeStringEncoderBuilder),
)

# PostgreSQL type ► (expected Arrow type in words, (Arrow type's test, pgpq's encoder) ...)
_ENCODERS: dict[str, tuple[str, tuple[tuple[_Accepts, _Builds], ...]]] = {
    "boolean": ("bool", ((arrow_types.is_boolean, encoders.BooleanEncoderBuilder),)),
    "smallint": (
        "int16 or uint8",
        (
            (arrow_types.is_int16, encoders.Int16EncoderBuilder),
            (arrow_types.is_uint8, encoders.UInt8EncoderBuilder),
        ),
    ),
    "integer": ("int32", ((arrow_types.is_int32, encoders.Int32EncoderBuilder),)),
    "bigint": ("int64", ((arrow_types.is_int64, encoders.Int64EncoderBuilder),)),
    "numeric": ("decimal128", ((arrow_types.is_decimal128, encoders.Decimal128EncoderBuilder),)),
    "real": ("float32", ((arrow_types.is_float32, encoders.Float32EncoderBuilder),)),
    "double precision": ("float64", ((arrow_types.is_float64, encoders.Float64EncoderBuilder),)),
    **dict.fromkeys(
        ("character varying", "character", "text", "citext", "name", "json", "xml", "enum"),
        ("string or large_string", _TEXT),
    ),
    "jsonb": (
        "string or large_string",
        tuple((accepts, _jsonb_from(builder)) for accepts, builder in _TEXT),
    ),
    "uuid": (
        "fixed_size_binary[16]",
        (
            (
                lambda t: arrow_types.is_fixed_size_binary(t) and t.byte_width == 16,
                encoders.FixedSizeBinaryEncoderBuilder,
            ),
        ),
    ),
    "bytea": (
        "binary, large_binary or fixed_size_binary",
        (
            (arrow_types.is_fixed_size_binary, encoders.FixedSizeBinaryEncoderBuilder),
            (arrow_types.is_large_binary, encoders.LargeBinaryEncoderBuilder),
            (arrow_types.is_binary, encoders.BinaryEncoderBuilder),
        ),
    ),
    "date": ("date32", ((arrow_types.is_date32, encoders.Date32EncoderBuilder),)),
    "time without time zone": (
        "time64[us]",
        (
            (
                lambda t: arrow_types.is_time64(t) and t.unit == "us",
                encoders.Time64MicrosecondEncoderBuilder,
            ),
        ),
    ),
    "interval": (
        "duration[us]",
        (
            (
                lambda t: arrow_types.is_duration(t) and t.unit == "us",
                encoders.DurationMicrosecondEncoderBuilder,
            ),
        ),
    ),
    "timestamp without time zone": (
        "timestamp[us] without a time zone",
        ((lambda t: _is_microseconds(t, is_zoned=False), encoders.TimestampMicrosecondEncoderBuilder),),
    ),
    "timestamp with time zone": (
        "timestamp[us] with a time zone",
        ((lambda t: _is_microseconds(t, is_zoned=True), encoders.TimestampMicrosecondEncoderBuilder),),
    ),
}

_REFUSALS = {
    "money": "its fractional digits depend on the server's lc_monetary",
    "time with time zone": "SQL Server has no value with a time and an offset but no date",
}


def is_loadable_type(target_type: ColumnType) -> bool:
    """Whether ``column_encoder`` knows a binary form for this target type."""
    return target_type.name in _ENCODERS


def column_encoder(field: pa.Field[Any], target_type: ColumnType) -> Any:
    """pgpq's encoder builder that writes ``field`` exactly as ``target_type`` expects it.

    Raises PreflightRefused when the target type cannot be loaded, when the Arrow type is not the
    one it is made from, or when a decimal has more fractional digits than the target keeps (the
    server would round them without a word).
    """
    if not is_loadable_type(target_type):
        reason = _REFUSALS.get(target_type.name, "no exact binary form is known for it")
        raise PreflightRefused(
            f"column {field.name}",
            found=f"the target's type is {target_type.alias or target_type}, and {reason}",
            next_act="Change the target column's type, or exclude the column in decisions.yaml",
        )
    expected, candidates = _ENCODERS[target_type.name]
    for accepts, build in candidates:
        if accepts(field.type):
            _refuse_lost_digits(field, target_type)
            return build(field)
    raise PreflightRefused(
        f"column {field.name}",
        found=f"batches hold {field.type} for the target's {target_type}",
        expected=expected,
    )


def _refuse_lost_digits(field: pa.Field[Any], target_type: ColumnType) -> None:
    if target_type.name != "numeric" or target_type.precision is None:
        return
    target_scale = max(target_type.scale or 0, 0)  # what is below 0 depends on values: value_limits
    if field.type.scale > target_scale:
        raise PreflightRefused(
            f"column {field.name}",
            found=f"batches hold {field.type.scale} fractional digits, the target's {target_type} keeps "
            f"{target_scale} and would round the rest silently",
            expected=f"decimal128 with scale {target_scale} or less",
        )
