"""The report as one HTML page, rendered from the document alone: for a laptop, for paper, and in grey.

One file: its style stands inside, there is no script, and nothing is fetched from anywhere. Everything
that comes from a database is escaped by the template engine, and characters that could not be seen or
that turn the reading direction are shown by their names.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment

from blb_migration.checks import CHECKS
from blb_migration.first_few import name_some
from blb_migration.postgres.ledger.reasons import ReasonCode, TableStatus
from blb_migration.progress.quantities import count, format_bytes, format_duration
from blb_migration.report import pictures
from blb_migration.report.criteria import list_criteria
from blb_migration.report.finding_groups import group_findings
from blb_migration.report.metric_texts import format_metric, rank_metric
from blb_migration.report.nights_compared import list_details
from blb_migration.report.places import name_places
from blb_migration.report.rendering import build_environment

TEMPLATES = Path(__file__).parent / "templates"
ALL_OPEN_UP_TO = 60  # tables; above that, groups without problems are folded on the screen
COLUMNS_NAMED = 40
METRICS_SHOWN = 8
NAMES_SHOWN = 10
LINES_SHOWN = 40
DETAILED_PROBLEMS = 20
NOT_KNOWN = "\N{EN DASH}"
HISTORY_SHOWN = 12
DECISIONS_SHOWN = 6
INTEGRITY = "integrity"
HISTORY_WIDTH, HISTORY_HEIGHT = 290, 84

Document = Mapping[str, Any]

_HEADLINES = {
    "equal": ("✔", "EQUAL"),
    "not_equal": ("✖", "NOT EQUAL"),
    "failed": ("✖", "FAILED"),
    "refused": ("■", "REFUSED"),
    "interrupted": ("■", "INTERRUPTED"),
    "not_compared": (NOT_KNOWN, "NOT COMPARED"),
}
_SEVERITIES = (("error", "Errors"), ("warning", "Warnings"), ("note", "Notes"))


@dataclass(frozen=True)
class Group:
    """Tables of one group, problems first. ``is_open`` unfolds it on the screen; paper shows all."""

    name: str
    labels: tuple[str, ...]
    problem_count: int
    row_count: int
    byte_count: int
    is_open: bool


@dataclass(frozen=True)
class Problems:
    """Tables that are not equal: labels of those with metrics or errors to look at, and the rest.

    The rest stands together by what speaks against it: (status, reasons, labels).
    """

    in_detail: tuple[str, ...]
    in_short: tuple[tuple[str, str, tuple[str, ...]], ...]


def render_page(document: Document) -> str:
    """Return the page as HTML text."""
    results = document["table_results"]
    history = document["history"][-HISTORY_SHOWN:]
    nights = document["nights"]
    symbol, headline = _HEADLINES[document["verdict_status"]]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            document=document,
            symbol=symbol,
            headline=headline,
            groups=_group_tables(document),
            problems=_sort_problems(document),
            reasons=_list_reasons(document),
            names_shown=NAMES_SHOWN,
            severities=[(key, name, group_findings(document["findings"], key)) for key, name in _SEVERITIES],
            criteria=list(list_criteria(document)),
            places=name_places(document),
            decided=list(_describe_decided(document)),
            decisions=[d for d in document["decisions"] if d["decision"] != "skip"],
            not_migrated=_group_not_migrated(document["not_migrated"]),
            checks=CHECKS,
            timeline=pictures.draw_timeline(document["loads"]),
            sizes=[
                (name, pictures.draw_sizes([(label, r.get(key) or 0) for label, r in results.items()], unit))
                for name, key, unit in (
                    ("Rows", "rows_inserted", "rows"),
                    ("Bytes written", "bytes", "bytes"),
                )
            ],
            history=history,
            histories=[
                pictures.draw_history(history, key, heading, HISTORY_WIDTH, HISTORY_HEIGHT)
                for key, heading in (
                    ("duration_seconds", "Duration, seconds"),
                    ("rows", "Rows loaded"),
                    ("mismatches", "Checks that differed"),
                )
            ],
            night_details=list_details(nights) if nights else [],
            lines_shown=LINES_SHOWN,
            uncounted=[each for each in nights["list"] if not each["is_counted"]] if nights else [],
            columns_named=COLUMNS_NAMED,
            choose_metrics=_choose_metrics,
            drawing=pictures,
            history_width=HISTORY_WIDTH,
            history_height=HISTORY_HEIGHT,
            style=(TEMPLATES / "report.css").read_text(encoding="utf-8"),
        )
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = build_environment(TEMPLATES)
    environment.filters |= {"number": _if_known("{:,}".format), "bytes": _if_known(format_bytes)}
    environment.filters |= {"seconds": _if_known(format_duration), "moment": _if_known(_format_moment)}
    environment.filters["metric"] = format_metric
    return environment


def _sort_problems(document: Document) -> Problems:
    """In detail: failed loads first, then differing data, up to so many; what was not compared goes short."""
    results, reasons = document["table_results"], _list_reasons(document)
    unequal = [label for label, result in results.items() if result["status"] != "equal"]
    detailed = [
        label
        for label in sorted(unequal, key=lambda label: TableStatus(results[label]["status"]).urgency)
        if results[label]["errors"] or any(map(_has_metrics, reasons[label]))
    ][:DETAILED_PROBLEMS]
    short: dict[tuple[str, str], list[str]] = {}
    for label in unequal:
        if label not in detailed:
            sentences = "; ".join(reason["sentence"] for reason in reasons[label])
            short.setdefault((results[label]["status"], sentences), []).append(label)
    return Problems(tuple(detailed), tuple((*cause, tuple(labels)) for cause, labels in short.items()))


def _list_reasons(document: Document) -> dict[str, list[Document]]:
    return {label: table["reasons"] for label, table in document["reconciliation"]["tables"].items()}


def _has_metrics(reason: Document) -> bool:
    """Whether there is more to see of it than a sentence: data differ, not only what the target promises."""
    return bool(reason["code"] == ReasonCode.CHECK_FAILED and reason["check"] != INTEGRITY)


def _choose_metrics(comparisons: Sequence[Document]) -> list[Document]:
    """Return the metrics that say most about a difference: rows, key totals, sums; digests only to the
    auditor."""
    return sorted(
        comparisons, key=lambda each: rank_metric(each["name"], is_key_total=bool(each.get("is_key_total")))
    )[:METRICS_SHOWN]


def _group_tables(document: Document) -> list[Group]:
    """Put groups with problems first, then by name; inside, problems first, then by load order."""
    results = document["table_results"]
    by_group: dict[str, list[str]] = {}
    for label, result in results.items():
        by_group.setdefault(result["group"], []).append(label)
    groups = []
    for name, labels in by_group.items():
        labels.sort(key=lambda label: TableStatus(results[label]["status"]).urgency)
        problem_count = sum(results[label]["status"] != "equal" for label in labels)
        groups.append(
            Group(
                name,
                tuple(labels),
                problem_count,
                sum(results[label]["rows_inserted"] for label in labels),
                sum(results[label].get("bytes") or 0 for label in labels),
                is_open=problem_count > 0 or len(results) <= ALL_OPEN_UP_TO,
            )
        )
    return sorted(groups, key=lambda group: (group.problem_count == 0, group.name))


def _describe_decided(document: Document) -> Iterator[str]:
    """Describe in a few lines what was decided, for the page one signs."""
    left = {kind: len(items) for kind, items in _group_not_migrated(document["not_migrated"]).items()}
    for kind, number in left.items():
        yield f"{count(number, kind)} not migrated"
    others: dict[str, list[Document]] = {}
    for decision in document["decisions"]:
        if decision["decision"] != "skip":
            others.setdefault(decision["decision"], []).append(decision)
    for name, items in list(others.items())[:DECISIONS_SHOWN]:
        rows = sum(item["row_count"] or 0 for item in items)
        subjects = name_some([item["subject"] for item in items], 2)
        yield f"{name}: {subjects}" + (f" ({count(rows, 'row')})" if rows else "")
    if len(others) > DECISIONS_SHOWN:
        yield f"and {len(others) - DECISIONS_SHOWN} more kinds of decisions"
    if not left and not others:
        yield "nothing: everything is carried as it is"


def _group_not_migrated(not_migrated: Sequence[Document]) -> dict[str, list[Document]]:
    """By kind: tables first, then columns, then the objects that hold no rows."""
    grouped: dict[str, list[Document]] = {"table": [], "column": []}
    for left in not_migrated:
        grouped.setdefault(left["kind"], []).append(left)
    return {kind: items for kind, items in grouped.items() if items}


def _if_known(write: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: NOT_KNOWN if value is None else write(value)


def _format_moment(value: str) -> str:
    """``2026-11-22 15:04:05 UTC``."""
    moment = datetime.datetime.fromisoformat(value).astimezone(datetime.UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
