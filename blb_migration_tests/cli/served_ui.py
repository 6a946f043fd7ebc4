"""The UI as the command opens it, on a free port, until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

_PROGRAM = "from blb_migration.cli.main import main; raise SystemExit(main())"


@contextlib.contextmanager
def serving_ui(
    *words: str, folder: Path | None = None, variables: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """Run the command in ``folder`` until it says how to end it; yield its process, output and port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-u", "-c", _PROGRAM, *words, "--port", str(port)],
        cwd=folder,
        env=os.environ | (variables or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            output = ""
            for line in process.stdout:
                output += line
                if "Ctrl-C" in line:
                    break
            yield process, output, port
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(90)
