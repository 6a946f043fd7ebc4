"""Every line of the journal is in the file and in the ledger; what differs is said, and what only one has
is copied."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path
from typing import Any

import pytest

from blb_migration.cutover.journal import JOURNAL_FILE, Actor, Journal, JournalsDiffer
from blb_migration.errors import ConfigurationError
from blb_migration.postgres.connect import TargetConnector
from blb_migration.settings import parse_target_url
from blb_migration_tests.cli.servers import Shop

ACTOR = Actor("ana", "erp-01", "1.0")


@pytest.fixture
def target(shop: Shop) -> TargetConnector:
    return TargetConnector(parse_target_url(shop.target_url))


def begin(folder: Path, target: TargetConnector | None) -> Journal:
    journal = Journal(folder, target, ACTOR)
    journal.begin()
    return journal


def test_both_have_every_line(tmp_path: Path, target: TargetConnector, shop: Shop) -> None:
    journal = begin(tmp_path, target)
    journal.write("freeze", "opened")
    journal.write("freeze", "evidence", {"sessions": ["Ünal"]})
    journal.write("freeze", "closed")
    in_file = [json.loads(line) for line in (tmp_path / JOURNAL_FILE).read_text("utf-8").splitlines()]
    in_ledger = shop.target(
        "SELECT event, operator, host, tool_version, details FROM blb_migration.night_lines"
    )
    assert (
        [line["event"] for line in in_file]
        == [row[0] for row in in_ledger]
        == ["opened", "evidence", "closed"]
    )
    assert in_ledger[1][1:] == ("ana", "erp-01", "1.0", {"sessions": ["Ünal"]})
    again = Journal(tmp_path, target, ACTOR)
    assert (again.lines, again.notes) == (journal.lines, [])
    assert again.record("freeze").state == "closed"


def test_what_a_kill_left_in_one_alone_is_said_and_copied(
    tmp_path: Path, target: TargetConnector, shop: Shop
) -> None:
    begin(tmp_path, target).write("ready", "opened")
    begin(tmp_path, None).write("ready", "closed")  # killed before the ledger had it
    journal = Journal(tmp_path, target, ACTOR)
    assert "the ledger lacks 1 journal lines that the file has" in journal.notes[0]
    assert shop.target("SELECT count(*) FROM blb_migration.night_lines") == [(1,)]  # reading changes nothing
    journal.begin()
    assert shop.target("SELECT count(*) FROM blb_migration.night_lines") == [(2,)]
    (tmp_path / JOURNAL_FILE).unlink()  # another machine
    journal = Journal(tmp_path, target, ACTOR)
    assert "the file lacks 2 journal lines" in journal.notes[0]
    journal.begin()
    assert Journal(tmp_path, target, ACTOR).notes == []


def test_a_torn_line_is_not_read_and_stays(tmp_path: Path, target: TargetConnector) -> None:
    begin(tmp_path, target).write("ready", "opened")
    with (tmp_path / JOURNAL_FILE).open("ab") as file:
        file.write(b'{"night_id": "x", "num')
    journal = begin(tmp_path, target)
    assert "torn" in journal.notes[0]
    journal.write("ready", "closed")
    assert Journal(tmp_path, target, ACTOR).record("ready").state == "closed"


def test_a_contradiction_is_refused(tmp_path: Path, target: TargetConnector) -> None:
    begin(tmp_path, target).write("ready", "opened")
    path = tmp_path / JOURNAL_FILE
    path.write_text(path.read_text("utf-8").replace("opened", "closed"), "utf-8")
    with pytest.raises(JournalsDiffer, match="the ledger has ready opened"):
        Journal(tmp_path, target, ACTOR)


def test_two_who_write_the_same_night_are_told(tmp_path: Path, target: TargetConnector) -> None:
    begin(tmp_path / "a", target).write("ready", "opened")
    one, other = begin(tmp_path / "a", target), begin(tmp_path / "b", target)
    one.write("ready", "closed")
    with pytest.raises(JournalsDiffer, match="the ledger has another line there, ready closed"):
        other.write("freeze", "opened")


def test_without_a_target_the_file_goes_on_alone(tmp_path: Path) -> None:
    dead = TargetConnector(parse_target_url("postgresql://a:hunter2@127.0.0.1:1/x"))
    journal = begin(tmp_path, dead)
    begun = datetime.datetime.now(datetime.UTC)
    for _ in range(3):
        journal.write("switch", "undone")
    assert (datetime.datetime.now(datetime.UTC) - begun).total_seconds() < 15  # tried once
    assert "the ledger cannot be" in journal.notes[-1] and "hunter2" not in "".join(journal.notes)
    assert len((tmp_path / JOURNAL_FILE).read_text().splitlines()) == 3


def write_line(**changes: Any) -> bytes:
    """Return a line as a journal has it, but for the changes."""
    line = {
        "night_id": "20261130T000000Z-abcdef", "number": 1, "step": "ready", "event": "opened",
        "at": "2026-11-30T00:00:00.000000+00:00", "operator": "ana", "host": "erp-01", "tool_version": "1",
        "details": {},
    }  # fmt: skip
    return json.dumps(line | changes).encode()


@pytest.mark.parametrize(
    "damaged",
    [
        b"[" * 100_000,
        b"\0" * 5_000,
        b"null",
        b'{"night_id": "x"}',
        write_line(number="1"),
        write_line(number=0),
        write_line(number=True),
        write_line(night_id=5),
        write_line(at="yesterday"),
        write_line(at=5),
        write_line(at="2026-11-30T00:00:00"),
        write_line(event="exploded"),
        write_line(details=[1]),
        write_line(more=1),
    ],
)
def test_a_damaged_line_is_named_and_the_others_are_read(tmp_path: Path, damaged: bytes) -> None:
    good = write_line(number=2, event="closed")
    (tmp_path / JOURNAL_FILE).write_bytes(write_line() + b"\n" + damaged + b"\n" + good + b"\n")
    journal = begin(tmp_path, None)
    assert [line.number for line in journal.lines] == [1, 2]
    assert journal.notes[0].startswith(f"line 2 of {tmp_path / JOURNAL_FILE} is torn")
    journal.write("freeze", "opened")
    assert Journal(tmp_path, None, ACTOR).record("freeze").state == "open"


@pytest.mark.parametrize("content", [b"a;b\n1;2\n" * 50, os.urandom(2_000) + b"\n", b"[1]\n"])
def test_nothing_is_written_to_a_file_of_another_kind(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / JOURNAL_FILE
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"no line of it can be read.*Move it away"):
        begin(tmp_path, None)
    assert path.read_bytes() == content


def test_an_empty_file_is_an_empty_journal(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_FILE).touch()
    journal = begin(tmp_path, None)
    assert (journal.lines, journal.notes, journal.night_id) == ([], [], None)


def test_what_is_no_file_or_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_FILE).mkdir()
    with pytest.raises(ConfigurationError, match="it is no file"):
        begin(tmp_path, None)


def test_a_journal_that_takes_no_more_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = begin(tmp_path, None)
    journal.write("freeze", "opened")

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(ConfigurationError, match=r"No space left on device.*Free room there"):
        journal.write("freeze", "closed")


def test_a_night_that_began_after_the_clock_was_set_back_is_the_latest(
    tmp_path: Path, target: TargetConnector
) -> None:
    now = datetime.datetime(2026, 11, 30, 2, tzinfo=datetime.UTC)
    journal = Journal(tmp_path, target, ACTOR, lambda: now)
    journal.begin()
    first = journal.write("ready", "opened").night_id
    journal.write("night", "ended")
    now = datetime.datetime(2026, 11, 29, 2, tzinfo=datetime.UTC)
    journal = Journal(tmp_path, target, ACTOR, lambda: now)
    journal.begin()
    second = journal.write("freeze", "opened").night_id
    now = datetime.datetime(2026, 11, 29, 1, tzinfo=datetime.UTC)
    journal.write("freeze", "closed")
    again = Journal(tmp_path, target, ACTOR, lambda: now)
    assert (again.night_id, again.night_id == first) == (second, False)
    assert (again.record("freeze").state, again.record("freeze").elapsed_seconds) == ("closed", 0.0)


def test_what_neither_utf_8_nor_jsonb_holds_is_written_as_an_escape(
    tmp_path: Path, target: TargetConnector
) -> None:
    journal = begin(tmp_path, target)
    journal.write("smoke", "failed", {"error": "it said \0 and \ud800", "asked": ["\0"]})
    again = Journal(tmp_path, target, ACTOR)
    assert (again.lines, again.notes) == (journal.lines, [])
    assert again.lines[0].details == {"error": "it said \\0 and \\ud800", "asked": ["\\0"]}
