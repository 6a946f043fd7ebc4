"""What the first command says while it installs: lines on stderr, one sentence when it cannot go on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn


class CannotInstallError(Exception):
    """The installation cannot go on; the text is the whole sentence, with the next act."""


def say(text: str) -> None:
    """Write one line to stderr; a terminal that cannot spell a path gets it escaped."""
    _write(f"blb-migrate: {text}\n")


def refuse(text: str) -> NoReturn:
    """Say why and end with exit code 2, bad usage or configuration."""
    say(text)
    sys.exit(2)


def follow_bytes(what: str, total: int) -> Callable[[int], None]:
    """Return what to call with the count of bytes that are there: in place on a terminal, else one line."""
    size = f"{total / 1e6:.0f} MB" if total else "size unknown"
    if not sys.stderr.isatty():
        say(f"{what} ({size})")
        return lambda count: None

    def show(count: int) -> None:
        _write(f"\rblb-migrate: {what}: {count / 1e6:.0f} of {size}" + ("\n" if count == total else ""))

    return show


def _write(text: str) -> None:
    encoding = sys.stderr.encoding or "ascii"
    sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stderr.flush()
