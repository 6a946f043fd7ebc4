"""The zoo on the emulator, once per session, and its target as made beforehand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sandbox.zoo import Hazard, create_zoo, create_zoo_target
from blb_migration_tests.chain import Chain
from blb_migration_tests.conftest import LOG_IN, PASSWORD

DECISIONS = "project: zoo\n"

# What preflight must find, and what is carried although other tools lose it.
FOUND = (
    Hazard.NUL_IN_TEXT,
    Hazard.SEVENTH_DIGIT,
    Hazard.LOST_OFFSET,
    Hazard.CASE_TWINS,
    Hazard.TRAILING_SPACES,
    Hazard.ORPHANS,
    Hazard.LONE_SURROGATE,
    Hazard.FRACTION_TOO_FINE,
    Hazard.NUMBER_TOO_LARGE,
    Hazard.TEXT_TOO_LONG,
    Hazard.NULL_IN_REQUIRED,
    Hazard.NOT_JSON,
    Hazard.KEY_POINTS_ELSEWHERE,
    Hazard.ONLY_AT_SOURCE,
    Hazard.BOOKKEEPING_TABLE,
    Hazard.NAMES_COLLIDE,
)
CARRIED = (
    Hazard.EXACT_MONEY,
    Hazard.SEVENTH_DIGIT,
    Hazard.DAYLIGHT_SAVING,
    Hazard.LOST_OFFSET,
    Hazard.IDENTITY_AHEAD,
    Hazard.SPARSE_KEYS,
    Hazard.CODE_PAGE,
    Hazard.LARGE_VALUE,
    Hazard.COPY_MARKERS,
)


@pytest.fixture(scope="session")
def zoo(engine: TsqlEngine) -> str:
    """Return the zoo as it is; read it, do not change it."""
    return create_zoo(engine).name


@pytest.fixture(scope="session")
def carried_zoo(engine: TsqlEngine) -> str:
    """Return the zoo with every hazard that is carried exactly."""
    return create_zoo(engine, "ZOO_CARRIED", CARRIED).name


@pytest.fixture(scope="session")
def dangerous_zoo(engine: TsqlEngine) -> str:
    """Return the zoo with every hazard that must be found."""
    return create_zoo(engine, "ZOO_FOUND", FOUND).name


@pytest.fixture
def new_zoo_chain(new_chain: Callable[..., Chain]) -> Callable[[str], Chain]:
    """Return a chain from the named zoo to a target made beforehand."""

    def make(name: str) -> Chain:
        chain = new_chain(name)
        create_zoo_target(chain.target_url)
        return chain

    return make


@pytest.fixture
def connection_string(emulator: SqlServerEmulator) -> Callable[[str], str]:
    """Return the emulator's ODBC connection string for a database."""
    return lambda database: emulator.odbc_connection_string(database, LOG_IN, PASSWORD, encrypt="no")
