"""Nights that never were."""

from __future__ import annotations

import datetime
from typing import Any

from blb_migration.history.past_nights import NightDetails, NightFinding, NightTable, PastNight

FIRST = datetime.datetime(2026, 11, 1, 2, 0, tzinfo=datetime.UTC)


def night(
    number: int, seconds: float | None = 60.0, outcome: str | None = "equal", **changes: Any
) -> PastNight:
    """Return the night of that number: whole and equal, unless told otherwise."""
    values: dict[str, Any] = {
        "kind": "rehearsal", "environment": "rehearsal", "project": "shop", "source": "erp:1433/SHOP",
        "plan_hash": "c0ffee", "tables_planned": 2, "tables_loaded": 2, "rows": 10,
    }  # fmt: skip
    started_at = FIRST + datetime.timedelta(days=number)
    return PastNight(
        f"run {number}", started_at=started_at, seconds=seconds, outcome=outcome, **(values | changes)
    )


def details(
    number: int, *tables: NightTable, findings: tuple[NightFinding, ...] = (), **changes: Any
) -> NightDetails:
    """Return a night with these tables."""
    return NightDetails(night(number, **changes), tables, findings)
