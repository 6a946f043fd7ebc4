"""Findings of one kind together: what a person reads once, and the objects behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blb_migration.first_few import name_some
from blb_migration.progress.quantities import count

SUBJECTS_NAMED = 3

Document = Mapping[str, Any]


@dataclass(frozen=True)
class FindingGroup:
    """Findings with one cause and one next act."""

    name: str
    decision: str
    findings: tuple[Document, ...]


def group_findings(findings: Sequence[Document], severity: str) -> list[FindingGroup]:
    """Put findings of one severity that say the same of several objects together, in order of the first."""
    grouped: dict[tuple[str, str | None], list[Document]] = {}
    for finding in findings:
        if finding["severity"] == severity:
            grouped.setdefault((finding["code"], finding["decision"]), []).append(finding)
    return [
        FindingGroup(code.replace("_", " "), decision or "", tuple(items))
        for (code, decision), items in grouped.items()
    ]


def describe_findings(findings: Sequence[Document], severity: str) -> Iterator[str]:
    """Describe each kind in a line: how many, the first objects, the finding of the first, the next act."""
    by_code: dict[str, list[Document]] = {}
    for finding in findings:
        if finding["severity"] == severity:
            by_code.setdefault(finding["code"], []).append(finding)
    for code, items in by_code.items():
        first = items[0]
        subjects = list(dict.fromkeys(item["subject"] for item in items))
        named = name_some(subjects, SUBJECTS_NAMED)
        rows = f" [{count(first['row_count'], 'row')}]" if first["row_count"] is not None else ""
        act = f" Next: {first['decision']}." if first["decision"] else ""
        many = f" ({len(items)})" if len(items) > 1 else ""
        of_first = f"{first['subject']}: " if len(subjects) > 1 else ""
        kind = code.replace("_", " ").capitalize()
        yield f"{kind}{many}: {named}. {of_first}{first['message']}{rows}.{act}"
