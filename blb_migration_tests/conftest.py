"""The servers that all tests of a session share: they take a second to start, a database takes none."""

from __future__ import annotations

import gc
import os
import signal
import sys
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from blb_migration.collector import resting_collector
from blb_migration.errors import ConfigurationError
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sandbox.erp import create_source, create_target
from blb_migration.sqlserver.drivers import load_driver
from blb_migration_tests import processor_seconds, real_server
from blb_migration_tests.chain import Chain
from blb_migration_tests.processor_seconds import pytest_runtest_makereport
from blb_migration_tests.temporary_folder import use_memory

__all__ = ["pytest_runtest_makereport"]

# A shell's background job is deaf to SIGINT, and would make the interrupts that tests send go unheard.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A container may forbid it. Each of the hundreds of processes that tests start would then compile Dagster's
# thousand modules anew, which is more than half of its start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
use_memory()


# A file that takes a minute must not begin when the others end.
LONGEST_FIRST = (
    "cli/test_demo_night.py",
    "faults/test_cutover.py",
    "cli/test_migration.py",
    "cli/test_one_source.py",
    "cli/test_pages.py",
    "defs/test_without_internals.py",
    "defs/test_one_truth.py",
    "cli/test_wheel.py",
    "defs/test_live_target.py",
    "defs/test_dev_servers.py",
    "hazards/test_erp.py",
    "faults/test_changing_source.py",
    "compare/test_mutations.py",
    "end_to_end/test_erp.py",
    "schema/test_erp_from_nothing.py",
    "cli/test_demo.py",
    # of those that need a processor of their own
    "cli/test_operators_day.py",
    "defs/test_termination.py",
    "postgres/test_hanging_target.py",
    "cli/test_signals.py",
)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Load all tests without looking for circles; what is loaded is never looked through again."""
    with resting_collector():
        collected = yield
        gc.freeze()
    processor_seconds.begin()
    return collected


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; what is within a file keeps its order."""
    ranks = {Path(__file__).parent / name: rank for rank, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


def pytest_sessionfinish() -> None:
    """Let what was loaded be collected at the end: DuckDB complains of what it still holds then."""
    gc.unfreeze()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """At the end: what a run against a real server has skipped, and why; what the files have cost."""
    real_server.summarise(terminalreporter)
    processor_seconds.summarise(terminalreporter)


LOG_IN, PASSWORD = "sa", "Sandbox#1"


def pytest_sessionstart() -> None:
    """Load the driver as the product does: some tests use mssql-python without the product."""
    with suppress(ConfigurationError):  # what needs it will say so; the rest can be tested without
        load_driver(None)


def pytest_report_header() -> str:
    """Say through which driver SQL Server is read in this run."""
    try:
        return f"SQL Server's driver: {load_driver(None)}"
    except ConfigurationError as error:
        return f"SQL Server's driver: {error}"


@pytest.fixture(scope="session")
def embedded_postgres() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres() as server:
        processor_seconds.count_server(server.port)
        yield server


@pytest.fixture(scope="session")
def engine() -> Iterator[TsqlEngine]:
    """Yield the emulator's engine, or a real server; tests add databases of their own to it."""
    engine: Any = real_server.RealEngine() if real_server.is_wanted() else TsqlEngine()
    engine.add_login(LOG_IN, PASSWORD)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def emulator(engine: Any) -> Iterator[Any]:
    """Yield the server itself: the emulator, or a real one's face."""
    if real_server.is_wanted():
        yield real_server.RealServer(engine)
        return
    with SqlServerEmulator(engine) as server:
        yield server


@contextmanager
def making_chains(
    engine: TsqlEngine, emulator: SqlServerEmulator, embedded_postgres: EmbeddedPostgres
) -> Iterator[Callable[..., Chain]]:
    """Yield what makes chains between an empty source database (or a named one that exists) and a fresh
    target, which are gone after the block."""
    targets: list[str] = []

    def make(source_name: str | None = None) -> Chain:
        name = f"t_{uuid.uuid4().hex[:12]}"
        targets.append(name)
        database = engine.databases[source_name.lower()] if source_name else engine.create_database(name)
        return Chain(
            emulator.url(database.name, LOG_IN, PASSWORD), embedded_postgres.create_database(name), database
        )

    yield make
    for name in targets:
        embedded_postgres.drop_database(name)
        if isinstance(engine, TsqlEngine):  # which looks through its databases at every statement
            engine.drop_database(name)


@pytest.fixture
def new_chain(
    engine: TsqlEngine, emulator: SqlServerEmulator, embedded_postgres: EmbeddedPostgres
) -> Iterator[Callable[..., Chain]]:
    with making_chains(engine, emulator, embedded_postgres) as make:
        yield make


@pytest.fixture(scope="session")
def erp_source(engine: TsqlEngine) -> str:
    """Return the name of the emulator's ERP database at scale 1; read it, do not change it."""
    create_source(engine, 1)
    return "BLB3D_ERP"


@pytest.fixture
def erp_chain(new_chain: Callable[..., Chain], erp_source: str) -> Chain:
    """Return the sample ERP and its empty target."""
    chain = new_chain(erp_source)
    create_target(chain.target_url)
    return chain
