"""One run holds a target: whoever comes second learns which, and a run that is gone holds nothing."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import psycopg
import pytest

from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger.runs import finish_run
from blb_migration.postgres.target_hold import read_holder, reserve_target, take_hold
from blb_migration.retries import becomes_true
from blb_migration.run_entry import ensure_run
from blb_migration.settings import parse_target_url
from blb_migration_tests.chain import Chain

ONE, OTHER = "11111111-aaaa", "22222222-bbbb"


@pytest.fixture
def chain(new_chain: object) -> Chain:
    return new_chain()  # type: ignore[operator, no-any-return]


@pytest.fixture
def sessions(chain: Chain) -> Iterator[list[psycopg.Connection[tuple[object, ...]]]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(closing(psycopg.connect(chain.target_url, autocommit=True))) for _ in "123"
        ]


def test_the_second_run_learns_which_one_holds_the_target(
    sessions: list[psycopg.Connection[tuple[object, ...]]],
) -> None:
    one, same, other = sessions
    assert take_hold(one, ONE, "erp-host", 4711) is None
    assert take_hold(same, ONE, "erp-host", 4712) is None  # another process of the same run
    holder = take_hold(other, OTHER, "laptop", 1)
    assert holder is not None
    assert (holder.run_id, holder.host, holder.pid) == ("11111111", "erp-host", 4711)
    assert holder.session_pid == one.info.backend_pid
    assert "run 11111111 on erp-host, process 4711, since 20" in str(holder)
    one.close()
    assert becomes_true(
        lambda: (h := read_holder(other)) is not None and h.pid == 4712, within_seconds=60, pause_seconds=0.05
    )
    same.close()
    assert becomes_true(lambda: read_holder(other) is None, within_seconds=60, pause_seconds=0.05)
    assert take_hold(other, OTHER, "laptop", 1) is None


def test_another_role_reads_who_holds_it(
    chain: Chain, sessions: list[psycopg.Connection[tuple[object, ...]]]
) -> None:
    role = f"watcher_{os.getpid()}"
    chain.execute(f"CREATE ROLE {role}")
    try:
        assert take_hold(sessions[0], ONE, "erp-host", 4711) is None
        sessions[1].execute(f"SET ROLE {role}".encode())
        holder = read_holder(sessions[1])
        assert holder is not None
        assert (holder.run_id, holder.pid) == ("11111111", 4711)
    finally:
        sessions[1].execute("RESET ROLE")
        chain.execute(f"DROP ROLE {role}")


def test_a_killed_process_holds_nothing(chain: Chain) -> None:
    script = (
        "import sys, time, psycopg; from blb_migration.postgres.target_hold import take_hold\n"
        "session = psycopg.connect(sys.argv[1], autocommit=True)\n"
        "take_hold(session, 'dead-run', 'host', 1); print('held', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", script, chain.target_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process, chain.target.connect() as connection:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"held"
        assert read_holder(connection) is not None
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert becomes_true(lambda: read_holder(connection) is None, within_seconds=60, pause_seconds=0.05)


def test_the_server_is_told_to_notice_a_machine_that_is_gone(chain: Chain) -> None:
    with chain.target.connect() as connection:
        names = (
            "SELECT current_setting(name) FROM unnest(ARRAY['tcp_keepalives_idle', 'tcp_keepalives_count',"
            " 'client_connection_check_interval']) name"
        )
        values = [row[0] for row in connection.execute(names.encode())]
    assert values == ["30", "3", "10s" if platform.system() == "Linux" else "0"]


def test_between_two_processes_of_a_run_the_target_is_reserved_so_long_and_no_longer(chain: Chain) -> None:
    chain.execute("CREATE TABLE t (id int)")
    migration = chain.migration("project: p")
    run_id = migration.run.run_id
    with chain.target.connect() as connection, chain.target.connect() as other:
        ensure_run(connection, migration)
        reserve_target(connection, run_id, 600)
        holder = take_hold(other, OTHER, "laptop", 1)
        assert holder is not None
        assert (holder.run_id, holder.session_pid) == (run_id, None)
        assert "reserved for it until" in str(holder)
        assert take_hold(connection, run_id, "here", 2) is None  # its own next process
    with chain.target.connect() as connection, chain.target.connect() as other:
        reserve_target(connection, run_id, 0.2)
        time.sleep(0.25)
        assert read_holder(connection) is None
        reserve_target(connection, run_id, 600)
        finish_run(connection, run_id, "equal")
        assert take_hold(other, OTHER, "laptop", 1) is None


def test_a_foreign_lock_of_that_kind_is_named_by_its_session(
    chain: Chain, sessions: list[psycopg.Connection[tuple[object, ...]]]
) -> None:
    sessions[0].execute("SELECT pg_advisory_lock_shared(x'626C6268'::int, 17)")
    holder = TargetConnector(parse_target_url(chain.target_url))
    with holder.connect() as connection:
        found = read_holder(connection)
    assert f"(session {sessions[0].info.backend_pid} of the target)" in str(found)
