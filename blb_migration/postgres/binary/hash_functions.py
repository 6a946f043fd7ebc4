"""The functions that rows are hashed with: BLAKE3, and what stands in ledgers of older versions.

A digest is compared with one of the same function only, so both are needed as long as ledgers have both.
Sources: https://github.com/BLAKE3-team/BLAKE3-specs, https://www.rfc-editor.org/rfc/rfc7693 (BLAKE2).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt
from blake3 import blake3
from psycopg.abc import Buffer

HASH_BYTES = 16

_start_blake2b = partial(hashlib.blake2b, digest_size=HASH_BYTES)
_finish_blake2b = hashlib.blake2b.digest


class RunningHash(Protocol):
    """A hash of bytes that come piece by piece."""

    def update(self, data: Buffer, /) -> object:
        """Go on with these bytes."""

    def digest(self) -> bytes:
        """Return the hash, which may be longer than ``HASH_BYTES``."""


class HashFunction(StrEnum):
    """A function, as the ledger names it, with ``HASH_BYTES`` of output."""

    BLAKE3 = "BLAKE3"
    BLAKE2B = "BLAKE2b"  # of loads by versions whose ledger had a version below 8

    def start(self) -> RunningHash:
        """Return the hash of nothing yet."""
        return blake3() if self is HashFunction.BLAKE3 else _start_blake2b()

    def hash_each(self, pieces: Iterable[Buffer]) -> npt.NDArray[np.uint64]:
        """Return the hash of each piece, as two little-endian halves: shape (pieces, 2)."""
        if self is HashFunction.BLAKE3:
            hashes = _hash_each_by_blake3(pieces)
        else:
            hashes = b"".join(map(_finish_blake2b, map(_start_blake2b, pieces)))
        return split_hashes(hashes)


CURRENT_HASH = HashFunction.BLAKE3
"""What loads take."""


def split_hashes(hashes: bytes) -> npt.NDArray[np.uint64]:
    """Return hashes that lie one after the other as two little-endian halves each: shape (hashes, 2)."""
    return np.frombuffer(hashes, "<u8").reshape(-1, 2)


def _hash_each_by_blake3(pieces: Iterable[Buffer]) -> bytes:
    """One object for all pieces: making one takes as long as hashing a short row."""
    running = blake3()
    update, reset = running.update, running.reset
    hashes: list[bytes] = []
    for piece in pieces:
        hashes.append(update(piece).digest(HASH_BYTES))
        reset()
    return b"".join(hashes)
