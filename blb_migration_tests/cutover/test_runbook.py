"""The runbook: the document of the ERP is what its files make, the page says who has done what and when."""

from __future__ import annotations

import html
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from blb_migration.cutover.night_models import STEP_NAMES
from blb_migration.cutover.runbook.runbook_parts import build_runbook
from blb_migration.errors import ConfigurationError
from blb_migration.plan.project import DEFAULT_PROJECT
from blb_migration_tests.cutover.town import Town

DOCUMENT = Path(__file__).parents[2] / "docs" / "runbook.md"
NO_SERVERS = [
    "--source-conn",
    "mssql+pyodbc://a:b@127.0.0.1:1/x",
    "--target-conn",
    "postgresql://a:b@127.0.0.1:1/x",
]


@pytest.mark.skipif(os.name == "nt", reason="commands are quoted as this system's shell takes them")
def test_docs_runbook_is_what_the_erp_s_files_make(town: Town, tmp_path: Path) -> None:
    made = tmp_path / "runbook.md"
    answer = town.shop.run(
        "--project", str(DEFAULT_PROJECT), "runbook", "--output", str(made), urls=NO_SERVERS
    )
    assert answer.code == 0, answer.err
    assert made.read_text(encoding="utf-8") == DOCUMENT.read_text(encoding="utf-8"), (
        "make it again: blb-migrate runbook --output docs/runbook.md"
    )


def test_every_line_of_the_old_runbook_leads_to_what_does_it_now() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    titles = re.findall(r"^## \d\. (.*)$", text, re.MULTILINE)
    assert (titles[0], titles[-1]) == ("Four weeks before", "Four weeks after")
    headings = {heading.lower() for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    links = set(re.findall(r"\(#(\w+)\)", text))
    assert links and links <= headings
    table = text.partition("## What was done by hand before")[2].partition("## Troubleshooting")[0]
    assert {int(number) for number in re.findall(r"^\| (\d)\.", table, re.MULTILINE)} == {*range(1, 8)}
    replaced = {name for line in build_runbook("x", DEFAULT_PROJECT).replaced for name in line.by}
    assert {*STEP_NAMES[1:], "rollback"} <= replaced
    for placeholder in set(re.findall(r"\$\{(\w+)\}", text)):
        assert f"| `${{{placeholder}}}` | " in text


def test_a_line_that_leads_nowhere_is_refused(night: Town) -> None:
    night.settings["replaces"] = [{"line": "stop it", "by": ["freze"], "how": "x"}]
    answer = night.run("runbook", "--output", str(night.shop.folder / "runbook.md"))
    assert answer.code == 2 and "no step or line freze" in answer.err and "freeze" in answer.err
    with pytest.raises(ConfigurationError):
        build_runbook("x", night.shop.folder)


class _Texts(HTMLParser):
    """Collects the text of each row of a table, and every address that something would be fetched from."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[str] = []
        self.fetched: list[str] = []
        self._is_row = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append("")
            self._is_row = True
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href")]
        assert tag not in ("script", "b")

    def handle_endtag(self, tag: str) -> None:
        self._is_row = self._is_row and tag != "tr"

    def handle_data(self, data: str) -> None:
        if self._is_row:
            self.rows[-1] += f" {data.strip()}"


def test_the_page_says_who_has_done_what_and_when(night: Town) -> None:
    night.settings["ready"] = {"skip": "tested elsewhere"}
    night.settings["backup"] = {"skip": "tested <b>elsewhere</b>"}
    for step in ("freeze", "backup"):
        assert night.run("cutover", "--only", step, "--execute").code == 0
    assert night.run("runbook", "--tick", "people", "--by", "Ana <b>", "--note", "see & call\u202e").code == 0
    page = night.shop.folder / "runbook.html"
    answer = night.run("runbook", "--output", str(page))
    assert answer.code == 0 and str(page) in answer.out, answer.err
    text = page.read_text(encoding="utf-8")
    read = _Texts()
    read.feed(text)
    assert not read.fetched

    def find(line: str) -> str:
        return next(row for row in read.rows if re.match(rf"\s*\S\s+{line} ", row))

    assert "☑" in find("people") and "Ana <b>" in find("people") and "see & call[U+202E]" in find("people")
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", find("freeze")) and "☑" in find("freeze")
    assert "sessions left" not in find("freeze") and "frozen at" in find("freeze")
    assert "tested <b>elsewhere</b>" in find("backup")
    assert "☐" in find("decisions") and "☐" in find("live")
    assert html.escape("Ana <b>") in text
    assert "3 of 24 lines are done or left out" in text


def test_a_name_that_says_no_format_is_refused(night: Town) -> None:
    answer = night.run("runbook", "--output", "runbook.pdf")
    assert answer.code == 2 and "neither Markdown nor HTML" in answer.err
    answer = night.run("runbook", "--output", str(night.shop.folder / "none" / "runbook.md"))
    assert answer.code == 2 and "cannot be written" in answer.err
