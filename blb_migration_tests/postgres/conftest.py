"""One embedded PostgreSQL for the room, and a fresh database for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import psycopg
import pytest

from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger.records import RunStart
from blb_migration.postgres.ledger.runs import start_run
from blb_migration.postgres.ledger.versions import create_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.settings import parse_target_url

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres() as embedded:
        yield embedded


@pytest.fixture
def database_url(server: EmbeddedPostgres) -> Iterator[str]:
    name = f"room {next(_numbers)}"
    server.create_database(name)
    yield server.url("postgres").removesuffix("postgres") + name.replace(" ", "%20")
    server.drop_database(name)


@pytest.fixture
def connector(database_url: str) -> TargetConnector:
    return TargetConnector(parse_target_url(database_url))


@pytest.fixture
def target(connector: TargetConnector) -> Iterator[TargetConnection]:
    with connector.connect() as connection:
        yield connection


@pytest.fixture
def other_session(database_url: str) -> Iterator[TargetConnection]:
    """Yield the application, or a second process of ours."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def ledger(target: TargetConnection) -> TargetConnection:
    """Return a session of a target whose ledger knows of ``RUN``."""
    create_ledger(target)
    start_run(target, RUN)
    return target


RUN = RunStart("run-1", "rehearsal", "0.1.0", "abc", "blb3d_erp", "sql.example/BLB3D_ERP", "anna", "pc-1")
