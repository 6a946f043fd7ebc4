"""Time limits that end a role's sessions at once: sessions come about all the same, or it is said why."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from blb_migration.errors import TargetForbids
from blb_migration.postgres import connect
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.names import TargetConnection
from blb_migration.settings import parse_target_url
from blb_migration_tests.postgres.tables import execute

LIMITS = (
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
)


@pytest.fixture
def hurried(target: TargetConnection, database_url: str) -> Iterator[TargetConnector]:
    """Yield a connector of a role whose limits a test sets."""
    execute(target, "CREATE ROLE hurried LOGIN SUPERUSER PASSWORD 'x'")
    parts = urlsplit(database_url)
    url = parts._replace(netloc=f"hurried:x@{parts.netloc.rpartition('@')[2]}").geturl()
    yield TargetConnector(parse_target_url(url))
    execute(target, "DROP ROLE hurried")


def limit(target: TargetConnection, *names: str) -> None:
    known = {name for (name,) in target.execute("SELECT name FROM pg_settings").fetchall()}
    execute(target, *(f"ALTER ROLE hurried SET {name} = '1ms'" for name in names if name in known))


@pytest.mark.parametrize("names", [(name,) for name in LIMITS] + [LIMITS], ids="+".join)
def test_a_millisecond_for_the_role_is_no_limit_for_our_sessions(
    target: TargetConnection, hurried: TargetConnector, names: tuple[str, ...]
) -> None:
    limit(target, *names)
    for _ in range(10):
        with hurried.connect(lock_timeout_seconds=5) as session:
            time.sleep(0.005)
            session.execute("SELECT pg_sleep(0.005)")
            with session.transaction():
                session.execute("SELECT 1")
                time.sleep(0.005)
                session.execute("SELECT 1")


def test_a_limit_that_cannot_be_lifted_is_named_with_the_statement_that_does(
    target: TargetConnection, hurried: TargetConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As behind a pooler that takes no options: the connection stays as it was.
    monkeypatch.setattr(connect, "lift_limits", lambda conninfo, version: conninfo)
    if target.info.server_version < 170000:
        pytest.skip("this server has no transaction_timeout")
    limit(target, "transaction_timeout")
    with pytest.raises(TargetForbids) as caught, hurried.connect():
        pass
    database = target.info.dbname
    assert str(caught.value).endswith(
        f'Run: ALTER ROLE "hurried" IN DATABASE "{database}" SET transaction_timeout = 0.'
    )
