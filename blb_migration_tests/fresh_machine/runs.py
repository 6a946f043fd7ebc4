"""What is run on the fresh machine and on this one's Pythons, each line as the README prints it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from blb_migration.bootstrap.environment import find_base_python, find_python
from blb_migration.bootstrap.index import list_config_files, read_index_settings
from blb_migration.bootstrap.uv import build_uv_environment
from blb_migration_tests.fresh_machine.debian_root import enter

TOP = Path(__file__).resolve().parents[2]
BARE = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
ABSENT_IN_SLIM = ("libgssapi*", "libkrb5*", "libk5crypto*", "libcurl*", "libnsl*", "libtirpc*", "libltdl*")
FIRST = ["-m", "blb_migration", "demo"]
# The tests of the command and of the types, as the whole suite would run them: what bounds a duration needs a
# machine to itself, and stays with the suite.
_TESTS = ["blb_migration_tests/cli", "blb_migration_tests/types"]
SECOND = ["-m", "blb_migration_tests", "-q", "-m", "not alone", "-n", "2", "--dist", "loadfile", *_TESTS]
CLONE = "a clone für uns"
NEWCOMER = "newcomer:x:1000:1000::/nonexistent:/bin/sh"
STRANGER = 12345  # a user that /etc/passwd does not know, as containers run


class Runs:
    """Runs things one after the other, says what and how long, and keeps what failed."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def run(self, what: str, action: Callable[[], int]) -> None:
        """Run one thing; an exit code that is not 0 is a failure."""
        say(f"begins: {what}")
        began = time.monotonic()
        code = action()
        say(f"exit code {code} after {time.monotonic() - began:.0f} s: {what}")
        if code != 0:
            self.failures.append(what)


def say(text: str) -> None:
    """Print one line of this run, apart from what the commands print."""
    print(f"== fresh machine: {text}", flush=True)  # noqa: T201


def run_in_root(root: Path, runs: Runs) -> None:
    """Run both commands as root and as an ordinary user, the first as a user without a name too."""
    with (root / "etc/passwd").open("a", encoding="utf-8") as users:
        users.write(NEWCOMER + "\n")
    clone_into(root / "srv/root" / CLONE)
    clone_into(root / "srv/newcomer" / CLONE)
    subprocess.run(["chown", "-R", "1000:1000", str(root / "srv/newcomer")], check=True)
    before = read_state(root)
    for name, user in (("root", 0), ("newcomer", 1000)):
        folder = f"/srv/{name}/{CLONE}"
        for command in (FIRST, SECOND):
            python = ["python3", *command]
            runs.run(
                f"as {name}: {shlex.join(python)}",
                lambda user=user, folder=folder, python=python: enter(root, user, folder, python, BARE),  # type: ignore[misc]
            )
    # In root's clone, that this user may not write to, with the environment that root made.
    stranger = ["python3", *FIRST]
    runs.run(
        f"as user {STRANGER}, in root's clone: {shlex.join(stranger)}",
        lambda: enter(root, STRANGER, f"/srv/root/{CLONE}", stranger, BARE),
    )
    runs.run(
        "no user, folder mode, file or process was left behind", lambda: _compare(before, read_state(root))
    )


def read_state(root: Path) -> dict[str, object]:
    """Return what must be the same afterwards: users, modes on the way to both clones, homes, processes."""
    folders = [root, root / "srv", root / "srv/root", root / "srv/newcomer", root / "tmp", root / "root"]
    commands = [_read_command(entry) for entry in Path("/proc").glob("[0-9]*")]
    return {
        "users": (root / "etc/passwd").read_text(),
        "folder modes": {str(folder): oct(folder.stat().st_mode) for folder in folders},
        "homes": [name for name in ("nonexistent", "root/.cache") if (root / name).exists()],
        "temporary files": sorted(path.name for path in (root / "tmp").glob("blb-[!d]*")),
        # By the clones' folder in the root: this machine may run a PostgreSQL of its own.
        "processes": sorted(text for text in commands if "postgres" in text and "/srv/" in text),
    }


def _compare(before: Mapping[str, object], after: Mapping[str, object]) -> int:
    changed = [name for name in before if before[name] != after[name]]
    for name in changed:
        say(f"{name} were {before[name]!r}, and are {after[name]!r}")
    return int(bool(changed))


