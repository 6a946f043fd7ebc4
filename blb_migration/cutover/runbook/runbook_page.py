"""The runbook as one HTML page, for printing: every line with its evidence, who has done it and when.

One file, no script, nothing fetched. What comes from files and journal is escaped by the template engine.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blb_migration.cutover.journal import Journal, build_record
from blb_migration.cutover.live_state import read_live_state
from blb_migration.cutover.runbook.checklists import judge_items
from blb_migration.cutover.runbook.runbook_parts import Runbook
from blb_migration.report.rendering import build_environment

_TEMPLATES = Path(__file__).parent / "templates"
_MARKS = {"done": "☑", "open": "☐", "waits for a person": "☐", "left out": "\N{EN DASH}"}
_LONGEST = 400
_OF_MACHINES = ("marker", "loads", "files", "of_freeze", "of_run")  # evidence that says nothing to a person


def render_page(runbook: Runbook, journal: Journal, now: datetime.datetime) -> str:
    """Render where the runbook stands; ``now`` is UTC."""
    environment = build_environment(_TEMPLATES)
    lists: list[dict[str, Any]] = [
        {
            "title": checklist.title,
            "lines": [
                {
                    "id": state.item.id,
                    "text": state.item.text,
                    "state": state.state,
                    "mark": _MARKS[state.state],
                    "said": state.evidence,
                    "facts": _list_facts(journal, state.item.step) if state.item.step else [],
                }
                for state in judge_items(journal, checklist)
            ],
        }
        for checklist in runbook.checklists
    ]
    lines = [line for one in lists for line in one["lines"]]
    done = sum(line["state"] in ("done", "left out") for line in lines)
    return environment.get_template("runbook.html.j2").render(
        runbook=runbook,
        lists=lists,
        done=done,
        count=len(lines),
        night_id=journal.last_night_id,
        state=read_live_state(journal),
        now=now,
    )


def _list_facts(journal: Journal, step: str) -> Sequence[tuple[str, str]]:
    """List the evidence of a step that a person can read."""
    record = build_record(journal.lines, journal.last_night_id, step)
    return [
        (name.replace("_", " "), shown)
        for name, fact in record.evidence.items()
        if name not in _OF_MACHINES and (shown := _show(fact))
    ]


def _show(fact: Any) -> str:
    if isinstance(fact, Mapping):
        return ""
    text = "; ".join(map(str, fact)) if isinstance(fact, list | tuple) else "" if fact is None else str(fact)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."
