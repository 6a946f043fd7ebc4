"""What ``python -m blb_migration`` does first: nothing where the packages are, else fill an environment.

Then the command starts anew in that environment's Python, and this process is it.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

from blb_migration.bootstrap import environment as folders
from blb_migration.bootstrap.messages import CannotInstallError, refuse, say
from blb_migration.missing_libraries import build_install_advice, name_library

CLONE = Path(__file__).resolve().parent.parent.parent
LOCK = CLONE / "requirements.lock"
# What a Python built by hand may lack, and the Debian package that its build asks for.
NEEDED_MODULES = {
    "_ssl": "libssl-dev",
    "_sqlite3": "libsqlite3-dev",
    "_ctypes": "libffi-dev",
    "zlib": "zlib1g-dev",
}


def ensure_installed(module: str, arguments: list[str]) -> None:
    """Return when every package is there; else install them and start ``python -m module`` anew.

    In the second case the process ends here, with the exit code of the command in its environment.
    Exits with code 2 and one sentence when this Python, machine or network cannot do it.
    """
    if not LOCK.exists():
        return  # an installed package has no lock beside it; pip has seen to its dependencies
    candidates = folders.list_candidates(CLONE, os.environ)
    prefix = Path(sys.prefix)
    if prefix in candidates and folders.is_ready(prefix, folders.hash_sources(CLONE, prefix)):
        return
    extras = ("sandbox", "dev") if module.endswith("_tests") else ("sandbox",) if "demo" in arguments else ()
    if not folders.is_ours(prefix) and folders.is_complete_elsewhere(CLONE, extras):
        return
    try:
        ready = _find_ready(candidates) or _install(candidates)
    except CannotInstallError as error:
        refuse(str(error))
    except KeyboardInterrupt:
        say("interrupted; the next run begins the installation anew")
        sys.exit(130)
    command = [str(folders.find_python(ready)), "-m", module, *arguments]
    if os.name == "posix":
        os.execv(command[0], command)
    sys.exit(subprocess.run(command, check=False).returncode)


def _find_ready(candidates: list[Path]) -> Path | None:
    ready = (each for each in candidates if folders.is_ready(each, folders.hash_sources(CLONE, each)))
    return next(ready, None)


def _install(candidates: list[Path]) -> Path:
    _refuse_missing_modules()
    from blb_migration.bootstrap.fill import fill  # only now: a Python without ssl cannot even import it

    environment = folders.choose_environment(candidates, CLONE)
    wanted = folders.hash_sources(CLONE, environment)
    try:
        with folders.locked(environment) as lock_file:
            if not folders.is_ready(environment, wanted):  # else the other first run has done it meanwhile
                folders.begin(environment)
                fill(environment, CLONE, lock_file)
                (environment / folders.STAMP).write_text(wanted, encoding="utf-8")
    except OSError as error:
        raise CannotInstallError(
            f"the packages could not be installed into {environment}: {error}"
        ) from error
    return environment


def _refuse_missing_modules() -> None:
    missing, unloadable = {}, []
    for name, package in NEEDED_MODULES.items():
        try:
            importlib.import_module(name)
        except ImportError as error:
            if library := name_library(str(error)):
                unloadable.append(library)
            else:
                missing[name.lstrip("_")] = package
    if unloadable:
        raise CannotInstallError(
            f"the Python {sys.executable} needs {', '.join(unloadable)}, which this machine cannot load."
            f" {build_install_advice(unloadable)}."
        )
    if missing:
        raise CannotInstallError(
            f"the Python {sys.executable} was built without {', '.join(missing)}; take your system's Python,"
            f" or build it again with {', '.join(missing.values())} installed."
        )
