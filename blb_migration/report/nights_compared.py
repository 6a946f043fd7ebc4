"""The nights for the report: read from the ledger, compared and forecast by ``history``, as one document.

The page, Dagster's Markdown and ``blb-migrate history`` show this document and compute nothing of it again.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from blb_migration.history.night_changes import NightChanges, compare_nights, find_slowest
from blb_migration.history.night_forecast import WindowForecast, forecast_window
from blb_migration.history.past_nights import NightDetails, NightFinding, Past, PastNight
from blb_migration.postgres.ledger.nights import read_night_details, read_past
from blb_migration.postgres.names import TargetConnection
from blb_migration.report.night_sentences import describe_changes, describe_forecast

SLOWEST_SHOWN = 10

Document = dict[str, Any]


@dataclass(frozen=True)
class NightsFacts:
    """What a ledger remembers, the night that is looked at, and the comparable one before it, if any."""

    past: Past
    after: NightDetails
    before: NightDetails | None


def read_nights(connection: TargetConnection, run_id: str | None = None) -> NightsFacts | None:
    """Read the nights up to the run, or all where it was none; None without any. Raises TargetError."""
    past = read_past(connection)
    if not past.nights:
        return None
    night = next((night for night in past.nights if night.run_id == run_id), past.nights[-1])
    before = past.find_before(night)
    return NightsFacts(
        past,
        read_night_details(connection, night),
        read_night_details(connection, before) if before is not None else None,
    )


def describe_nights(facts: NightsFacts, window: WindowForecast | None = None) -> Document:
    """Describe them; ``window`` is the forecast, where it is made of other ledgers as well."""
    window = window or forecast_window(facts.past.choose_series(), facts.past.step_seconds)
    changes = compare_nights(facts.before, facts.after)
    return {
        "run_id": facts.after.night.run_id,
        "before_run_id": changes.before.run_id if changes.before else None,
        "changes": _describe_changes(changes),
        "slowest": [
            {
                "table": table.label,
                "seconds": round(table.seconds, 3),
                "rows": table.rows,
                "seconds_before": None if table.before is None else round(table.before, 3),
            }
            for table in find_slowest(facts.before, facts.after, SLOWEST_SHOWN)
        ],
        "forecast": _describe_window(window),
        "list": [_describe_night(night) for night in facts.past.nights],
        "comparisons": [_describe_night(each) for each in facts.past.comparisons],
    }


def list_details(nights: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """List what changed, one by one: a heading and its lines; headings without a line are left out."""
    changes = nights["changes"]
    lines = [
        (
            "Rows",
            [
                f"{each['table']}: {each['before']:,} to {each['after']:,}"
                f" ({each['after'] - each['before']:+,})"
                for each in changes["rows"]
            ],
        ),
        ("Other contents, as many rows", list(changes["contents"] or ())),
        (
            "Key totals of the source",
            [
                f"{each['table']} {each['name']}: {_say(each['before'])} to {_say(each['after'])}"
                for each in changes["key_totals"]
            ],
        ),
        ("Tables that are new", list(changes["new_tables"])),
        ("Tables that are gone", list(changes["gone_tables"])),
        ("Columns", list(changes["columns"] or ())),
        ("Findings that are new", [_say_finding(each) for each in changes["new_findings"]]),
        ("Findings that are gone", [_say_finding(each) for each in changes["gone_findings"]]),
    ]
    return [(heading, each) for heading, each in lines if each]


def _describe_changes(changes: NightChanges) -> Document:
    return {
        "sentences": describe_changes(changes),
        "rows_added": changes.rows_added,
        "rows": [{"table": each.label, "before": each.before, "after": each.after} for each in changes.rows],
        "contents": None if changes.contents is None else list(changes.contents),
        "key_totals": [
            {"table": each.label, "name": each.name, "before": each.before, "after": each.after}
            for each in changes.metrics
        ],
        "seconds_longer": _round(changes.seconds_longer),
        "new_findings": [_describe_finding(each) for each in changes.new_findings],
        "gone_findings": [_describe_finding(each) for each in changes.gone_findings],
        "new_tables": list(changes.new_tables),
        "gone_tables": list(changes.gone_tables),
        "columns": None if changes.columns is None else [str(each) for each in changes.columns],
        "is_plan_other": changes.is_plan_other,
    }


def _describe_window(window: WindowForecast) -> Document:
    load, trend = window.load, window.trend
    return {
        "sentences": describe_forecast(window),
        "nights": window.night_count,
        "median_seconds": _round(load.median_seconds) if load else None,
        "worst_seconds": _round(load.worst_seconds) if load else None,
        "chance_slower": load.chance_slower if load else None,
        "trend_seconds_per_night": _round(trend.seconds_per_night) if trend else None,
        "trend_chance": trend.chance if trend else None,
        "steps": [asdict(step) for step in window.steps],
        "window_median_seconds": _round(window.median_seconds),
        "window_worst_seconds": _round(window.worst_seconds),
    }


def _describe_night(night: PastNight) -> Document:
    return {
        "run_id": night.run_id,
        "started_at": night.started_at.astimezone(datetime.UTC).isoformat(timespec="seconds"),
        "kind": night.kind,
        "environment": night.environment,
        "source": night.source,
        "outcome": night.outcome,
        "duration_seconds": _round(night.seconds),
        "tables": night.tables_loaded,
        "tables_planned": night.tables_planned,
        "rows": night.rows,
        "mismatches": night.mismatch_count,
        "is_counted": night.is_counted,
        "remark": night.remark,
    }


def _describe_finding(finding: NightFinding) -> Document:
    return asdict(finding)


def _say_finding(finding: Mapping[str, Any]) -> str:
    return f"{finding['severity']}, {finding['subject']}: {finding['message']}"


def _say(value: str | None) -> str:
    return "none" if value is None else value


def _round(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
