"""Files that may hold rows: their names, and that they are their owner's alone.

One that was there before and is open to others stays so.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from pathlib import Path
from typing import IO, Any

FILE_MODE = 0o600
FOLDER_MODE = 0o700
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


def make_private_folder(folder: Path) -> None:
    """Make the folder, and those above it that are missing, for its owner alone. Raises OSError."""
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        make_private_folder(folder.parent)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def open_private(path: Path, mode: str = "w", **options: Any) -> IO[Any]:
    """Open as ``open`` does; a file that is new is its owner's alone. Raises OSError."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, FILE_MODE), **options)


def is_full_disk(error: BaseException) -> bool:
    """Whether a file could not be written since its disk, or its owner's share of it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: one that was there is replaced, with its mode. Raises OSError.

    What is no file (a pipe, a device), and a file whose folder takes no other, is written to as it stands.
    """
    if path.exists() and (not path.is_file() or not os.access(path.resolve().parent, os.W_OK)):
        path.write_bytes(content)
        return
    path = path.resolve()  # of a link, the file behind it
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open_private(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            part.chmod(path.stat().st_mode)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def build_file_name(label: str) -> str:
    """Return the label, with a digest of it where a file system might not take it, or not tell it apart.

    Windows' does not know ``Orders`` from ``orders``.
    """
    safe = _UNSAFE.sub("_", label)
    if safe == label == label.lower() and len(label) <= 100:
        return label
    return f"{safe[:80]}_{hashlib.sha256(label.encode()).hexdigest()[:8]}"
