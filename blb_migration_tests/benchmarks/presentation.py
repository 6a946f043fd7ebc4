"""Measurements as tables on a terminal, each contestant beside the one that its section is about."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from blb_migration_tests.benchmarks.measure import Measurement
from blb_migration_tests.benchmarks.sections import BARE

_PARTS = ("preflight", "prepare", "load", "reconcile", "finish", "integrity", "report")


def print_measurements(console: Console, section: str, measurements: Sequence[Measurement]) -> None:
    """One table per subject; the first contestant is what the others are compared with."""
    first = measurements[0]
    title = f"{section}: {first.subject}, {first.row_count:,} rows, median of {len(first.rounds)}"
    table = Table(title=title, title_justify="left")
    table.add_column("contestant")
    for heading in ("seconds", "rows/s", f"time / {first.contestant}", "peak MB", "CPU s per million rows"):
        table.add_column(heading, justify="right")
    for each in measurements:
        table.add_row(
            each.contestant,
            f"{each.seconds:.2f}",
            f"{each.rows_per_second:,.0f}",
            f"{each.seconds / first.seconds:.2f}",
            "" if each.peak_megabytes is None else f"{each.peak_megabytes:.0f}",
            _describe_cpu(each),
        )
    console.print(table)
    if first.contestant == BARE:
        parts = ", ".join(f"{part} {first.median_detail(part):.2f} s" for part in _PARTS)
        console.print(f"Of the bare engine: {parts}")
        others = ", ".join(f"{m.contestant} {m.seconds - first.seconds:.1f} s" for m in measurements[1:])
        console.print(f"Orchestration, what is beyond the bare engine: {others}")
    console.print()


def _describe_cpu(measurement: Measurement) -> str:
    millions = measurement.row_count / 1_000_000
    return ", ".join(
        f"{process} {seconds / millions:,.2f}" for process, seconds in measurement.cpu_seconds().items()
    )
