"""Configuration files on disk: what would change in one, and its replacement as a whole or not at all.

The bytes that are not of a changed key stay: a byte order mark, line ends, an encoding that is not UTF-8.
What keys are is ``config_edits``'s.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from blb_migration.cutover.config_edits import edit_text, read_keys
from blb_migration.cutover.night_models import ConfigFile, guess_format
from blb_migration.cutover.step import StepFailed
from blb_migration.masking import MASK, is_secret_name
from blb_migration.retries import becomes_true

_MARK = b"\xef\xbb\xbf"
_PATIENCE_SECONDS = 5.0
_PAUSE_SECONDS = 0.2
_SHARING_VIOLATIONS = (5, 32, 33)  # of Windows: access denied, in use, locked


@dataclass(frozen=True)
class ConfigChange:
    """What is to become of one file: its bytes now and then, and which keys differ, secrets masked."""

    path: Path
    before: bytes = field(repr=False)
    after: bytes = field(repr=False)
    changes: Mapping[str, tuple[str | None, str]]

    @property
    def old_hash(self) -> str:
        """SHA-256 of the file as it is."""
        return hash_bytes(self.before)

    @property
    def new_hash(self) -> str:
        """SHA-256 of the file as it will be."""
        return hash_bytes(self.after)

    def describe(self) -> list[str]:
        """Say which keys change."""
        return [
            f"{self.path}: {key} = {'(not there)' if old is None else old} becomes {new}"
            for key, (old, new) in self.changes.items()
        ]


def hash_bytes(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def plan_change(file: ConfigFile, path: Path) -> ConfigChange:
    """Work out what is to become of the file at ``path``; writes nothing. Raises StepFailed."""
    path = resolve_file(path)
    content = read_bytes(path)
    if b"\0" in content:
        raise StepFailed(
            str(path),
            found="it is UTF-16, as PowerShell writes it, or no text at all",
            expected="a file that the application reads",
            next_act="Save it as UTF-8, and see that the application still starts with it",
        )
    kind = file.format or guess_format(file.file) or "env"
    head = _MARK if content.startswith(_MARK) else b""
    text = content[len(head) :].decode("utf-8", errors="surrogateescape")
    old = read_keys(text, kind, file.set, str(path))
    edited = edit_text(text, kind, file.set, str(path))
    changes = {
        key: (_mask(key, old[key]), _mask(key, value) or "")
        for key, value in file.set.items()
        if old[key] != value
    }
    return ConfigChange(path, content, head + edited.encode("utf-8", errors="surrogateescape"), changes)


def find_obstacle(path: Path) -> str | None:
    """Say what stands in the way of replacing the file, or None. Writes nothing."""
    try:
        facts = resolve_file(path).stat()
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    if not stat.S_ISREG(facts.st_mode):
        return f"{path} is no file"
    if not facts.st_mode & stat.S_IWRITE:
        return f"{path} is read-only"
    if facts.st_nlink > 1:
        return f"{path} has {facts.st_nlink} names (hard links), of which only this one would change"
    if not os.access(resolve_file(path).parent, os.W_OK | os.X_OK):
        return f"the folder of {path} may not be written to by this user"
    return None


def resolve_file(path: Path) -> Path:
    """Follow links, so that the file itself is replaced and not the link to it."""
    return path.resolve()


def read_bytes(path: Path) -> bytes:
    """Read a whole file. Raises StepFailed."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise StepFailed(
            str(path), found=f"cannot be read ({error.strerror})", next_act="Correct the path in cutover.yaml"
        ) from None


def replace_file(
    path: Path,
    content: bytes,
    *,
    like: Path,
    act: Callable[[str, Path], object] = os.replace,
    patience_seconds: float = _PATIENCE_SECONDS,
) -> None:
    """Put a file with ``content`` at ``path``, whole or not at all, with ``like``'s mode and owner.

    It is written beside it, forced to disk and renamed over it. On Windows somebody may have the file open:
    tried again for a while. Raises StepFailed, and then the file is as it was.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if like.exists():
            _copy_owner(like, Path(name))
        failures: list[OSError] = []
        becomes_true(
            lambda: _attempt(act, name, path, failures),
            within_seconds=patience_seconds,
            pause_seconds=_PAUSE_SECONDS,
        )
        if failures:
            raise failures[-1]
        _force_folder(path.parent)
    except OSError as error:
        in_use = getattr(error, "winerror", None) in _SHARING_VIOLATIONS
        raise StepFailed(
            str(path),
            found="another program has it open"
            if in_use
            else f"cannot be written ({error.strerror or error})",
            expected="a file that may be replaced",
            next_act="Close it there, then run again" if in_use else "Settle this, then run again",
        ) from None
    finally:
        with suppress(OSError):
            Path(name).unlink()


def _attempt(act: Callable[[str, Path], object], name: str, path: Path, failures: list[OSError]) -> bool:
    try:
        act(name, path)
    except OSError as error:
        failures.append(error)
        return getattr(error, "winerror", None) not in _SHARING_VIOLATIONS
    failures.clear()
    return True


def _copy_owner(like: Path, path: Path) -> None:
    facts = like.stat()
    shutil.copystat(like, path)
    if hasattr(os, "chown"):
        with suppress(OSError):  # without the right to give files away it stays the operator's
            os.chown(path, facts.st_uid, facts.st_gid)
    path.chmod(stat.S_IMODE(facts.st_mode))
    os.utime(path)


def _force_folder(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):  # Windows has no such thing, and needs none
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _mask(key: str, value: str | None) -> str | None:
    return MASK if value and is_secret_name(key) else value
