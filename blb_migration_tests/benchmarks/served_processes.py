"""What each process of an open UI has used, by what it is for: servers, runs, databases, browser.

Looks at the descendants of this process. One that ends between two looks counts as it was at the last one.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress

import psutil

# The first words that are found in a process' command line, or in that of the nearest that started it.
_PURPOSES = {
    "multiprocessing.forkserver": "warm process",
    "defs.internals.web_server": "web server",
    "defs.daemon": "daemon",
    "dagster-daemon": "daemon",  # of earlier versions
    "ui_servers": "what ends them",
    "postgres": "PostgreSQL",
    "chrom": "browser",
    "playwright": "browser",
    "cli.main": "source emulator and command",
}
_CODE_SERVER = (" api grpc", "code-server start")


class ServedProcesses:
    """The processor seconds of this process' descendants since it was made."""

    def __init__(self) -> None:
        self._purposes: dict[psutil.Process, str] = {}
        self._seconds: dict[psutil.Process, float] = {}
        self.look()
        self._before = dict(self._seconds)

    def look(self) -> None:
        """Look at all of them again."""
        found = {process.pid: process for process in psutil.Process().children(recursive=True)}
        for process in {**{each.pid: each for each in self._purposes}, **found}.values():
            with suppress(psutil.Error):
                times = process.cpu_times()
                # A process that was forked has its parent's command line until the end.
                self._purposes.setdefault(process, _name_purpose(process))
                self._seconds[process] = times.user + times.system

    def sum_up(self) -> dict[str, float]:
        """Return the seconds of each purpose, the most expensive first."""
        sums: dict[str, float] = defaultdict(float)
        for process, seconds in self._seconds.items():
            sums[self._purposes[process]] += seconds - self._before.get(process, 0.0)
        return dict(sorted(sums.items(), key=lambda sum_: -sum_[1]))


def _name_purpose(process: psutil.Process) -> str:
    words = " ".join(process.cmdline())
    parent = process.parent()
    if "multiprocessing.forkserver" in words and parent and words == " ".join(parent.cmdline()):
        return "run"
    if any(each in words for each in _CODE_SERVER):
        return f"code server of the {_name_purpose(parent)}" if parent else "code server"
    for each, purpose in _PURPOSES.items():
        if each in words:
            return purpose
    return _name_purpose(parent) if parent else "others"
