"""``python -m blb_migration_tests.benchmarks``: all sections, as tables for people and as JSON.

``--only tables,erp`` narrows it, ``--rounds`` changes how often each contestant has its turn, ``--rows``
and ``--scales`` how much there is to do, ``--quick`` does next to nothing of everything.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console

from blb_migration_tests.benchmarks.machine import touch_memory
from blb_migration_tests.benchmarks.measure import Measurement
from blb_migration_tests.benchmarks.presentation import print_measurements
from blb_migration_tests.benchmarks.sections import FULL, QUICK, SECTIONS, Size


def main(arguments: Sequence[str]) -> int:
    """Measure and print; returns the exit code."""
    options = _parse(arguments)
    size = _read_size(options)
    console = Console(width=None if sys.stdout.isatty() else 150)
    measured: list[Measurement] = []
    if not options.quick:
        touch_memory()
    for name in options.only:
        for measurements in SECTIONS[name](size):
            print_measurements(console, name, measurements)
            measured += measurements
    if options.json is not None:
        document = {
            "command": ["python", "-m", "blb_migration_tests.benchmarks", *arguments],
            "machine": {
                "processors": os.cpu_count(),
                "system": platform.platform(),
                "python": sys.version.split()[0],
            },
            "measurements": [_describe(measurement) for measurement in measured],
        }
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m blb_migration_tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of tiny tables")
    parser.add_argument("--only", type=_read_sections, default=list(SECTIONS), metavar="SECTION,...")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--rows", type=_read_numbers, metavar="N,...", help="rows of growth, split, killed")
    parser.add_argument("--tables", metavar="SHAPE=ROWS,...", help="shapes and rows of section tables")
    parser.add_argument("--scales", type=_read_numbers, metavar="N,...", help="scales of section erp")
    parser.add_argument("--forkserver", action="store_true", help="section erp with that executor as well")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args(arguments)


def _read_size(options: argparse.Namespace) -> Size:
    size = QUICK if options.quick else FULL
    if options.tables:
        pairs = (item.split("=") for item in options.tables.split(","))
        size = replace(size, table_rows={shape: int(rows) for shape, rows in pairs})
    return replace(
        size,
        rounds=options.rounds or size.rounds,
        growth_rows=options.rows or size.growth_rows,
        scales=options.scales or size.scales,
        with_forkserver=options.forkserver,
    )


def _read_sections(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(SECTIONS):
        raise argparse.ArgumentTypeError(
            f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}"
        )
    return names


def _read_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.replace("_", "").split(","))


def _describe(measurement: Measurement) -> dict[str, object]:
    return {
        **asdict(measurement),
        "median_seconds": measurement.seconds,
        "rows_per_second": measurement.rows_per_second,
        "median_cpu_seconds": measurement.cpu_seconds(),
        "peak_megabytes": measurement.peak_megabytes,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
