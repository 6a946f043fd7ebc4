"""Processes whose loader cannot use certain libraries: a broken file stands first in its path. No root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LTDL, SSL, GSSAPI = "libltdl.so.7", "libssl.so.3", "libgssapi_krb5.so.2"


def run_without(
    folder: Path, libraries: tuple[str, ...], arguments: list[str], **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run Python with ``arguments`` where none of ``libraries`` can be loaded; ``variables`` are added."""
    for library in libraries:
        (folder / library).write_text("broken")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BLB_", "MSSQL_"))}
    paths = [str(folder), *filter(None, [kept.get("LD_LIBRARY_PATH")])]
    return subprocess.run(
        [sys.executable, *arguments],
        env=kept | {"LD_LIBRARY_PATH": os.pathsep.join(paths)} | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
