"""Every line of the journal is in the file and in the ledger; what differs is said, and what only one has
is copied."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from blb_migration.cutover.journal import JOURNAL_FILE, Actor, Journal, JournalsDiffer
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
