"""The page: well-formed, complete, self-contained, and safe whatever a database has in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from blb_migration.postgres.ledger.reasons import Reason, ReasonCode
from blb_migration.postgres.ledger.records import DecisionRecord, NotMigratedRecord
from blb_migration.report.facts import TableFacts
from blb_migration.report.markdown import draw_text_timeline, summarise
from blb_migration.report.page import render_page
from blb_migration.report.rendering import make_visible
from blb_migration.report.sentences import Ending
from blb_migration_tests.report.facts import RUN, document_of, finding, loaded_table, metric, summary

VOID = {"meta", "col", "br", "rect", "line"}
SCRIPT = "<script>alert(1)</script>"


class Page(HTMLParser):
    """Reads a page: its text, its addresses, and whether every element is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.text += " "
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def differing_table(label: str) -> TableFacts:
    return loaded_table(label, row_count=[metric("rows", "7", "6", difference="-1")])


def test_it_is_well_formed_and_holds_every_table() -> None:
    labels = [f"table_{number}" for number in range(250)]
    tables = [loaded_table(label, n, group=f"g{n % 7}") for n, label in enumerate(labels, start=1)]
    page = Page(render_page(document_of(*tables)))
    assert page.open == []
    assert all(re.search(rf"\b{label}\b", page.text) for label in labels)
    assert "EQUAL" in page.text and "all 250 tables" in page.text


def test_at_250_tables_only_groups_with_problems_are_unfolded() -> None:
    tables = [loaded_table(f"t{n}", n, group=f"g{n % 7}") for n in range(1, 250)]
    bad = loaded_table("bad", 250, group="g3", row_count=[metric("rows", "7", "6", difference="-1")])
    page = Page(render_page(document_of(*tables, bad)))
    details = [attributes for tag, attributes in page.elements if tag == "details"]
    assert ["open" in attributes for attributes in details] == [True] + [False] * 6
    assert page.text.index("bad: differs") < page.text.index("Timeline of the loads")
    bars = [
        attributes
        for tag, attributes in page.elements
        if tag == "rect" and "bar" in (attributes.get("class") or "")
    ]
    assert len(bars) < 100


def test_names_and_values_of_a_database_are_never_markup() -> None:
    rows = metric("rows", "7", "6", difference=SCRIPT)
    total = metric(f"sum({SCRIPT})", SCRIPT, f'"{SCRIPT}', is_key_total=True)
    table = loaded_table(f"t{SCRIPT}", group=SCRIPT, row_count=[rows], key_totals=[total])
    table = replace(
        table,
        failures=(SCRIPT,),
        reasons=(Reason(ReasonCode.CHECK_FAILED, SCRIPT), Reason(ReasonCode.CHECK_FAILED, "row_count")),
    )
    table.checks[0].details["differences"] = {
        "cell_count": 1, "row_count": 1, "is_complete": False,
        "csv_path": SCRIPT, "parquet_path": SCRIPT, "first": [SCRIPT],
    }  # fmt: skip
    html = render_page(
        document_of(
            table,
            run=replace(RUN, errors=(SCRIPT,), notes=(SCRIPT,), project=SCRIPT, operator=SCRIPT, host=SCRIPT),
            findings=(finding("warning", SCRIPT, SCRIPT), finding("note", SCRIPT, SCRIPT)),
            decisions=(DecisionRecord(SCRIPT, SCRIPT, SCRIPT, 3),),
            not_migrated=tuple(
                NotMigratedRecord(kind, SCRIPT, SCRIPT) for kind in ("table", "column", SCRIPT)
            ),
            dropped_keys=(SCRIPT,),
            history=(summary(1), summary(2, mismatch_count=2)),
        )
    )
    page = Page(html)
    assert page.open == []
    assert "script" not in {tag for tag, _ in page.elements}
    assert html.count("&lt;script&gt;") >= 20
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


def test_nothing_is_fetched_from_anywhere() -> None:
    html = render_page(document_of(loaded_table("users"), history=(summary(1), summary(2))))
    page = Page(html)
    assert not {tag for tag, _ in page.elements} & {"script", "link", "img", "iframe", "object", "embed", "a"}
    attributes = {name for _, found in page.elements for name in found}
    assert not attributes & {"src", "href", "xlink:href", "srcset", "action", "background"}
    assert "@import" not in html and not re.search(r"url\((?!#hatch\))", html)
    assert "default-src 'none'" in html


def test_characters_that_hide_or_turn_the_text_are_shown() -> None:
    assert make_visible("a\u202eb\u200bc\x00d\ud800") == "a[U+202E]b[U+200B]c[U+0000]d[U+D800]"
    assert make_visible("Größe\n") == "Größe\n"
    assert "pay[U+202E]" in render_page(document_of(loaded_table("pay\u202e")))


@pytest.mark.parametrize(
    ("ending", "make", "word"),
    [
        (Ending.COMPLETED, lambda: document_of(loaded_table("users")), "EQUAL"),
        (Ending.COMPLETED, lambda: document_of(differing_table("users")), "NOT EQUAL"),
        (Ending.REFUSED, lambda: document_of(findings=(finding("error"),), ending=Ending.REFUSED), "REFUSED"),
        (
            Ending.INTERRUPTED,
            lambda: document_of(loaded_table("a"), ending=Ending.INTERRUPTED),
            "INTERRUPTED",
        ),
        (Ending.FAILED, lambda: document_of(is_equal=None, run=replace(RUN, errors=("down",))), "FAILED"),
    ],
)
def test_the_verdict_is_said_in_words_before_anything_else(
    ending: Ending, make: Callable[[], dict[str, object]], word: str
) -> None:
    document = make()
    page = Page(render_page(document))
    text = page.text[page.text.index("Migration report:") :]
    assert re.search(rf"[✔✖■]\s+{word}\s+{re.escape(str(document['verdict']))}", text)
    assert page.open == []


def test_a_failed_load_is_told_apart_without_colour() -> None:
    table = loaded_table("orders")
    assert table.load is not None
    failed = replace(table.load, status="failed", loaded=None, error="disk full")
    document = document_of(
        replace(table, load=None, failures=("disk full",), reasons=(Reason(ReasonCode.LOAD_FAILED),)),
        loads=(failed,),
    )
    html = render_page(document)
    assert "FAILED</text>" in html and "url(#hatch)" in html and "✖ load failed" in html
    assert "disk full" in Page(html).text
    timeline = draw_text_timeline(document)
    assert "!" in timeline
    assert max(map(len, timeline.splitlines())) <= 70  # what a laptop's screen shows of Dagster's page


def test_dagster_gets_a_summary_that_stays_a_table() -> None:
    bad = loaded_table("a|b`<img src=x>", 2, row_count=[metric("rows", "7", "6")])
    tables = [loaded_table(f"t{n}", n + 3, group="big") for n in range(200)]
    text = summarise(document_of(bad, *tables))
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    assert len(rows) == 3  # heading, the one that differs, the group of equal ones
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 6 for row in rows)
    assert "<img" not in text and "big, 200 tables" in text
