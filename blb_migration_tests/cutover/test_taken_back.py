"""A night that was taken back: the watch ends, its page says so, and so it does when the next one is live."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from blb_migration.cutover.carry_out import carry_out
from blb_migration.cutover.journal import NIGHT, POSTPONED, Actor, Journal
from blb_migration.cutover.live_state import LiveState, NightTakenBack, read_live_state
from blb_migration.cutover.watch_page import render_watch_page
from blb_migration_tests.cli.servers import Answer
from blb_migration_tests.cutover.test_steps import open_town
from blb_migration_tests.cutover.town import Town

ACTOR = Actor("ana", "erp-01", "1.0")


def read_page(night: Town) -> str:
    page = Path(night.settings["records"]) / "watch.html"
    return " ".join(page.read_text(encoding="utf-8").split())


def go_live(night: Town) -> Answer:
    answer = night.run("cutover", "--execute")
    assert answer.code == 0, answer.out + answer.err
    return answer


def test_the_page_is_true_before_while_and_after_a_night_is_live_and_when_it_is_live_again(
    night: Town,
) -> None:
    shop, actor = night.shop, Actor.read()
    by = f"UTC, by {actor.operator} on {actor.host}"
    night.settings["watch"] = {"hours": "0"}
    assert shop.migrate().code == 0
    night.start()
    assert night.run("cutover", "--only", "ready", "--execute").code == 0
    assert not (Path(night.settings["records"]) / "watch.html").exists()  # never live
    # Somebody else's watch: the page tells of it all the same, before anybody has looked.
    night.settings["watch"] = {"skip": "Dagster's schedule watches"}
    go_live(night)
    page = read_page(night)
    assert "Nobody has looked yet" in page and "is live on PostgreSQL since" in page and by in page

    night.settings["watch"] = {"hours": "0"}
    go_live(night)
    page = read_page(night)
    assert "<h2>The last look</h2>" in page and "is live on PostgreSQL since" in page
    assert night.run("rollback", "--execute").code == 0
    page = read_page(night)
    assert "<b>Taken back</b>" in page and "The night was taken back at 2" in page and by in page
    assert "Nothing is watched any more" in page and "<h2>What was seen before</h2>" in page
    printed = night.shop.folder / "runbook.html"
    assert night.run("runbook", "--output", str(printed)).code == 0
    assert "The night was taken back at 2" in printed.read_text(encoding="utf-8")
    assert "Nothing amiss" not in page and "is live" not in page and "<h2>Now</h2>" not in page
    early = night.run("cutover", "--only", "watch", "--execute")
    assert early.code == 3 and "The night was taken back at 2" in early.out, early

    night.settings["migrate"] = {
        "replace_changed_rows": ["customers", "articles"],
        "reason": "written while the night before was live; saved",
    }
    assert night.run("cutover", "--only", "ready", "--execute").code == 0
    assert "<b>Taken back</b>" in read_page(night)  # the night before; this one is not live yet
    go_live(night)
    page = read_page(night)
    assert "is live on PostgreSQL since" in page and "aken back" not in page


def test_a_watch_that_runs_ends_when_another_command_takes_the_night_back(night: Town) -> None:
    """Both write one journal: what the watch would write at its end belongs to no night any more."""
    shop = night.shop
    night.settings["watch"] = {"skip": "below"}
    assert shop.migrate().code == 0
    night.start()
    go_live(night)
    night.settings["watch"] = {"hours": "24", "every_seconds": "1"}
    backs: list[Answer] = []

    def take_back(_seconds: float) -> None:
        assert len(backs) < 2, "the watch goes on"
        backs.append(night.run("rollback", "--execute"))

    watching = replace(open_town(night), sleep=take_back)
    with pytest.raises(NightTakenBack, match=r"taken back at 2.* by .*Nothing is to be watched"):
        list(carry_out(watching, "watch"))
    assert [back.code for back in backs] == [0]
    assert "<b>Taken back</b>" in read_page(night) and night.who() == "sqlserver"
    said = night.run("runbook")
    assert said.code == 0 and "[ ] live:" in said.out, said  # both journals say the same
    assert open_town(night).journal.night_id is None


def test_the_states_follow_the_lines_of_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path, None, ACTOR)
    journal.begin()
    assert str(read_live_state(journal)) == "No night was ever live"
    journal.write("live", "opened")
    journal.write("live", "failed")
    journal.write("live", "undoing")
    journal.write(NIGHT, "ended", {"how": "rolled back"})
    assert read_live_state(journal) == LiveState()  # it never got so far
    journal.write("live", "opened")
    journal.write("live", "closed")
    live = read_live_state(journal)
    assert live.kind == "live" and "by ana on erp-01" in str(live)
    journal.write("live", "undoing", {POSTPONED: "what was written is not saved"})
    back = read_live_state(journal)
    assert back.is_over and str(back).startswith("The night is being taken back since 2")
    assert str(back).endswith("by ana on erp-01; what was written is not saved")
    assert "<b>Being taken back</b>" in render_watch_page("<shop>", (), 60, back)
    journal.write("live", "closed")  # carried out again
    assert read_live_state(journal).kind == "live"
    journal.write("live", "undoing")
    journal.write(NIGHT, "ended", {"how": "rolled back"})
    page = render_watch_page("<shop>", (), 60, read_live_state(journal))
    assert "SQL Server serves the application again" in page and "<shop>" not in page
