"""A pooler before the target: in session mode it serves, in any other it is refused by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from blb_migration.errors import ExitCode, TargetError, TargetUnreachable
from blb_migration.postgres import pooling
from blb_migration.postgres.connect import TargetConnector
from blb_migration.settings import parse_target_url
from blb_migration_tests.catalogs import table
from blb_migration_tests.chain import Chain
from blb_migration_tests.postgres.poolers import running_pgbouncer, scripted_pooler
from blb_migration_tests.postgres.tables import execute, scalar


def refuse(url: str) -> TargetError:
    with pytest.raises(TargetError) as caught, TargetConnector(parse_target_url(url)).connect():
        pass
    return caught.value


def test_a_session_needs_no_startup_option_that_a_pooler_refuses(database_url: str) -> None:
    with scripted_pooler(database_url) as url:
        with TargetConnector(parse_target_url(url)).connect() as session:
            assert scalar(session, "SHOW TimeZone") == "UTC"
            assert scalar(session, "SHOW statement_timeout") == "0"
        error = refuse(f"{url}?options=-c%20work_mem%3D1MB")
    assert isinstance(error, TargetUnreachable)
    assert "does not take the URL's options" in error.found
    assert "Remove 'options'" in str(error)


def test_an_answer_may_come_in_parts(database_url: str) -> None:
    with (
        scripted_pooler(database_url, pause_seconds=0.1) as url,
        TargetConnector(parse_target_url(url)).connect() as session,
    ):
        assert scalar(session, "SELECT 1") == 1


def test_a_migration_runs_through_a_pooler_in_session_mode(new_chain: Callable[..., Chain]) -> None:
    direct = new_chain()
    direct.database.create_table(table("things", "id int not null", "name nvarchar(20)"))
    direct.execute("CREATE TABLE things (id integer PRIMARY KEY, name varchar(20))")
    with running_pgbouncer(direct.target_url, "session") as url:
        pooled = Chain(direct.source_url, url, direct.database)
        checks = pooled.check(pooled.migrate("project: test"))
    assert {result.passed for result in checks.values()} == {True}


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pooler_that_lends_sessions_is_refused_by_name(database_url: str, mode: str) -> None:
    with running_pgbouncer(database_url, mode) as url:
        error = refuse(url)
    assert f"(such as PgBouncer) in {mode} mode" in error.found
    assert "pool_mode=session" in str(error)
    assert error.exit_code is ExitCode.TARGET_FAILED
    assert not error.is_transient


def test_one_that_hands_its_sessions_out_in_turn_is_found_as_well(database_url: str) -> None:
    with running_pgbouncer(database_url, "transaction", server_round_robin="1", min_pool_size="3") as url:
        assert "in transaction mode" in refuse(url).found


def test_nothing_is_set_in_a_session_that_others_get_next(database_url: str) -> None:
    with running_pgbouncer(database_url, "transaction", default_pool_size="1") as url:
        refuse(url)
        import psycopg

        with psycopg.connect(url, autocommit=True) as application:
            execute(application, "SELECT 1")
            assert scalar(application, "SHOW IntervalStyle") == "postgres"


def test_a_pool_of_one_session_is_too_small(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooling, "PATIENCE_SECONDS", 0.3)
    with running_pgbouncer(database_url, "session", default_pool_size="1") as url:
        error = refuse(url)
    assert "gave out no second session" in error.found
    assert "pool's size" in str(error)


def test_a_database_that_the_pooler_does_not_know(database_url: str) -> None:
    with running_pgbouncer(database_url, "session") as url:
        error = refuse(url.rsplit("/", 1)[0] + "/nowhere")
    assert "database does not exist" in error.found
