"""The shop whose table is split, on both sides."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from blb_migration_tests.chain import Chain
from blb_migration_tests.load.chunks.chunk_shop import fill


@pytest.fixture
def chain(new_chain: Callable[..., Chain]) -> Chain:
    chain = new_chain()
    fill(chain)
    return chain
