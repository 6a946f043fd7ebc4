"""``demo --cutover``: there and back on this machine, and the way back from a step that fails."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import pytest

from blb_migration.cli.main import main
from blb_migration_tests.cli.served_ui import Ui, serving_ui


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_night_goes_there_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--cutover"]) == 0, capsys.readouterr()
    said = capsys.readouterr().out
    answers = re.findall(r"answers(?: again)? (from [A-Za-z ]+|not at all)\.", said)
    assert answers == ["from SQL Server", "from PostgreSQL", "from SQL Server"]
    assert re.search(r"from freeze to live: [\d.]+ s; of this the load itself: [\d.]+ s", said)
    codes = re.findall(r"PO-[0-9A-F]{12}", said)
    assert len(codes) == 3
    (saved,) = tmp_path.rglob("public.production_orders.inserted.csv")
    with saved.open(encoding="utf-8", newline="") as file:
        assert [row["code"] for row in csv.DictReader(file)] == codes
    assert len(list(tmp_path.rglob("public.refresh_tokens.inserted.parquet"))) == 1


def test_a_night_that_fails_at_a_step_is_taken_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--cutover", "--fail-at", "freeze"]) == 0
    said = capsys.readouterr().out
    assert "Amiss at step freeze: somebody's session stays on the source." in said
    assert "1 session still on the source after 2 s: " in said
    answers = re.findall(r"answers(?: again)? (from [A-Za-z ]+|not at all)\.", said)
    assert answers == ["from SQL Server", "from SQL Server"]
    assert not list(tmp_path.rglob("written"))


@pytest.mark.skipif(os.name == "nt", reason="ends it by Ctrl-C")
def test_the_night_is_made_ready_for_dagster_s_jobs(tmp_path: Path) -> None:
    with serving_ui("demo", "--cutover", "--ui", "--fail-at", "smoke", folder=tmp_path) as (_, said, port):
        assert "from SQL Server" in said and "Amiss at step smoke" in said
        assert f"http://127.0.0.1:{port}/locations/blb_migration/jobs/cutover/playground" in said
        assert {"cutover", "rollback"} <= Ui(port).await_jobs()
    (production,) = tmp_path.rglob("BLB3D_Production")
    assert not list(production.glob("*.pid")) and not list(tmp_path.rglob("demo-ui-*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fail-at", "smoke"], "given without --cutover"),
        (["--cutover", "--fail-at", "lunch"], "there is no such step to fail at"),
    ],
)
def test_what_makes_no_sense_is_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", *words]) == 2
    assert said in capsys.readouterr().err
