"""Draws from a seeded generator, a whole column at a time: words, codes, numbers, tokens.

Text comes as Arrow string arrays, built without a Python object per row. What a column means is
not known here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blb_migration.sandbox.erp.physical import BoolArray, IntArray

_BCRYPT_ALPHABET = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_HEX_ALPHABET = b"0123456789abcdef"


def pick(words: Sequence[str | None], codes: IntArray) -> pa.Array:
    """Return the word at each code."""
    return pa.array(words, pa.string()).take(pa.array(codes))


def draw(
    rng: np.random.Generator, words: Sequence[str | None], count: int, weights: Sequence[float] | None = None
) -> pa.Array:
    """``count`` words, each as likely as its weight says."""
    return pick(words, draw_codes(rng, len(words), count, weights))


def draw_codes(
    rng: np.random.Generator, size: int, count: int, weights: Sequence[float] | None = None
) -> IntArray:
    """``count`` numbers from 0 to ``size`` - 1."""
    if weights is None:
        return rng.integers(0, size, count)
    shares = np.asarray(weights, dtype=np.float64)
    codes: IntArray = np.searchsorted(np.cumsum(shares / shares.sum())[:-1], rng.random(count), side="right")
    return codes


def chance(rng: np.random.Generator, count: int, share: float) -> BoolArray:
    """Draw True for about ``share`` of ``count`` rows."""
    return rng.random(count) < share


def choose_from(rng: np.random.Generator, values: IntArray, count: int) -> IntArray:
    """``count`` of ``values``, the earlier ones more often: a few customers order the most."""
    return values[(rng.random(count) ** 1.6 * len(values)).astype(np.int64)]


def join(*parts: pa.Array | str) -> pa.Array:
    """Texts side by side, row by row; a NULL part makes the row NULL."""
    return pc.binary_join_element_wise(*parts, "")


def digits(numbers: IntArray, width: int = 1) -> pa.Array:
    """Numbers as text, at least ``width`` digits."""
    return pc.utf8_lpad(pa.array(numbers, pa.int64()).cast(pa.string()), width, "0")


def code_by_year(prefix: str, years: IntArray, width: int = 4) -> pa.Array:
    """``SO-2025-0001``: numbered from 1 within each of the (ascending) years."""
    firsts = np.searchsorted(years, years, side="left")
    return join(f"{prefix}-", digits(years), "-", digits(np.arange(len(years)) - firsts + 1, width))


def tokens(rng: np.random.Generator, count: int, length: int, alphabet: bytes = _HEX_ALPHABET) -> pa.Array:
    """Random text of one length, hexadecimal unless told otherwise."""
    letters = np.frombuffer(alphabet, dtype=np.uint8)[rng.integers(0, len(alphabet), count * length)]
    offsets = np.arange(count + 1, dtype=np.int32) * length
    return pa.StringArray.from_buffers(
        count, pa.py_buffer(offsets.tobytes()), pa.py_buffer(letters.tobytes())
    )


def bcrypt_hashes(rng: np.random.Generator, count: int) -> pa.Array:
    """Return what bcrypt hashes of cost 12 look like; they are the hash of nothing."""
    return join("$2b$12$", tokens(rng, count, 53, _BCRYPT_ALPHABET))


def round_half_up(numerator: IntArray, denominator: int) -> IntArray:
    """``numerator`` / ``denominator`` in whole numbers, halves away from zero, as T-SQL's ROUND."""
    magnitude = (np.abs(numerator) * 2 + denominator) // (2 * denominator)
    rounded: IntArray = np.sign(numerator) * magnitude
    return rounded
