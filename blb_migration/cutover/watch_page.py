"""The page of the watch, which an operator leaves open: one file that loads itself again, no script.

It is written after every look, by the command and by the schedule, and when a night has gone live or was
taken back. Decides nothing: what is worth an alert is ``watching``'s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blb_migration.cutover.live_state import LiveState
from blb_migration.postgres.ledger.watch_rows import WatchRow
from blb_migration.report.rendering import build_environment

PAGE_FILE = "watch.html"
LOOKS_SHOWN = 60
_TEMPLATES = Path(__file__).parent / "templates"
_COUNTERS = ("rows_written", "commits", "rollbacks")


def render_watch_page(project: str, rows: Sequence[WatchRow], every_seconds: float, state: LiveState) -> str:
    """Render the page of ``rows``, the newest first, of a night that stands as ``state`` says."""
    befores = (*rows[1:], None)[: len(rows)]
    looks = [_describe_look(row, before) for row, before in zip(rows, befores, strict=True)]
    return (
        build_environment(_TEMPLATES)
        .get_template("watch.html.j2")
        .render(
            project=project,
            state=state,
            last=looks[0] if looks else None,
            looks=looks[:LOOKS_SHOWN],
            facts=_list_facts(rows[0].facts) if rows and not state.is_over else [],
            every_seconds=max(1, math.ceil(every_seconds)),
        )
    )


def _describe_look(row: WatchRow, before: WatchRow | None) -> dict[str, Any]:
    now = row.facts.get("counters")
    old = before.facts.get("counters") if before is not None else None
    counted = {name: _count_since(name, now, old) for name in _COUNTERS}
    return {"at": f"{row.looked_at:%Y-%m-%d %H:%M:%S}", "alerts": row.alerts, **counted}


def _count_since(name: str, now: Mapping[str, int] | None, old: Mapping[str, int] | None) -> str:
    """Return how many since the look before; empty where either is not known, or counting began anew."""
    if now is None or old is None or now[name] < old[name]:
        return ""
    return f"{now[name] - old[name]:,}"


def _list_facts(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    listed = [("health", found) for found in facts.get("health", {}).values()]
    listed += [("log", path) for path in facts.get("logs", {})]
    listed += [
        (f"error in {path}", line) for path, lines in facts.get("log_errors", {}).items() for line in lines
    ]
    counters = facts.get("counters")
    if counters is None:
        return [*listed, ("target", "does not answer")]
    listed += [
        (name.replace("_", " ") + " since the server counts", f"{n:,}") for name, n in counters.items()
    ]
    listed += [(f"sequence {name}", f"used up to {share} %") for name, share in facts["sequences"].items()]
    return listed
