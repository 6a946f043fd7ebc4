"""stdout and stderr that outlive their reader: ``blb-migrate | head`` does not end a run.

Once one of them cannot be written (a closed pipe or terminal, a full disk), what is written to it goes
nowhere, and the command goes on; whoever ends it says so on the other one.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO


class _LastingFile(io.FileIO):
    """A descriptor that takes everything, written or not."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.failure: str | None = None

    def write(self, data: Any) -> int:
        if self.failure is None:
            try:
                return super().write(data)
            except OSError as error:
                self.failure = error.strerror or type(error).__name__
        return memoryview(data).nbytes


@contextmanager
def lasting_streams() -> Iterator[None]:
    """Within the block, writing to stdout and stderr raises nothing."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _make_lasting(sys.stdout), _make_lasting(sys.stderr)
    mine = sys.stdout, sys.stderr
    try:
        yield
    finally:
        for stream in mine:
            stream.flush()
        sys.stdout, sys.stderr = before


def find_stdout_failure() -> str | None:
    """Return why stdout is not written any more, or None while it is."""
    sys.stdout.flush()
    raw = _find_raw(sys.stdout)
    return raw.failure if isinstance(raw, _LastingFile) else None


def _find_raw(stream: TextIO) -> Any:
    """Return what writes to the descriptor, below a buffer or, under ``python -u``, without one."""
    buffer = getattr(stream, "buffer", None)
    return getattr(buffer, "raw", buffer)


def _make_lasting(stream: TextIO | None) -> TextIO:
    """Return a stream on the same descriptor; one that is none (a test's, a Windows console) as it is."""
    if stream is None:  # closed by whoever started the command
        return Path(os.devnull).open("w", encoding="utf-8")
    raw = _find_raw(stream)
    if type(raw) is not io.FileIO or not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    lasting = _LastingFile(raw.fileno())
    return io.TextIOWrapper(
        lasting if stream.buffer is raw else io.BufferedWriter(lasting),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
