"""How many connections load a table: what is set, as far as the target has room."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from psycopg import sql

from blb_migration.load import connections
from blb_migration.load.connections import MOST_CONNECTIONS, choose_connections
from blb_migration.migration import Loading
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.session_limits import read_free_sessions
from blb_migration_tests.chain import Chain


@pytest.fixture
def target(new_chain: Callable[..., Chain]) -> Iterator[TargetConnection]:
    with new_chain().target.connect() as connection:
        yield connection


def limit(target: TargetConnection, sessions: int) -> None:
    """Limit the sessions of this database, and go on as a role that the limit holds: no superuser."""
    target.execute("RESET ROLE")
    target.execute(
        sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(sql.Identifier(target.info.dbname), sessions)
    )
    target.execute("SET ROLE pg_monitor")


def test_what_is_set_counts_and_else_the_processors(
    target: TargetConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert choose_connections(Loading(connections=7), target) == 7
    for processors, expected in ((1, 1), (2, 2), (64, MOST_CONNECTIONS)):
        monkeypatch.setattr(connections, "count_processors", lambda count=processors: count)
        assert choose_connections(Loading(), target) == expected


def test_a_full_target_leaves_one(target: TargetConnection) -> None:
    row = target.execute("SHOW max_connections").fetchone()
    assert row is not None
    assert 0 < read_free_sessions(target) < int(row[0])
    limit(target, 3)
    assert read_free_sessions(target) == 2
    assert choose_connections(Loading(connections=7), target) == 2
    limit(target, 1)
    assert choose_connections(Loading(connections=7), target) == 1


def test_a_superuser_is_not_held_by_the_limit_of_a_database(target: TargetConnection) -> None:
    limit(target, 1)
    target.execute("RESET ROLE")
    assert read_free_sessions(target) > 1
