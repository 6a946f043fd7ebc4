"""Loads as versions left them that hashed rows by BLAKE2b."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from unittest.mock import patch

from blb_migration.feed import digesting
from blb_migration.load import complete
from blb_migration.load.chunks import resuming
from blb_migration.postgres.binary.digest import Digester
from blb_migration.postgres.binary.hash_functions import HashFunction
from blb_migration.postgres.ledger import loads
from blb_migration.postgres.left_content import digest_others


@contextmanager
def hashing_by_blake2b() -> Iterator[None]:
    """Hash by BLAKE2b what is loaded meanwhile, and record it so."""
    before = HashFunction.BLAKE2B
    with ExitStack() as patches:
        for module, name, value in (
            (digesting, "Digester", partial(Digester, function=before)),
            (complete, "digest_others", partial(digest_others, function=before)),
            (loads, "CURRENT_HASH", before),
            (resuming, "CURRENT_HASH", before),
        ):
            patches.enter_context(patch.object(module, name, value))
        yield
