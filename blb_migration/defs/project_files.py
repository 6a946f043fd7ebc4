"""Whether the files of a project's folder are still those that a process has read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

_Look = list[tuple[str, int, int, int]]


def watch_files(folder: Path) -> Callable[[], bool]:
    """Return what tells whether the files in ``folder`` are those of this moment.

    A folder that cannot be looked at never is what it was.
    """
    before = _look(folder)
    return lambda: before is not None and _look(folder) == before


def _look(folder: Path) -> _Look | None:
    """List the files by name, inode, size and time of the last change; None if they cannot be looked at."""
    try:
        looks = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
    except OSError:
        return None
    return [(name, look.st_ino, look.st_size, look.st_mtime_ns) for name, look in looks]
