"""Folders that change their names: on one volume only, never copied, and taken back from wherever it stands.

Which renames there are is worked out on pure paths, for both systems' rules; ``rename_folder`` is the one
place that does it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath, PureWindowsPath

import psutil

from blb_migration.cutover.step import StepFailed
from blb_migration.retries import becomes_true

_SHARING_VIOLATIONS = (5, 32, 33)  # ERROR_ACCESS_DENIED, _SHARING_VIOLATION, _LOCK_VIOLATION
_JUNCTION = 0xA0000003  # IO_REPARSE_TAG_MOUNT_POINT
_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.25
_NAMED = 5
_NOT_IN_WINDOWS_NAMES = re.compile(r'[<>:"|?*\x00-\x1f]|[. ]$')


@dataclass(frozen=True)
class Rename:
    """One folder's old and new place, both in folders that stay."""

    source: PurePath
    target: PurePath

    def __str__(self) -> str:
        return f"{self.source} becomes {self.target}"

    @property
    def back(self) -> Rename:
        """The same the other way round."""
        return Rename(self.target, self.source)


def plan_renames(production: PurePath, new: PurePath, kept_as: str, moment: str) -> tuple[Rename, Rename]:
    """Return the two renames of a switch, in their order: production away, the new one in its place.

    ``kept_as`` is a name, with ``{name}`` and ``{time}``. Raises StepFailed for one that leads elsewhere, and
    where one folder is within the other.
    """
    name = kept_as.replace("{name}", production.name).replace("{time}", moment)
    kept = production.parent / name
    if type(production)(name).name != name or kept.parent != production.parent:
        raise StepFailed(
            f"switch.kept_as {kept_as}",
            found="it leads into another folder",
            expected="a name without a path, so that the rename stays on the volume",
            next_act="Correct it in cutover.yaml",
        )
    if isinstance(production, PureWindowsPath) and (
        _NOT_IN_WINDOWS_NAMES.search(name) or PureWindowsPath(name).is_reserved()
    ):
        raise StepFailed(
            f"switch.kept_as {kept_as}",
            found=f"{name} is no name for a folder of Windows",
            expected="a name without < > : \" | ? *, with no dot or space at its end, and no device's",
            next_act="Correct it in cutover.yaml",
        )
    if production == new or production in new.parents or new in production.parents:
        raise StepFailed(
            f"folders {production} and {new}",
            found="one is the other, or is within it",
            expected="two folders beside each other",
            next_act="Correct switch.production and switch.new in cutover.yaml",
        )
    return Rename(production, kept), Rename(new, production)


def is_link(folder: Path, read: Callable[[Path], os.stat_result] = os.lstat) -> bool:
    """Whether a folder that exists is a link to another: a symbolic one, or Windows' junction, which Python
    calls a folder.
    """
    facts = read(folder)
    return stat.S_ISLNK(facts.st_mode) or getattr(facts, "st_reparse_tag", 0) == _JUNCTION


def is_same_volume(one: Path, other: Path) -> bool:
    """Whether a rename between these two existing folders stays on one volume."""
    return one.stat().st_dev == other.stat().st_dev


def find_holders(folder: Path) -> list[str]:
    """Find processes that work in the folder or have a file of it open, as far as this user may see them."""
    return [
        described for described in (_describe_hold(one, folder) for one in psutil.process_iter()) if described
    ][:_NAMED]


def is_within(path: PurePath, folder: PurePath) -> bool:
    """Whether a path is the folder or leads into it, by its own system's rules: Windows knows no case."""
    return path.is_relative_to(folder)


def carry_over(path: PurePath, rename: Rename) -> PurePath:
    """Return where a path leads after the rename: the same where it does not lead into the folder."""
    if not is_within(path, rename.source):
        return path
    return rename.target / path.relative_to(rename.source)


def _describe_hold(process: psutil.Process, folder: Path) -> str | None:
    place = folder.resolve()
    with suppress(psutil.Error, OSError):
        inside = [path for path in _list_paths(process) if is_within(PurePath(path), place)]
        if inside:
            return f"{process.name()} (process {process.pid}) is in {inside[0]}"
    return None


def _list_paths(process: psutil.Process) -> Iterator[str]:
    with suppress(psutil.AccessDenied):
        yield process.cwd()
    with suppress(psutil.AccessDenied):
        yield from (file.path for file in process.open_files())


def rename_folder(
    rename: Rename,
    *,
    act: Callable[[PurePath, PurePath], object] = os.rename,
    exists: Callable[[PurePath], bool] = lambda path: Path(path).exists(),
    find: Callable[[PurePath], list[str]] = lambda path: find_holders(Path(path)),
    patience_seconds: float = _PATIENCE_SECONDS,
) -> bool:
    """Rename; False where it was done already. Raises StepFailed, and then nothing was renamed.

    A sharing violation (Windows: somebody has a file of the folder open) is tried again for a while, then
    explained with who it is. Another volume is refused by the system's own rename: nothing is ever copied.
    """
    if not exists(rename.source) and exists(rename.target):
        return False
    if not exists(rename.source):
        raise StepFailed(
            f"folder {rename.source}", found="it is not there", next_act="See where it went, then run again"
        )
    if exists(rename.target):
        raise StepFailed(
            f"folder {rename.target}",
            found=f"the name is taken, so that {rename.source} cannot be renamed to it",
            next_act="Move what is there away, then run again",
        )
    failures: list[OSError] = []

    def attempt() -> bool:
        try:
            act(rename.source, rename.target)
        except OSError as error:
            failures.append(error)
            return not _is_worth_a_retry(error)  # what waiting cannot mend ends the waiting
        failures.clear()
        return True

    becomes_true(attempt, within_seconds=patience_seconds, pause_seconds=_PAUSE_SECONDS)
    if not failures:
        return True
    raise _explain(rename, failures[-1], find)


def _is_worth_a_retry(error: OSError) -> bool:
    return getattr(error, "winerror", None) in _SHARING_VIOLATIONS


def _explain(rename: Rename, error: OSError, find: Callable[[PurePath], list[str]]) -> StepFailed:
    if _is_worth_a_retry(error):
        holders = find(rename.source)
        return StepFailed(
            f"folder {rename.source}",
            found=f"it is in use: {'; '.join(holders) or 'by a program that this user may not see'}",
            expected="no program with a file of it open, and no shell or Explorer window in it",
            next_act="Close it (Resource Monitor or handle.exe finds it), then run again",
        )
    if error.errno == errno.EXDEV or getattr(error, "winerror", None) == 17:
        return StepFailed(
            f"folder {rename.source}",
            found=f"{rename.target} is on another volume, and nothing is copied",
            expected="both folders on one volume",
            next_act="Put the new folder onto production's volume before the night",
        )
    rights = (
        " (the user needs the right to rename in both parent folders)" if error.errno == errno.EACCES else ""
    )
    return StepFailed(
        f"folder {rename.source}",
        found=f"it cannot be renamed to {rename.target}: {error.strerror or error}{rights}",
        next_act="Settle this, then run again",
    )
