"""The report in Markdown, for Dagster's UI: a summary table and the timeline of the loads.

The timeline is drawn with characters: Dagster's Markdown keeps tables and code blocks, but its viewer
drops images whose address is a ``data:`` URI (react-markdown's defaultUrlTransform lets only http, https
and the like through; read in dagster-webserver 1.13's bundle).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blb_migration.report import pictures

PROBLEMS_SHOWN = 50
TIMELINE_WIDTH = 60
_LABEL_LENGTH = 34

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
    lines = []
    for bar in picture.bars:
        left = min(int((bar.left - pictures.LABEL_WIDTH) * scale), TIMELINE_WIDTH - 1)
        length = max(round(bar.width * scale), 1)
        mark = "!" if bar.is_problem else "█"
        label = bar.label.replace("`", "'")[:_LABEL_LENGTH]
        lines.append(f"{label:<{_LABEL_LENGTH}} {' ' * left}{mark * length} {bar.value}")
    return "\n".join(["```text", *lines, "```", picture.remark]).rstrip()


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
