"""The hash of the report's data, so that a printed report can be held against the file it came from.

The canonical form is JSON as RFC 8259 has it: object keys sorted by code point, no white space between
tokens, every character above ASCII as ``\\uXXXX``, numbers as Python writes them (an integer's digits, a
float's shortest form that reads back the same), encoded in ASCII. Hashed is the document without its key
``sha256``. docs/ledger.md tells how to recompute it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SEAL_KEY = "sha256"


def compute_seal(document: Mapping[str, Any]) -> str:
    """SHA-256 of the document's canonical form, in hexadecimal."""
    content = {key: value for key, value in document.items() if key != SEAL_KEY}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def seal(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with its hash; one that it had before is replaced."""
    return {**document, SEAL_KEY: compute_seal(document)}
