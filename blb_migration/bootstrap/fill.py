"""Fills an environment from the lock: by uv, on a machine that uv has no wheel for by pip."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from blb_migration.bootstrap import environment as folders
from blb_migration.bootstrap.index import NoSuchFileError, list_config_files, read_index_settings
from blb_migration.bootstrap.messages import CannotInstallError, say
from blb_migration.bootstrap.uv import build_uv_environment, fetch_uv, run_uv

NEEDED_BYTES = 1_100_000_000  # with what is unpacked beside it for a moment


def fill(environment: Path, clone: Path, lock_file: int) -> None:
    """Make the environment and install the lock's packages and the clone itself into it.

    Raises CannotInstallError with the whole sentence, OSError where the folder fails.
    """
    settings = read_index_settings(os.environ, list_config_files(os.environ))
    python = str(folders.find_python(environment))
    editable = ["--no-deps", "--no-build-isolation", "--editable", str(clone)]
    lock = clone / "requirements.lock"
    work = environment / "installing"
    work.mkdir()
    try:
        uv = fetch_uv(settings, lock, work)
    except NoSuchFileError as error:
        _fill_by_pip(environment, lock, editable, error)
        return
    say(f"installing what requirements.lock names into {environment}, once")
    told = build_uv_environment(os.environ, settings)
    if not _has_cache(uv, told):
        told["UV_CACHE_DIR"] = str(work / "cache")
    pip = ["pip", "install", "--python", python]
    for arguments in (
        [
            "venv",
            "--quiet",
            "--no-project",
            "--allow-existing",
            "--python",
            folders.find_base_python(),
            str(environment),
        ],
        [*pip, "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(lock)],
        [*pip, "--quiet", *editable],
    ):
        if (failure := run_uv(uv, arguments, told, lock_file)) is not None:
            raise CannotInstallError(_explain_folder(environment, failure))
    shutil.rmtree(work)


def _fill_by_pip(environment: Path, lock: Path, editable: list[str], reason: CannotInstallError) -> None:
    """Install by this Python's pip, on a machine that uv has no wheel for."""
    if importlib.util.find_spec("pip") is None or importlib.util.find_spec("venv") is None:
        raise CannotInstallError(f"{reason} With pip and the venv module this Python could do without uv.")
    import venv

    say("no uv for this machine; pip installs, which takes some minutes")
    venv.create(environment, symlinks=os.name != "nt")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(folders.find_python(environment)),
        "install",
        "--quiet",
    ]
    for arguments in (["--require-hashes", "-r", str(lock)], editable):
        if subprocess.run([*pip, *arguments], check=False).returncode != 0:
            raise CannotInstallError(_explain_folder(environment, "see above"))


def _has_cache(uv: Path, told: dict[str, str]) -> bool:
    """Whether uv's own cache can be written to; a home that is not there is not made for it."""
    if not {"UV_CACHE_DIR", "XDG_CACHE_HOME"} & told.keys() and not Path("~").expanduser().is_dir():
        return False
    answer = subprocess.run([str(uv), "cache", "dir"], env=told, capture_output=True, text=True, check=False)
    folder = Path(answer.stdout.strip() or "/nonexistent")
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    return False


def _explain_folder(environment: Path, failure: str) -> str:
    free = shutil.disk_usage(environment if environment.exists() else environment.parent).free
    if free < NEEDED_BYTES / 10:
        return (
            f"the disk of {environment} is full ({free / 1e6:.0f} MB left); the packages take"
            f" {NEEDED_BYTES / 1e9:.1f} GB."
        )
    return f"the packages could not be installed into {environment}: {failure}"
