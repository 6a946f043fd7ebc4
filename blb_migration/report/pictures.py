"""The report's pictures as numbers: bars with places and widths, which the page's template draws as SVG.

No drawing library and no SVG text here: what is written into a picture is escaped where the page is.
Lengths are in the pictures' own units, ``WIDTH`` across.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WIDTH = 960
LABEL_WIDTH = 230
VALUE_WIDTH = 100
ROW_HEIGHT = 15
AXIS_HEIGHT = 22
LOADS_SHOWN = 45
TABLES_SHOWN = 20
_MINIMUM_BAR = 1.5
_TICK_COUNT = 6

Document = dict[str, Any]


@dataclass(frozen=True)
class Bar:
    """One bar: its left edge and width, which row it stands in, and what is said of it."""

    label: str
    left: float
    width: float
    row: int
    is_problem: bool
    value: str
    title: str


@dataclass(frozen=True)
class Tick:
    """A mark on the axis."""

    left: float
    text: str


@dataclass(frozen=True)
class Picture:
    """Bars in rows under one axis; ``remark`` says what is not shown one by one."""

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    height: int
    remark: str = ""


@dataclass(frozen=True)
class Column:
    """One upright bar of a history, from ``top`` down to the base line."""

    left: float
    top: float
    height: float
    is_problem: bool
    value: str
    title: str


@dataclass(frozen=True)
class History:
    """One metric over the last runs."""

    heading: str
    columns: tuple[Column, ...]


def draw_timeline(loads: Sequence[Document]) -> Picture | None:
    """When each table was loaded, in the order of starting; of many loads the longest, and all failed ones.

    ``loads`` are the document's; None when there are none with a beginning and an end.
    """
    timed = [
        (load, _seconds(load["started_at"]), _seconds(load["finished_at"]))
        for load in loads
        if _is_timed(load)
    ]
    if not timed:
        return None
    start = min(began for _, began, _ in timed)
    span = max(max(ended for _, _, ended in timed) - start, 0.001)
    by_weight = sorted(timed, key=lambda item: (item[0]["status"] == "finished", item[1] - item[2]))
    chosen = {id(item[0]) for item in by_weight[:LOADS_SHOWN]}
    shown = [item for item in timed if id(item[0]) in chosen]
    scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / span
    bars = [
        Bar(
            label=load["table"],
            left=LABEL_WIDTH + (began - start) * scale,
            width=max((ended - began) * scale, _MINIMUM_BAR),
            row=row,
            is_problem=load["status"] != "finished",
            value=f"{ended - began:,.2f} s" if load["status"] == "finished" else "FAILED",
            title=f"{load['table']}: {load['status']}, {ended - began:,.2f} s",
        )
        for row, (load, began, ended) in enumerate(shown)
    ]
    hidden = [item for item in timed if id(item[0]) not in chosen]
    remark = ""
    if hidden:
        slowest = max(ended - began for _, began, ended in hidden)
        remark = f"{len(hidden)} more loads, each of at most {slowest:,.2f} s, are not drawn."
    return Picture(tuple(bars), _draw_ticks(span, scale), AXIS_HEIGHT + len(shown) * ROW_HEIGHT, remark)


def draw_sizes(tables: Sequence[tuple[str, int]], unit: str) -> Picture | None:
    """Return the largest tables by a metric, largest first, and what the others come to; None without any."""
    largest = sorted((item for item in tables if item[1]), key=lambda item: (-item[1], item[0]))
    if not largest:
        return None
    scale = (WIDTH / 2 - LABEL_WIDTH * 0.8 - VALUE_WIDTH) / largest[0][1]
    bars = [
        Bar(
            label=label,
            left=LABEL_WIDTH * 0.8,
            width=max(size * scale, _MINIMUM_BAR),
            row=row,
            is_problem=False,
            value=f"{size:,}",
            title=f"{label}: {size:,} {unit}",
        )
        for row, (label, size) in enumerate(largest[:TABLES_SHOWN])
    ]
    others = largest[TABLES_SHOWN:]
    remark = (
        f"{len(others)} more tables have {sum(s for _, s in others):,} {unit} together." if others else ""
    )
    return Picture(tuple(bars), (), len(bars) * ROW_HEIGHT + 4, remark)


def draw_history(runs: Sequence[Document], key: str, heading: str, width: float, height: float) -> History:
    """One metric of the runs, oldest first; runs that lack it leave a gap."""
    values = [run[key] for run in runs]
    top_value = max([value for value in values if value is not None], default=0) or 1
    step = width / max(len(runs), 1)
    columns = [
        Column(
            left=number * step + step * 0.15,
            top=height - max(value / top_value * height, _MINIMUM_BAR if value else 0),
            height=max(value / top_value * height, _MINIMUM_BAR if value else 0),
            is_problem=bool(run["mismatches"] or run["failed_loads"]),
            value=_shorten(value),
            title=f"{run['started_at']}: {value:,}",
        )
        for number, (run, value) in enumerate(zip(runs, values, strict=True))
        if value is not None
    ]
    return History(heading, tuple(columns))


def _is_timed(load: Document) -> bool:
    return load["started_at"] is not None and load["finished_at"] is not None


def _seconds(moment: str) -> float:
    return datetime.datetime.fromisoformat(moment).timestamp()


def _draw_ticks(span: float, scale: float) -> tuple[Tick, ...]:
    """Round numbers of seconds, about ``_TICK_COUNT`` of them."""
    rough = span / _TICK_COUNT
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= rough)
    return tuple(
        Tick(LABEL_WIDTH + number * step * scale, f"{number * step:g} s")
        for number in range(int(span / step) + 1)
    )


def _shorten(value: float) -> str:
    for limit, suffix in ((1_000_000, "M"), (10_000, "k")):
        if value >= limit:
            return f"{value / (limit if suffix == 'M' else 1000):,.1f}{suffix}"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"
