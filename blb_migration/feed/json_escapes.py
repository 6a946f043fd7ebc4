r"""JSON texts whose escapes jsonb refuses: ``\u0000``, half a surrogate pair. Changed by decision alone."""

from __future__ import annotations

import json
import re

import pyarrow as pa
import pyarrow.compute as pc

from blb_migration.value_decisions import REPLACEMENT_CHARACTER, ValueDecision

# In this order: an escaped backslash and a whole pair are passed over, so that what follows is alone.
_ESCAPES = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<nul>\\u0000)|(?P<half>\\u[dD][89a-fA-F]..)"
)


def replace_escaped_nul(array: pa.Array, decision: ValueDecision) -> tuple[pa.Array, pa.Array]:
    """Return which texts hold an escaped U+0000, and all of them with it stripped or replaced."""
    return _replace(array, "nul", json.dumps(decision.value or "", ensure_ascii=False)[1:-1])


def replace_escaped_halves(array: pa.Array, decision: ValueDecision) -> tuple[pa.Array, pa.Array]:
    """Return which texts hold an escape of half a surrogate pair, and all of them with U+FFFD instead."""
    return _replace(array, "half", REPLACEMENT_CHARACTER)


def _replace(array: pa.Array, group: str, by: str) -> tuple[pa.Array, pa.Array]:
    texts = array.to_pylist()
    for position in pc.indices_nonzero(pc.fill_null(pc.match_substring(array, "\\u"), False)).to_pylist():
        texts[position] = _ESCAPES.sub(
            lambda match: match[0] if match[group] is None else by, texts[position]
        )
    changed = pa.array(texts, array.type)
    return pc.not_equal(array, changed), changed
