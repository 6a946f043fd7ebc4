"""Runs the operator's commands: arguments without a shell, a time limit, output kept, exit code checked.

A command that does not end in time is ended with all its children.
"""

from __future__ import annotations

import codecs
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from blb_migration.cutover.night_models import CommandLine
from blb_migration.errors import MigrationError
from blb_migration.processes import wait_for_ends
from blb_migration.shells import join

_OUTPUT_KEPT = 20_000  # characters; a migration tool's log is longer than anybody reads
_GRACE_SECONDS = 3.0
_LEGACY = "oem" if sys.platform == "win32" else "latin-1"  # a console program's code page on Windows


@dataclass(frozen=True)
class CommandOutcome:
    """What a command said and how it ended. ``output`` is both streams, secrets masked."""

    shown: str
    exit_code: int
    output: str
    seconds: float

    @property
    def last_words(self) -> str:
        """Return the end of what it said, on one line."""
        words = " ".join(self.output.split())
        return words[-300:]


class CommandFailed(MigrationError):
    """A command of the operator's did not start, did not end in time, or ended with another exit code."""


def run_command(command: CommandLine, mask: Callable[[str], str], about: str, folder: Path) -> CommandOutcome:
    """Run it and wait for its end. Raises CommandFailed.

    ``folder`` is where it runs when it names none. Its output goes to a file and not through pipes: what a
    command starts and leaves running, a service, may keep a pipe open for ever.
    """
    shown = mask(show_command(command))
    begun = time.monotonic()
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                command.run,
                shell=command.shell,
                cwd=command.folder or folder,
                env={**os.environ, **command.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=platform.system() != "Windows",
            )
        except OSError as error:
            raise CommandFailed(
                about,
                found=f"{shown} cannot be started ({error.strerror or error})",
                expected="a program that is installed, and a folder that exists",
                next_act="Correct the command in cutover.yaml",
            ) from None
        try:
            exit_code = process.wait(timeout=command.within_seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            raise CommandFailed(
                about,
                found=f"{shown} did not end within {command.within_seconds:g} s and was ended; "
                f"it said: {_read(output, mask)[-300:] or 'nothing'}",
                expected="a command that ends by itself",
                next_act="Run it by hand to see why, or give it more time: within_seconds",
            ) from None
        except BaseException:
            _end(process)
            raise
        outcome = CommandOutcome(shown, exit_code, _read(output, mask), time.monotonic() - begun)
    if exit_code not in command.success:
        raise CommandFailed(
            about,
            found=f"{shown} ended with exit code {exit_code}: {outcome.last_words or 'it said nothing'}",
            expected=f"exit code {' or '.join(map(str, command.success))}",
            next_act="Settle what it says, or correct the command in cutover.yaml",
        )
    return outcome


def show_command(command: CommandLine) -> str:
    """Write a command as a person would type it."""
    return command.run if isinstance(command.run, str) else join(command.run)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that this module started, and the children it still has."""
    children: list[psutil.Process] = []
    with suppress(psutil.Error):
        children = psutil.Process(process.pid).children(recursive=True)
    for one in (process, *children):
        with suppress(OSError, psutil.Error):
            one.terminate()
    for child in wait_for_ends(children, _GRACE_SECONDS):
        with suppress(psutil.Error):
            child.kill()
    try:
        process.wait(timeout=_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill() if platform.system() == "Windows" else process.send_signal(signal.SIGKILL)
        process.wait()


def decode_output(content: bytes, legacy: str = _LEGACY) -> str:
    """Decode what a command has written: UTF-8; NSSM's UTF-16; or ``legacy``, as ``sc.exe`` writes."""
    if b"\0" in content[:2] or content.startswith(codecs.BOM_UTF16_LE):
        return content.decode("utf-16-le", errors="replace").removeprefix("\ufeff")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode(legacy, errors="replace")


def _read(output: object, mask: Callable[[str], str]) -> str:
    output.seek(0)  # type: ignore[attr-defined]
    content: bytes = output.read()  # type: ignore[attr-defined]
    return mask(decode_output(content))[-_OUTPUT_KEPT:]
