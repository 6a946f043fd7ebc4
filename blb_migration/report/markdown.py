"""The report in Markdown, for Dagster's UI: a summary table and the timeline of the loads.

The timeline is drawn with characters: Dagster's Markdown keeps tables and code blocks, but its viewer
drops images whose address is a ``data:`` URI (react-markdown's defaultUrlTransform lets only http, https
and the like through; read in dagster-webserver 1.13's bundle).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blb_migration.report import pictures
from blb_migration.report.nights_compared import list_details

PROBLEMS_SHOWN = 50
DETAILS_SHOWN = 10
NIGHTS_SHOWN = 14
# A line is not wrapped, and would widen what stands beside it beyond a laptop's screen.
TIMELINE_WIDTH = 30
_LABEL_LENGTH = 28

Document = Mapping[str, Any]


def summarise(document: Document) -> str:
    """Return the verdict, a row for each table that is not equal, and a row for each group of equal ones."""
    results = document["table_results"]
    lines = [f"**{escape(document['verdict'])}**", "", escape(document["next_act"]), ""]
    lines += [
        "| Tables | Status | Rows, SQL Server | Rows, PostgreSQL | Seconds |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    problems = [label for label, result in results.items() if result["status"] != "equal"]
    for label in problems[:PROBLEMS_SHOWN]:
        sentences = [reason["sentence"] for reason in document["reconciliation"]["tables"][label]["reasons"]]
        reasons = "; ".join(sentences) or results[label]["status"]
        lines.append(_format_row(f"**{escape(label)}**", f"✖ {escape(reasons)}", [label], document))
    if len(problems) > PROBLEMS_SHOWN:
        lines.append(f"| {len(problems) - PROBLEMS_SHOWN} more | ✖ not verified equal | | | |")
    for group in sorted({result["group"] for result in results.values()}):
        labels = [
            label
            for label, result in results.items()
            if result["group"] == group and result["status"] == "equal"
        ]
        if labels:
            noun = "table" if len(labels) == 1 else "tables"
            lines.append(_format_row(f"{escape(group)}, {len(labels)} {noun}", "✔ equal", labels, document))
    return "\n".join(lines)


def draw_text_timeline(document: Document) -> str:
    """When each table was loaded, as a code block; the longest loads of many, and all failed ones."""
    picture = pictures.draw_timeline(document["loads"])
    if picture is None:
        return "No table was loaded in this run."
    scale = TIMELINE_WIDTH / (pictures.WIDTH - pictures.LABEL_WIDTH - pictures.VALUE_WIDTH)
    width = max(len(_shorten(bar.label)) for bar in picture.bars)
    lines = []
    for bar in picture.bars:
        left = min(int((bar.left - pictures.LABEL_WIDTH) * scale), TIMELINE_WIDTH - 1)
        length = max(round(bar.width * scale), 1)
        mark = "!" if bar.is_problem else "█"
        lines.append(f"{_shorten(bar.label):<{width}} {' ' * left}{mark * length} {bar.value}")
    return "\n".join(["```text", *lines, "```", picture.remark]).rstrip()


def _shorten(label: str) -> str:
    shown = label.replace("`", "'")
    return shown if len(shown) <= _LABEL_LENGTH else f"{shown[: _LABEL_LENGTH - 1]}…"


def compare_nights(document: Document) -> str:
    """Return what changed since the night before, the slowest tables, the forecast and the last nights."""
    nights = document["nights"]
    if nights is None:
        return "No night is on record yet."
    lines = [escape(sentence) + "\n" for sentence in nights["changes"]["sentences"]]
    for heading, details in list_details(nights):
        lines += [f"**{heading}** ({len(details)})\n"]
        lines += [f"- {escape(line)}" for line in details[:DETAILS_SHOWN]]
        lines += [f"- and {len(details) - DETAILS_SHOWN} more", ""] if len(details) > DETAILS_SHOWN else [""]
    lines += [
        "**The next night**\n",
        *(escape(each) + "\n" for each in nights["forecast"]["sentences"] if each),
    ]
    if nights["slowest"]:
        lines += ["| Slowest tables | Seconds | The night before | Rows |", "| --- | ---: | ---: | ---: |"]
        lines += [_format_slow_table(table) for table in nights["slowest"]]
    lines += [
        "",
        "| Began, UTC | Kind | Outcome | Rows | Seconds | |",
        "| --- | --- | --- | ---: | ---: | --- |",
    ]
    lines += [_format_night(night) for night in reversed(nights["list"][-NIGHTS_SHOWN:])]
    return "\n".join(lines)


def _format_slow_table(table: Mapping[str, Any]) -> str:
    before = "" if table["seconds_before"] is None else f"{table['seconds_before']:,.2f}"
    return f"| {escape(table['table'])} | {table['seconds']:,.2f} | {before} | {table['rows']:,} |"


def _format_night(night: Mapping[str, Any]) -> str:
    seconds = "" if night["duration_seconds"] is None else f"{night['duration_seconds']:,.1f}"
    began, outcome = night["started_at"][:16].replace("T", " "), night["outcome"] or "no end"
    remark = escape(night["remark"])
    return f"| {began} | {night['kind']} | {outcome} | {night['rows']:,} | {seconds} | {remark} |"


def escape(text: str) -> str:
    """Return the text with what Markdown or HTML would take for markup made harmless, on one line."""
    shown = " ".join(text.split())
    for character in "\\`*_[]|~#":
        shown = shown.replace(character, f"\\{character}")
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _format_row(name: str, status: str, labels: list[str], document: Document) -> str:
    results, totals = document["table_results"], document["key_totals"]
    source = sum(totals[label]["source_count"] or 0 for label in labels)
    target = sum(totals[label]["target_count"] or 0 for label in labels)
    seconds = sum(results[label].get("seconds") or 0 for label in labels)
    return f"| {name} | {status} | {source:,} | {target:,} | {seconds:,.1f} |"
