"""The freeze: services stopped by what answers, sessions named, waited for, allowed or refused."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from blb_migration.cutover.answering import ask
from blb_migration.errors import ConfigurationError
from blb_migration_tests.cutover.town import Town

CLIENT = """
import sys
from blb_migration.settings import parse_source_url
from blb_migration.sqlserver.connect import SourceConnector
with SourceConnector(parse_source_url(sys.argv[1])).connect():
    print("here", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def stranger(town: Town) -> Iterator[subprocess.Popen[str]]:
    """Be somebody else, connected to the source."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLIENT, town.shop.source_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "here\n"
    try:
        yield process
    finally:
        process.communicate("\n", timeout=60)


def test_asking_changes_nothing_and_says_what_would_be_done(town: Town) -> None:
    town.settings["ready"] = {"skip": "tested elsewhere"}
    town.start()
    with stranger(town):
        answer = town.run("cutover", "--only", "freeze")
        town.settings["freeze"] |= {"allowed_sessions": [{"login": "SHOP*", "reason": "the auditor"}]}
        allowed = town.run("cutover", "--only", "freeze")
    assert answer.code == 0, answer.err
    assert "allowed: the auditor" in allowed.out and "must be gone by then" not in allowed.out
    assert "of shopkeeper from" in answer.out and "last statement" in answer.out
    assert "answers 200; this step stops it" in answer.out
    assert town.who() == "sqlserver"
    assert town.shop.target("SELECT to_regclass('blb_migration.night_lines')") == [(None,)]
    assert not (town.shop.folder / "records").exists()


def test_a_session_that_stays_refuses_the_freeze_and_the_services_can_be_started_again(town: Town) -> None:
    town.settings["ready"] = {"skip": "tested elsewhere"}
    town.start()
    with stranger(town):
        answer = town.run("cutover", "--execute")
    assert answer.code == 1, answer.err
    assert "1 session still on the source after 2 s: session" in answer.err
    assert re.search(r"^freeze +failed, [\d.]+ s$", answer.out, re.MULTILINE)
    assert "The night stands at step freeze." in answer.out
    assert re.search(r"Production's backend: \S+ does not answer", answer.out)
    assert town.who() is None  # stopped
    back = town.run("rollback", "--execute")
    assert back.code == 0, back.err
    assert town.who() == "sqlserver"
    again = town.run("rollback", "--execute")
    assert "nothing to take back" in again.out


def test_without_the_right_to_see_sessions_the_grant_is_named(town: Town) -> None:
    town.shop.servers.engine.add_login("shopkeeper", "hunter2 {;}@/", sees_server_state=False)
    try:
        answer = town.run("cutover", "--only", "freeze")
    finally:
        town.shop.servers.engine.add_login("shopkeeper", "hunter2 {;}@/")
    assert answer.code == 3 and "GRANT VIEW SERVER STATE TO" in answer.out


def test_a_service_that_does_not_stop_is_said_by_what_still_answers(town: Town) -> None:
    town.settings["ready"] = {"skip": "tested elsewhere"}
    town.start()
    town.settings["services"][0] |= {
        "stop": [sys.executable, "-c", "print('stopped')"],
        "within_seconds": "1",
    }
    answer = town.run("cutover", "--execute")
    assert answer.code == 1, answer.err
    assert "still answers 1 s after its stop command" in answer.err


def test_a_service_that_answers_with_errors_runs_and_could_write(town: Town) -> None:
    town.settings["ready"] = {"skip": "tested elsewhere"}
    (town.production / "broken").write_text("")  # its health answers 500
    town.start()
    asked = town.run("cutover", "--only", "freeze")
    assert "answers 500; this step stops it" in asked.out and "is not running" not in asked.out, asked
    assert town.run("cutover", "--only", "freeze", "--execute").code == 0 and town.who() is None
    town.start()  # as a service manager does
    thawed = town.run("cutover", "--only", "freeze")
    assert "the source is not frozen any more: backend answers at" in thawed.out, thawed


def test_what_does_not_answer_while_another_error_is_told_says_its_own_cause() -> None:
    try:
        raise ConfigurationError("the step", found="refused")
    except ConfigurationError:
        said = ask("http://127.0.0.1:9/health").found
    assert said == "http://127.0.0.1:9/health does not answer (Connection refused)"


def test_a_single_step_wants_those_before_it(town: Town) -> None:
    answer = town.run("cutover", "--only", "freeze", "--execute")
    assert answer.code == 3 and "the step before it, ready, is not done" in answer.err
    answer = town.run("cutover", "--only", "thaw")
    assert answer.code == 2 and "one of ready, freeze" in answer.err


def test_a_night_that_was_never_rehearsed_cannot_begin(town: Town) -> None:
    answer = town.run("cutover")
    assert answer.code == 3 and "nothing was ever loaded into this target" in answer.out
    assert "The night cannot begin" in answer.out


@pytest.mark.skipif(os.name == "nt", reason="a shell that ignores SIGINT for its background jobs is POSIX's")
def test_a_run_in_the_background_does_not_make_later_services_deaf_to_sigterm(town: Town) -> None:
    """What is ignored is inherited by every program that is started; Dagster makes SIGTERM follow SIGINT."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a script's "&" does
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # an earlier test's Dagster may have set it
    try:
        assert town.shop.migrate().code == 0
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
