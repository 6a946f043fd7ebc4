"""The folder that holds the packages: which one it is, whether it is ours, and that one process fills it.

An environment of ours bears a stamp: what it was filled from, or that it is unfinished. A folder without
the stamp was made by somebody else and is neither changed nor removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import re
import shutil
import stat
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from blb_migration.bootstrap.messages import CannotInstallError, say

STAMP = ".installed-lock"
UNFINISHED = "unfinished"


def list_candidates(clone: Path, environ: Mapping[str, str]) -> list[Path]:
    """Return the folders that may hold the environment, the best first.

    Beside the code; under another name where a person made the first; in the user's cache where the
    clone may not be written to; in a temporary folder of the user's where there is no home either.
    """
    name = hashlib.sha256(os.fsencode(clone)).hexdigest()[:12]
    folders = [clone / ".venv", clone / ".venv-blb_migration"]
    if cache := _find_user_cache(environ):
        folders.append(cache / "blb_migration" / name)
    own = str(os.getuid()) if os.name == "posix" else "user"
    with contextlib.suppress(OSError):  # no folder for temporary files at all
        folders.append(Path(tempfile.gettempdir(), f"blb_migration-{own}", name))
    return folders


def is_ready(environment: Path, wanted: str) -> bool:
    """Whether it is ours and filled from what the lock names now."""
    return _read_stamp(environment) == wanted and find_python(environment).exists()


def is_ours(environment: Path) -> bool:
    """Whether it bears our stamp, or there is nothing there yet."""
    if not os.path.lexists(environment):
        return True
    return _read_stamp(environment) is not None or (environment.is_dir() and not any(environment.iterdir()))


def hash_sources(clone: Path, environment: Path) -> str:
    """Return what the stamp of a complete environment says: from which lock, for which Python, where."""
    content = hashlib.sha256(
        (clone / "requirements.lock").read_bytes() + (clone / "pyproject.toml").read_bytes()
    )
    content.update(
        os.fsencode(environment)
    )  # scripts name their folder: a clone that was moved is filled anew
    return f"{content.hexdigest()} {sys.version_info.major}.{sys.version_info.minor}"


def find_python(environment: Path) -> Path:
    """Return the environment's Python, there or not."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def find_base_python() -> str:
    """Return the Python that every environment is made from, also when this one runs in an environment."""
    return getattr(sys, "_base_executable", None) or sys.executable


def is_complete_elsewhere(clone: Path, extras: tuple[str, ...]) -> bool:
    """Whether the running Python has every package already: an environment that somebody made for this."""
    project = tomllib.loads((clone / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"]]
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    names = (match[0] for line in wanted if (match := re.match(r"[\w.-]+", line)))
    try:
        return all(importlib.metadata.version(name) for name in names)
    except importlib.metadata.PackageNotFoundError:
        return False


def choose_environment(candidates: list[Path], clone: Path) -> Path:
    """Return the first folder that is ours to fill and can be written to, and say so if it is not the first.

    Raises CannotInstallError when there is none.
    """
    reasons = []
    for candidate in candidates:
        if not is_ours(candidate):
            reasons.append(f"{candidate} was not made by this command and stays as it is")
        elif (reason := _why_unwritable(candidate)) is not None:
            reasons.append(reason)
        else:
            if reasons:
                say(f"{'; '.join(reasons)}: the packages go to {candidate}")
            return candidate
    raise CannotInstallError(
        f"there is no folder for the packages: {'; '.join(reasons)}. Make {clone} writable."
    )


def begin(environment: Path) -> None:
    """Mark as unfinished, then empty: killed anywhere, the next run finds our stamp or an empty folder."""
    environment.mkdir(parents=True, exist_ok=True)
    (environment / STAMP).write_text(UNFINISHED, encoding="utf-8")
    for entry in environment.iterdir():
        if entry.name == STAMP:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


@contextlib.contextmanager
def locked(environment: Path) -> Iterator[int]:
    """Hold the only right to fill it, as an open file's number; waits for another process that has it."""
    path = environment.with_name(environment.name + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        if not _try_lock(file.fileno()):
            say(f"another first run is filling {environment}; waiting for it")
            while not _try_lock(file.fileno()):
                time.sleep(0.2)
        yield file.fileno()


def _try_lock(number: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True  # a file system without locks: two first runs at once are the rarer evil
    return True


def _read_stamp(environment: Path) -> str | None:
    try:
        return (environment / STAMP).read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return None


def _why_unwritable(environment: Path) -> str | None:
    """Try it: a mode, an owner or a mount may forbid it. What is made stays for the installation."""
    parent = environment.parent
    try:
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if parent.name.startswith("blb_migration-") and not _is_private(parent):
            return f"{parent} belongs to somebody else"
        with tempfile.TemporaryFile(dir=environment if environment.is_dir() else parent):
            return None
    except OSError as error:
        return f"{environment} cannot be made ({error.strerror})"


def _is_private(folder: Path) -> bool:
    """Whether nobody else can put packages there: a known name in a folder that all may write to."""
    if os.name != "posix":
        return True
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def _find_user_cache(environ: Mapping[str, str]) -> Path | None:
    if os.name == "nt":
        return Path(environ["LOCALAPPDATA"]) if "LOCALAPPDATA" in environ else None
    if environ.get("XDG_CACHE_HOME", "").startswith("/"):
        return Path(environ["XDG_CACHE_HOME"])
    home = Path("~").expanduser() if environ.get("HOME", "/").startswith("/") else Path("~")
    if not home.is_absolute() or not home.is_dir():
        return None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache")