def run_slim_python(root: Path, runs: Runs) -> None:
    """Run the first command by Python 3.13 with no more shared libraries than ``python:3.13-slim`` has.

    No image can be fetched here. What the image has not (Kerberos, RPC, curl: they came with Debian's own
    Python and git) is taken away, and a 3.13 of this machine is copied in: the libraries that are left are
    those of Debian's base and of Python, as in the image. The image's own build of Python is not tried.
    """
    python = find_pythons().get("3.13")
    if python is None:
        say("DID NOT RUN with python:3.13-slim's set of libraries: there is no Python 3.13 here to copy")
        return
    prefix = Path(python).resolve().parents[1]
    unneeded = shutil.ignore_patterns("test", "idlelib", "*.a", "site-packages", "__pycache__")
    shutil.copytree(prefix / "lib", root / prefix.relative_to("/") / "lib", ignore=unneeded, symlinks=True)
    shutil.copytree(prefix / "bin", root / prefix.relative_to("/") / "bin", symlinks=True)
    for pattern in ABSENT_IN_SLIM:
        for library in (root / "usr/lib").glob(f"*/{pattern}.so*"):
            library.unlink()
    clone_into(root / "srv/slim" / CLONE)
    runs.run(
        "as root, Python 3.13 and a slim image's libraries: -m blb_migration demo",
        lambda: enter(root, 0, f"/srv/slim/{CLONE}", [str(Path(python).resolve()), *FIRST], BARE),
    )


def run_on_other_pythons(work: Path, runs: Runs) -> None:
    """Run the first command by every supported Python that this machine has, in a clone of its own.

    The last clone's wheel is then installed into an empty folder's new environment and run from there.
    """
    environ = pass_network_on() | {"PATH": "/usr/bin:/bin"}
    pythons = find_pythons()
    for version, python in pythons.items():
        clone = work / f"python {version}"
        clone_into(clone)
        runs.run(
            f"Python {version} ({python}): -m blb_migration demo",
            lambda clone=clone, python=python: _call([python, *FIRST], clone, environ),  # type: ignore[misc]
        )
        if version == list(pythons)[-1]:
            run_wheel(clone, work / "empty folder", runs, environ)
        shutil.rmtree(clone)


def run_wheel(clone: Path, folder: Path, runs: Runs, environ: Mapping[str, str]) -> None:
    """Build the clone's wheel, install it as a user does, and run its command where nothing else is."""
    folder.mkdir()
    python, uv = str(find_python(clone / ".venv")), str(clone / ".venv" / "bin" / "uv")
    told = build_uv_environment(environ, read_index_settings(environ, list_config_files(environ)))
    built = _call([python, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], clone, environ)
    wheels = [str(wheel) for wheel in folder.glob("*.whl")]
    install = [uv, "pip", "install", "--quiet", "--python", str(find_python(folder / "environment"))]
    install += ["--constraints", str(clone / "requirements.lock"), *(f"{wheel}[sandbox]" for wheel in wheels)]
    runs.run(
        "the wheel is built and installed into a new environment",
        lambda: (
            built
            or _call([uv, "venv", "--quiet", "--python", python, "environment"], folder, told)
            or _call(install, folder, told)
        ),
    )
    command = str(folder / "environment" / "bin" / "blb-migrate")
    runs.run(
        "from the wheel, in an empty folder: blb-migrate demo", lambda: _call([command, "demo"], folder, BARE)
    )


def find_pythons() -> dict[str, str]:
    """Return the supported Pythons of this machine that start, version to path."""
    found: dict[str, str] = {}
    names = [f"python3.{minor}" for minor in (11, 12, 13)]
    beside = Path(find_base_python()).resolve().parents[2]  # where a version manager keeps the others
    for name in names:
        places = [shutil.which(name), *map(str, sorted(beside.glob(f"*/bin/{name}")))]
        for place in filter(None, places):
            if subprocess.run([place, "-c", ""], capture_output=True, check=False).returncode == 0:
                found.setdefault(name.removeprefix("python"), place)
    return found


def clone_into(folder: Path) -> None:
    """Clone what is committed, without history's help: a newcomer has nothing else."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    command = ["git", "-c", "safe.directory=*", "clone", "--quiet", "--no-hardlinks", str(TOP), str(folder)]
    subprocess.run(command, check=True)


def pass_network_on() -> dict[str, str]:
    """Return the variables that say how this machine reaches its package index, and nothing else."""
    kept = ("PIP_", "UV_", "SSL_", "REQUESTS_", "CURL_", "HTTP_", "HTTPS_", "NO_PROXY", "ALL_", "HOME")
    return {name: text for name, text in os.environ.items() if name.upper().startswith(kept)}


def _call(command: list[str], folder: Path, environ: Mapping[str, str]) -> int:
    return subprocess.run(
        command, cwd=folder, env=dict(environ), stdin=subprocess.DEVNULL, check=False
    ).returncode


def _read_command(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""
