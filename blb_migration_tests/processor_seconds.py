"""Which files of tests cost how many processor seconds, told at the end of a run of more than a few.

The processes that tests start are counted once they have ended. The embedded PostgreSQL outlives the tests
that use it: what its sessions have used is counted when they end.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Generator
from contextlib import suppress
from typing import Any

import psutil
import pytest

_TOLD_FROM_TESTS = 100
_TOLD_FILES = 25
_PROPERTY = "processor_seconds"


_servers: list[psutil.Process] = []


def count_server(port: int) -> None:
    """Count from here on what the server of this process that listens on ``port`` uses."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if any(each.laddr.port == port for each in child.net_connections() if each.status == "LISTEN"):
                _servers.append(child)


def read_seconds() -> float:
    """Return what this process, its ended children and the counted servers have used."""
    return sum(os.times()[:4]) + sum(map(_read_server, _servers))


def _read_server(server: psutil.Process) -> float:
    with suppress(psutil.Error):
        return float(sum(server.cpu_times()[:4]))
    return 0.0  # it has ended, and is among this process's children


_seen = [0.0]


def begin() -> None:
    """Count from here on: what collecting cost is no test's."""
    _seen[0] = read_seconds()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Note on the report what was used since the last one; with xdist it travels on the report."""
    report = yield
    now = read_seconds()
    setattr(report, _PROPERTY, now - _seen[0])
    _seen[0] = now
    return report


def list_costs(reports: list[Any]) -> list[tuple[str, float]]:
    """Return each file with its seconds, the most expensive first."""
    costs: dict[str, float] = defaultdict(float)
    for report in reports:
        costs[report.nodeid.partition("::")[0]] += getattr(report, _PROPERTY, 0.0)
    return sorted(costs.items(), key=lambda cost: -cost[1])


def summarise(terminalreporter: Any) -> None:
    """Tell the most expensive files, if there were many tests."""
    reports = [
        report
        for found in terminalreporter.stats.values()
        for report in found
        if isinstance(report, pytest.TestReport)
    ]
    if sum(report.when == "call" for report in reports) < _TOLD_FROM_TESTS:
        return
    costs = list_costs(reports)
    total = sum(seconds for _, seconds in costs)
    terminalreporter.section(f"processor seconds: {total:,.0f} in {len(costs)} files")
    for name, seconds in costs[:_TOLD_FILES]:
        terminalreporter.write_line(f"{seconds:8.1f}  {name}")
