"""From ``blb-migrate`` to the first row and to its end: where each tenth of a second of the command goes.

    .venv/bin/python -m blb_migration_tests.benchmarks.command --rounds 5

Runs the whole command on the sample ERP, each time as a process of its own; the first round, which compiles
what is imported, does not count. Seconds count from the start of the process, processor seconds are its own.
"""

from __future__ import annotations

import argparse
import importlib.abc
import importlib.machinery
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Literal, NamedTuple

_FILE, _STARTED = "BLB_BENCHMARK_MARKS", "BLB_BENCHMARK_STARTED"


class Mark(NamedTuple):
    """Where a part ends: when this function is first called, or has returned."""

    module: str
    function: str
    at: Literal["begins", "ends"]
    part: str


class Moment(NamedTuple):
    """Seconds since the process started, and processor seconds it has spent."""

    seconds: float
    processor: float


_MARKS = (
    Mark("cli.main", "main", "begins", "Python is up"),
    Mark("cli.migrate", "read_order", "begins", "the command's own modules are imported"),
    Mark("cli.migrate", "run_order", "begins", "settings and project are read"),
    Mark("cli.migrate", "holding_target", "begins", "Dagster is imported"),
    Mark("cli.migrate", "refuse_lost_parts", "begins", "the target is held, both catalogs are read"),
    Mark("defs.in_process", "run_in_process", "begins", "the plan is made"),
    Mark("preflight.stage", "run_preflight", "begins", "the graph is defined, the run is recorded"),
    Mark("preflight.stage", "run_preflight", "ends", "preflight is done"),
    Mark("load.prepare", "prepare_target", "ends", "the target is prepared"),
    Mark("load.write", "write_table", "begins", "the first table's rows are asked for"),
    Mark("load.write", "write_table", "ends", "the first rows are written"),
    Mark("load.finish", "restore_constraints", "begins", "the tables are loaded and checked"),
    Mark("load.finish", "restore_constraints", "ends", "the foreign keys are back"),
    Mark("cli.migrate", "build_run_report", "begins", "integrity is checked, the run is over"),
    Mark("cli.migrate", "print_report", "ends", "the report is written and printed"),
)
_END = "the process has ended"


def main(arguments: Sequence[str]) -> int:
    """Run the command so many times and print the medians; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    # Not above: the command that is measured begins in this module as well.
    from blb_migration.sandbox.erp import SOURCE_DATABASE, create_target
    from blb_migration_tests.benchmarks.servers import running_source, running_target

    with running_source(erp_scale=1) as source, running_target() as target, TemporaryDirectory() as folder:
        target_url = target.server.create_database("erp")
        create_target(target_url)
        urls = {"BLB_SOURCE_CONN": source.urls[SOURCE_DATABASE], "BLB_TARGET_CONN": target_url}
        rounds = [run_command(urls, Path(folder)) for _ in range(options.rounds + 1)][1:]
    sys.stdout.write("seconds  of this part  processor  until\n")
    before = Moment(0.0, 0.0)
    for part in rounds[0]:
        moment = Moment(
            *(statistics.median(values) for values in zip(*(each[part] for each in rounds), strict=True))
        )
        sys.stdout.write(
            f"{moment.seconds:7.2f}  {moment.seconds - before.seconds:12.2f}"
            f"  {moment.processor - before.processor:9.2f}  {part}\n"
        )
        before = moment
    return 0


def run_command(urls: dict[str, str], folder: Path) -> dict[str, Moment]:
    """Run ``blb-migrate`` once, which must end with equal, and return when each part ended."""
    from blb_migration_tests.benchmarks.worker import build_environment

    file = folder / "marks.json"
    spent, started = _read_processor_seconds(), time.time()
    subprocess.run(
        [sys.executable, "-m", __spec__.name, "--output", str(folder / "report.json")],
        cwd=folder,
        env=build_environment() | urls | {_FILE: str(file), _STARTED: str(started)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    end = Moment(time.time() - started, _read_processor_seconds() - spent)
    moments = {part: Moment(*moment) for part, moment in json.loads(file.read_text(encoding="utf-8")).items()}
    missing = [mark.part for mark in _MARKS if mark.part not in moments]
    if missing:
        raise RuntimeError(f"never seen: {', '.join(missing)}; a function of _MARKS has another name now")
    return moments | {_END: end}


def _read_processor_seconds() -> float:
    """Of all processes that this one has waited for."""
    times = os.times()
    return times.children_user + times.children_system


class _Marking(importlib.abc.MetaPathFinder):
    """Wraps the functions of ``_MARKS`` when their modules have been imported, which it leaves to others."""

    def __init__(self, moments: dict[str, Moment]) -> None:
        self._moments = moments
        self._started = float(os.environ[_STARTED])

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find the module as Python does, and have its functions wrapped."""
        marks = [mark for mark in _MARKS if fullname == f"blb_migration.{mark.module}"]
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target) if marks else None
        if spec is None or spec.loader is None:
            return None
        loader, carry_out = spec.loader, spec.loader.exec_module

        def import_and_wrap(module: ModuleType) -> None:
            carry_out(module)
            for mark in marks:
                self._wrap(module, mark)

        loader.exec_module = import_and_wrap  # type: ignore[method-assign]
        return spec

    def _wrap(self, module: ModuleType, mark: Mark) -> None:
        function = getattr(module, mark.function)

        @wraps(function)
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if mark.at == "begins":
                self._note(mark)
            try:
                return function(*arguments, **options)
            finally:
                if mark.at == "ends":
                    self._note(mark)

        setattr(module, mark.function, wrapped)

    def _note(self, mark: Mark) -> None:
        self._moments.setdefault(mark.part, Moment(time.time() - self._started, time.process_time()))


def _run_marked(file: Path) -> int:
    moments: dict[str, Moment] = {}
    sys.meta_path.insert(0, _Marking(moments))
    from blb_migration.cli.main import main as migrate

    try:
        return migrate(sys.argv[1:])
    finally:
        ordered = {mark.part: moments[mark.part] for mark in _MARKS if mark.part in moments}
        file.write_text(json.dumps(ordered), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(_run_marked(Path(os.environ[_FILE])) if _FILE in os.environ else main(sys.argv[1:]))
