"""A target that takes what it is sent and answers nothing: said within five seconds, and given up cleanly."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest

from blb_migration import waiting
from blb_migration.errors import TargetError, TargetUnreachable
from blb_migration.postgres.connect import TargetConnector
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.settings import parse_target_url
from blb_migration_tests.faults.relay import Relay

pytestmark = pytest.mark.alone
LIMIT_SECONDS = 5


@pytest.fixture
def said() -> Iterator[list[tuple[float, str]]]:
    """Collect what is said, and when."""
    sentences: list[tuple[float, str]] = []
    with waiting.told_to(lambda sentence: sentences.append((time.monotonic(), sentence))):
        yield sentences


@pytest.fixture
def line(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """Yield the line to the server, which is cut in the end."""
    monkeypatch.setenv("BLB_STALL", str(LIMIT_SECONDS))
    relay = Relay(lambda: ("127.0.0.1", server.port))
    yield relay
    relay.close()


@pytest.fixture
def connector(line: Relay, server: EmbeddedPostgres, database_url: str) -> TargetConnector:
    url = database_url.replace(f":{server.port}/", f":{line.port}/")
    return TargetConnector(parse_target_url(f"{url}?connect_timeout=2"))


def expect_words(said: list[tuple[float, str]], began_at: float) -> None:
    heard_at, sentence = said[0]
    assert heard_at - began_at < waiting.SAY_EVERY_SECONDS + 1
    assert "the target" in sentence


@pytest.mark.parametrize("what", ["statement", "commit", "copy"])
def test_what_is_not_answered_is_said_and_given_up(
    connector: TargetConnector, line: Relay, said: list[tuple[float, str]], what: str
) -> None:
    with pytest.raises((TargetError, psycopg.OperationalError)) as failure, connector.connect() as connection:
        connection.execute("CREATE TABLE filled (a text)")
        began_at = time.monotonic()
        if what == "statement":
            line.hang()
            connection.execute("SELECT 1")
        elif what == "commit":
            with connection.transaction():
                connection.execute("INSERT INTO filled VALUES ('a')")
                line.hang()
        else:
            with connection.cursor().copy("COPY filled FROM STDIN") as copy:
                line.hang()
                for _ in range(200):
                    copy.write(b"x" * 100_000 + b"\n")
    assert time.monotonic() - began_at < LIMIT_SECONDS + 10
    assert "answered nobody for" in str(failure.value)
    expect_words(said, began_at)
    assert "5 s at most" in said[0][1]
    assert said[-1][1].endswith("that is broken off")


def test_a_session_that_is_not_let_in_is_said(
    connector: TargetConnector, line: Relay, said: list[tuple[float, str]]
) -> None:
    line.hang()
    began_at = time.monotonic()
    with pytest.raises(TargetUnreachable, match="did not answer in time"), connector.connect():
        pass
    expect_words(said, began_at)


def test_a_pause_of_the_line_is_said_and_outlived(
    connector: TargetConnector, line: Relay, said: list[tuple[float, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLB_STALL", "60")
    with connector.connect() as connection:
        began_at = time.monotonic()
        line.hang(for_seconds=6)
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
    expect_words(said, began_at)


def test_a_long_statement_beside_which_nobody_else_is_let_in_goes_on(
    connector: TargetConnector, line: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role with one connection: the server's refusal of a second session is an answer, too."""
    monkeypatch.setenv("BLB_STALL", "2")
    with connector.connect() as connection:
        line.refuses = True
        assert connection.execute("SELECT 1 FROM pg_sleep(5)").fetchall() == [(1,)]


def test_a_long_statement_is_no_silence(
    connector: TargetConnector, said: list[tuple[float, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLB_STALL", "2")
    with connector.connect() as connection:
        connection.execute("SELECT pg_sleep(5)")
    assert said == []


def test_a_line_that_is_cut_while_a_session_is_set_up_is_an_error_worth_another_try(
    connector: TargetConnector, line: Relay
) -> None:
    pieces = 0
    with line.acting_before(10**9, lambda: None), TargetConnector(connector.settings).connect():
        pieces = line.pieces
    failures = []

    def cut_for_good() -> None:
        line.refuses = True
        line.cut()

    for piece in range(5, pieces + 1):  # before that the log-in itself is tried again
        line.refuses = False
        with line.acting_before(piece, cut_for_good):
            try:
                with TargetConnector(connector.settings).connect():
                    pass
            except TargetError as error:
                failures.append(error)
    assert len(failures) > pieces // 2
    assert all(error.is_transient for error in failures)
    # The line's end, not what the second try met: that one asks for a session without the role's limits.
    assert not any("refused" in str(error) for error in failures)


def test_a_session_that_is_lost_while_it_is_set_up_is_opened_once_more(
    connector: TargetConnector, line: Relay
) -> None:
    with line.acting_before(8, line.cut), TargetConnector(connector.settings).connect() as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
