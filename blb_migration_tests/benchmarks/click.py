"""From the click on *Materialize all* to the run's end, and what each part of it took.

    .venv/bin/python -m blb_migration_tests.benchmarks.click --clicks 5

Opens ``demo --ui``, presses the buttons in a real browser and reads the times of the run's own events from
the web server; and what each process has used until then, since all of them share the processors. Every
click is in servers of its own, as a person's first one is; needs a browser that is installed, as the tests of
pages do.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blb_migration_tests.benchmarks.served_processes import ServedProcesses
from blb_migration_tests.browser import open_browser
from blb_migration_tests.cli.served_ui import OVER, Ui, serving_ui

_RUNS = "{ runsOrError { ... on Runs { results { runId status creationTime startTime endTime } } } }"
_EVENTS = """
query ($id: ID!, $after: String) {
  runOrError(runId: $id) { ... on Run { eventConnection(afterCursor: $after) {
  cursor hasMore events { __typename ... on MessageEvent { timestamp stepKey } } } } } }
"""
_LIMIT_SECONDS = 180
# Where a part ends: at the first event of this type, of this step where one is named; or at the last one.
_FIRST = {
    "the run is recorded": ("creation", None),
    "it is in the queue": ("RunEnqueuedEvent", None),
    "its process is asked for": ("RunStartingEvent", None),
    "its process has begun it": ("RunStartEvent", None),
    "preflight begins": ("ExecutionStepStartEvent", "preflight"),
    "preflight is done": ("ExecutionStepSuccessEvent", "preflight"),
    "the target is prepared": ("ExecutionStepSuccessEvent", "target_prepared"),
    "the tables are loaded and checked": ("ExecutionStepStartEvent", "constraints_restored"),
    "the foreign keys are back": ("ExecutionStepSuccessEvent", "constraints_restored"),
    "integrity is checked": ("ExecutionStepSuccessEvent", "integrity_checks"),
    "the report is made": ("ExecutionStepSuccessEvent", "reconciliation_report"),
    "the run is green": ("RunSuccessEvent", None),
}


def main(arguments: list[str]) -> int:
    """Click so many times and print the medians; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clicks", type=int, default=3)
    options = parser.parse_args(arguments)
    clicks, uses = [], []
    for number in range(options.clicks):
        ends, used = measure_click()
        clicks.append(ends)
        uses.append(used)
        _say(f"click {number + 1}: begun after {ends['its process has begun it']:.2f} s, "
             f"green after {ends['the run is green']:.2f} s")  # fmt: skip
    _say("\nmedians, seconds\n  since the click   of this part")
    before = 0.0
    for part in _FIRST:
        ends_at = statistics.median(click[part] for click in clicks)
        _say(f"  {ends_at:15.2f}  {ends_at - before:13.2f}  {part}")
        before = ends_at
    _say("\nmedians, processor seconds from the click to green")
    for purpose in uses[0]:
        _say(f"  {statistics.median(used.get(purpose, 0.0) for used in uses):15.2f}  {purpose}")
    _say(f"  {statistics.median(sum(used.values()) for used in uses):15.2f}  all")
    return 0


def measure_click() -> tuple[dict[str, float], dict[str, float]]:
    """Press *Materialize all* once in a demo of its own; return when each part ended, seconds after that, and
    the processor seconds of each process until the run was seen to be over.
    """
    with (
        tempfile.TemporaryDirectory(prefix="blb-click-") as folder,
        serving_ui("demo", "--ui", folder=Path(folder)) as (_, output, port),
        open_browser() as browser,
    ):
        if "Ctrl-C" not in output:
            raise RuntimeError(f"the demo did not come up: {output}")
        ui = Ui(port)
        ui.await_jobs()
        page = browser.new_page()
        page.goto(ui.url("/asset-groups"))
        button = page.get_by_role("button", name="Materialize all")
        button.wait_for(timeout=60_000)
        page.wait_for_load_state("networkidle")
        processes = ServedProcesses()
        clicked_at = time.time()
        button.click()
        run = _await_end(ui, processes)
        if run["status"] != "SUCCESS":
            raise RuntimeError(f"the run ended with {run['status']}; its time means nothing")
        times: dict[tuple[str, str | None], float] = {("creation", None): run["creationTime"]}
        for event in _read_events(ui, run["runId"]):
            moment = int(event["timestamp"]) / 1000
            for key in ((event["__typename"], None), (event["__typename"], event["stepKey"])):
                times.setdefault(key, moment)
        return {part: times[key] - clicked_at for part, key in _FIRST.items()}, processes.sum_up()


def _await_end(ui: Ui, processes: ServedProcesses) -> dict[str, Any]:
    deadline = time.monotonic() + _LIMIT_SECONDS
    while time.monotonic() < deadline:
        time.sleep(1)  # the times are the events' own; asking more often would only slow the run
        processes.look()
        for run in ui.ask(_RUNS)["runsOrError"]["results"]:
            if run["status"] in OVER:
                return dict(run)
    raise RuntimeError(f"no run was over {_LIMIT_SECONDS} seconds after the click")


def _read_events(ui: Ui, run_id: str) -> Iterator[dict[str, Any]]:
    cursor, has_more = None, True
    while has_more:
        page = ui.ask(_EVENTS, id=run_id, after=cursor)["runOrError"]["eventConnection"]
        yield from page["events"]
        cursor, has_more = page["cursor"], page["hasMore"]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
