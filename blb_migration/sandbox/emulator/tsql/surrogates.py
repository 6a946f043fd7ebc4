"""Text that is not valid Unicode, which SQL Server stores and DuckDB cannot.

A lone UTF-16 surrogate U+D800+n is kept as the private character U+10F000+n, so that every text
function works on it; results turn it back. Text with such characters leaves as UTF-16LE bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from duckdb.func import PythonUDFType
from duckdb.sqltypes import VARCHAR

UNITS_FUNCTION = "tsql_units_text"
_PRIVATE_BASE = 0x10F000
_SURROGATE_BASE = 0xD800
_PRIVATE = re.compile("[\U0010f000-\U0010f7ff]")
_PAIRED = "[\\x{10000}-\\x{10EFFF}\\x{10F800}-\\x{10FFFF}]"
_LONE = re.compile("[\ud800-\udfff]")


def hide_surrogates(text: str) -> str:
    """Python text with lone surrogates, as storable text."""
    return _LONE.sub(lambda match: chr(ord(match[0]) - _SURROGATE_BASE + _PRIVATE_BASE), text)


def show_surrogates(text: str) -> str:
    """Return the inverse of ``hide_surrogates``."""
    return _PRIVATE.sub(lambda match: chr(ord(match[0]) - _PRIVATE_BASE + _SURROGATE_BASE), text)


def has_hidden_surrogates(text: str) -> bool:
    """Whether storable text stands for text that is not valid Unicode."""
    return _PRIVATE.search(text) is not None


def split_into_units(text: str) -> str:
    """Storable text with every character beyond U+FFFF as its two surrogates, both hidden."""
    return "".join(
        character if ord(character) < 0x10000 or _PRIVATE.match(character) else _hidden_pair(character)
        for character in text
    )


def _hidden_pair(character: str) -> str:
    units = character.encode("utf-16-le")
    return "".join(
        chr(int.from_bytes(units[index : index + 2], "little") - _SURROGATE_BASE + _PRIVATE_BASE)
        for index in (0, 2)
    )


def register_units_function(connection: duckdb.DuckDBPyConnection) -> None:
    """Make ``split_into_units`` known to the whole DuckDB instance, once."""
    connection.create_function(
        UNITS_FUNCTION, _split_array_into_units, [VARCHAR], VARCHAR, type=PythonUDFType.ARROW
    )


def _split_array_into_units(texts: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring_regex(texts, _PAIRED)).as_py():
        return texts
    return pa.array([split_into_units(text) for text in texts.to_pylist()], pa.string())


def decode_utf16_array(array: pa.Array) -> pa.Array:
    """Return a binary array of UTF-16LE as an array of storable text."""
    decoded: Iterable[str | None] = (
        None if value is None else hide_surrogates(value.decode("utf-16-le", errors="surrogatepass"))
        for value in array.to_pylist()
    )
    return pa.array(list(decoded), pa.large_string())


def encode_utf16_array(array: pa.Array) -> pa.Array:
    """Return an array of storable text as a binary array of UTF-16LE."""
    encoded: Iterable[bytes | None] = (
        None if value is None else show_surrogates(value).encode("utf-16-le", errors="surrogatepass")
        for value in array.to_pylist()
    )
    return pa.array(list(encoded), pa.large_binary())
