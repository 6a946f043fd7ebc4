"""``.ci/fresh-machine``: exit code 0 when all is well, and when this machine cannot make another one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from blb_migration_tests.fresh_machine.debian_root import (
    ISOLATED,
    CannotMakeError,
    make_root,
    mount_kernel_folders,
    mount_memory,
    refuse_unable_machine,
)
from blb_migration_tests.fresh_machine.runs import (
    Runs,
    run_in_root,
    run_on_other_pythons,
    run_slim_python,
    say,
)

SUITE = "bookworm"


def main() -> int:
    """Run everything, the fresh machine first; the folder of it all is removed whatever happens."""
    work = Path(tempfile.mkdtemp(prefix="blb-fresh-machine-"))
    work.chmod(0o755)  # its ordinary users must get in
    runs = Runs()
    try:
        try:
            refuse_unable_machine()
        except CannotMakeError as error:
            say(f"DID NOT RUN in a fresh root: {error}")
        else:
            again = [*ISOLATED, sys.executable, "-m", __package__ or "", str(work)]
            runs.run("everything in a fresh root", lambda: subprocess.run(again, check=False).returncode)
        run_on_other_pythons(work, runs)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return _sum_up(runs)


def run_inside(work: Path) -> int:
    """Run the part that has mounts and processes of its own."""
    runs = Runs()
    mount_memory(work)
    say(f"making a minimal Debian {SUITE} in {work}")
    try:
        root = make_root(work, SUITE)
    except CannotMakeError as error:
        say(f"DID NOT RUN in a fresh root: {error}")
        return 0
    mount_kernel_folders(root)
    run_in_root(root, runs)
    run_slim_python(root, runs)
    return _sum_up(runs)


def _sum_up(runs: Runs) -> int:
    for what in runs.failures:
        say(f"FAILED: {what}")
    return int(bool(runs.failures))


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(run_inside(Path(sys.argv[1])) if sys.argv[1:] else main())
