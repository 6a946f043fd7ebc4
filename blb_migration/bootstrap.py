"""From a bare clone to a working installation: one virtual environment, filled from the lock.

Standard library only, since it runs before anything is installed. In an installation that is complete
it does nothing. The environment is ``.venv`` in the clone; a change of the lock refills it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent
LOCK = CLONE / "requirements.lock"
ENVIRONMENT = CLONE / ".venv"
_STAMP = ENVIRONMENT / ".installed-lock"
_MINIMUM, _BELOW = (3, 11), (3, 14)


def ensure_installed(module: str, arguments: list[str]) -> None:
    """Return when every locked package can be imported; else install them and start ``module`` anew.

    In the second case the process ends here, with the exit code of ``python -m module *arguments`` in
    the clone's own environment. Exits with code 2 when this Python or machine cannot do it.
    """
    if not LOCK.exists() or _is_environment_ready(Path(sys.prefix)):
        return  # an installed package has no lock beside it; pip has seen to its dependencies
    if Path(sys.prefix) == ENVIRONMENT:
        # The lock has changed, and only a Python outside can refill this environment.
        python = str(sys._base_executable)  # type: ignore[attr-defined]
    else:
        if not _is_environment_ready(ENVIRONMENT):
            _install()
        python = str(_find_python(ENVIRONMENT))
    command = [python, "-m", module, *arguments]
    if os.name == "posix":
        os.execv(command[0], command)
    sys.exit(subprocess.run(command, check=False).returncode)


def _is_environment_ready(prefix: Path) -> bool:
    if prefix == ENVIRONMENT:
        return _STAMP.exists() and _STAMP.read_text(encoding="utf-8") == _hash_lock()
    # Somebody else's environment: theirs to keep complete; one look says whether it was meant for this.
    return importlib.util.find_spec("dagster") is not None and importlib.util.find_spec("pgpq") is not None


def _hash_lock() -> str:
    content = LOCK.read_bytes() + (CLONE / "pyproject.toml").read_bytes()
    return hashlib.sha256(content).hexdigest() + f" {sys.version_info.major}.{sys.version_info.minor}"


def _find_python(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _install() -> None:
    if not _MINIMUM <= sys.version_info[:2] < _BELOW:
        found = ".".join(map(str, sys.version_info[:3]))
        _refuse(f"this is Python {found}; Python 3.11, 3.12 or 3.13 is needed. Start the command with it.")
    print(f"blb-migrate: installing what requirements.lock names into {ENVIRONMENT} (once)", file=sys.stderr)  # noqa: T201
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    has_pip = importlib.util.find_spec("ensurepip") is not None
    venv.create(ENVIRONMENT, with_pip=has_pip, symlinks=os.name != "nt")
    python = str(_find_python(ENVIRONMENT))
    # Debian splits ensurepip off into python3-venv; the outer Python's pip fills the environment as well.
    pip = [python, "-m", "pip"] if has_pip else [sys.executable, "-m", "pip", "--python", python]
    if not has_pip and importlib.util.find_spec("pip") is None:
        _refuse(
            "this Python has neither pip nor ensurepip. On Debian and Ubuntu: apt-get install python3-venv."
        )
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    uv_requirement = ENVIRONMENT / "uv.lock.txt"
    uv_requirement.write_text(_extract_requirement("uv"), encoding="utf-8")
    # uv installs the whole lock in seconds; where it has no wheel or gets no answer, pip does in a minute.
    uv = [python, "-m", "uv", "pip", "install", "--quiet", "--system-certs", "--python", python]
    got_uv = _succeeds([*pip, "install", *quiet, "--require-hashes", "-r", str(uv_requirement)])
    packages = ["--require-hashes", "-r", str(LOCK)]
    if not (got_uv and _succeeds([*uv, *packages])) and not _succeeds([*pip, "install", *quiet, *packages]):
        _refuse(
            "the installation failed, see above. Is the package index reachable, or pip configured for yours?"
        )
    clone = ["--no-deps", "--no-build-isolation", "--editable", str(CLONE)]
    if not _succeeds([*pip, "install", *quiet, *clone]):
        _refuse(f"{CLONE} could not be installed into {ENVIRONMENT}, see above.")
    _STAMP.write_text(_hash_lock(), encoding="utf-8")


def _extract_requirement(package: str) -> str:
    """The lock's lines of one package: its pin and its hashes."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(f"{package}=="))
    end = start
    while lines[end].rstrip().endswith("\\"):
        end += 1
    return "\n".join(lines[start : end + 1]) + "\n"


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, check=False).returncode == 0


def _refuse(message: str) -> None:
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    print(f"blb-migrate: {message}", file=sys.stderr)  # noqa: T201
    sys.exit(2)
