"""Asked to end, in each phase and by each signal: keys back, the outcome on record, one true sentence."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration_tests.cli.servers import PASSWORD, Shop
from blb_migration_tests.hearing import HEAR_SIGHUP

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(os.name == "nt", reason="sends signals that only POSIX has"),
]
STARTS_WITHIN_SECONDS = 90
ENDS_WITHIN_SECONDS = 30
FOR_EVER = 600
IN_PLACE = (
    "SELECT count(*) FROM pg_constraint"
    " WHERE contype = 'f' AND convalidated AND connamespace = 'public'::regnamespace"
)
ENDING = "SELECT outcome, errors FROM blb_migration.runs"
# Holds a command of the target for ever; a superuser's means, like a lock that somebody forgot.
HOLD = """
CREATE FUNCTION hold() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_query() ~* '{pattern}' AND current_query() !~ 'blb_migration_probe' THEN
        PERFORM pg_sleep(600);
    END IF;
END $$;
CREATE EVENT TRIGGER hold ON ddl_command_start EXECUTE FUNCTION hold();
"""
ASLEEP = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event = 'PgSleep'"
)  # fmt: skip


@dataclass(frozen=True)
class Phase:
    """Where the run is held, at a statement of the source or of the target, and what is to be true then."""

    source: str | None = None
    target: str | None = None
    says: str = "Interrupted: the run was stopped before its end"
    is_on_record: bool = True


PHASES = {
    "the catalogs": Phase(source=r"sys\.foreign_keys", says="interrupted before the run", is_on_record=False),
    "preflight": Phase(source=r"COUNT(_BIG)?\(.*\[orders\]"),
    "prepare": Phase(target="DROP CONSTRAINT"),
    "load": Phase(source=r"^SELECT \[id\].*\[orders\](?! WHERE 1 = 0)"),
    "check": Phase(source=r"SUM\(.*\[orders\]"),
}
CASES = [
    ("the catalogs", "SIGTERM", 143),
    ("preflight", "SIGINT", 130),
    ("prepare", "SIGHUP", 129),
    ("load", "SIGTERM", 143),
    ("check", "SIGINT", 130),
]


@contextmanager
def started(shop: Shop, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command in a process of its own."""
    program = f"{HEAR_SIGHUP}from blb_migration.cli.main import main\nraise SystemExit(main())"
    command = [sys.executable, "-c", program]
    command += ["--source-conn", shop.source_url, "--target-conn", shop.target_url]
    command += ["--project", str(shop.folder), *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def hold(shop: Shop, phase: Phase) -> Callable[[], bool]:
    """Have the run held there; returns what says whether it has got so far."""
    if phase.target is not None:
        shop.target(HOLD.format(pattern=phase.target))
        return lambda: shop.target(ASLEEP) != [(0,)]
    assert phase.source is not None
    pattern = re.compile(phase.source, re.IGNORECASE | re.DOTALL)
    sql_server = shop.servers.sql_server
    before = len(sql_server.statements)
    sql_server.faults.add(Fault(phase.source, batch_delay_seconds=FOR_EVER))
    return lambda: any(pattern.search(sent.text) for sent in sql_server.statements[before:])


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + STARTS_WITHIN_SECONDS
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.1)


@pytest.mark.parametrize(("phase", "name", "code"), CASES)
def test_a_signal_ends_the_run_with_its_keys_in_place(shop: Shop, phase: str, name: str, code: int) -> None:
    held = PHASES[phase]
    has_come = hold(shop, held)
    with started(shop) as process:
        wait_for(has_come, process)
        time.sleep(0.5)
        process.send_signal(getattr(signal, name))
        _, err = process.communicate(timeout=ENDS_WITHIN_SECONDS)
    assert process.returncode == code
    assert err.startswith(f"blb-migrate: {held.says}")
    assert err.count("\n") == 1
    assert "dropped:" not in err
    assert PASSWORD not in err
    assert shop.target(IN_PLACE) == [(2,)]
    if held.is_on_record:
        assert shop.target(ENDING) == [("interrupted", ["the run was interrupted"])]
    else:
        assert shop.target("SELECT 1 FROM pg_namespace WHERE nspname = 'blb_migration'") == []


def test_a_second_signal_leaves_the_keys_on_record_and_says_so(shop: Shop) -> None:
    has_come = hold(shop, Phase(target="ADD CONSTRAINT [^;]*FOREIGN KEY"))
    with started(shop) as process:
        wait_for(has_come, process)
        process.send_signal(signal.SIGINT)
        time.sleep(1.5)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=ENDS_WITHIN_SECONDS)
    assert process.returncode == 130  # the first one's
    assert "2 foreign keys are still dropped" in err
    assert "'blb-migrate restore-keys' restores them" in err
    assert err.count("\n") == 1
    assert shop.target(IN_PLACE) == [(0,)]
    [(ending, errors)] = shop.target(ENDING)
    assert (ending, errors[1]) == ("interrupted", "the run was interrupted")
    assert "2 of 2 could not be restored" in errors[0]
    shop.target("DROP EVENT TRIGGER hold")
    assert shop.run("restore-keys").code == 0
    assert shop.target(IN_PLACE) == [(2,)]


def test_a_reader_that_goes_away_does_not_end_the_run(shop: Shop) -> None:
    with started(shop) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()  # what 'blb-migrate | head -1' does
        err = process.stderr.read()
        code = process.wait(ENDS_WITHIN_SECONDS)
    assert code == 0, err
    assert err.startswith("blb-migrate: stdout could not be written any more (Broken pipe); the run went on")
    assert err.count("\n") == 1
    assert shop.target(IN_PLACE) == [(2,)]
    assert shop.target(ENDING) == [("equal", [])]


def test_what_only_prints_ends_quietly_with_its_reader(shop: Shop) -> None:
    program = "from blb_migration.cli.main import main; raise SystemExit(main())"
    command = f"{shlex.quote(sys.executable)} -c '{program}' docs decisions | head -1"
    answer = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, timeout=60)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.count("\n") == 1
