"""Signals that ask the command to end: which one came first, its exit code, and what a second one means.

Dagster, too, replaces handlers while a run lasts, and does not say which signal it heard. So numbers are read
from Python's wake-up descriptor, whoever handles them. The first signal breaks off what is running, and then
the foreign keys are put back; a second one, a second later or more, breaks that off as well.
"""

from __future__ import annotations

import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from blb_migration.cancellation import Cancellation
from blb_migration.errors import ExitCode

# A closed terminal's SIGHUP comes from the kernel and from the shell, and an impatient person's hand twice.
_ONE_REQUEST_SECONDS = 1.0
_BREAK_OFF_EVERY_SECONDS = 0.3
_EXIT_CODES = {"SIGINT": ExitCode.INTERRUPTED, "SIGTERM": ExitCode.TERMINATED, "SIGHUP": ExitCode.HUNG_UP}
# Windows has SIGBREAK for Ctrl-Break and, shortly before it ends the process, for a closed console.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


class HeardSignals:
    """What was heard so far; ``giving_up`` is asked for by the second signal. Thread-safe."""

    def __init__(self) -> None:
        self.giving_up = Cancellation()
        self._reader, self.writer = socket.socketpair()
        self._reader.setblocking(False)
        self.writer.setblocking(False)
        self._lock = threading.Lock()
        self._first: signal.Signals | None = None
        self._first_at = 0.0
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="blb-signals", daemon=True)
        self._thread.start()

    @property
    def first(self) -> signal.Signals | None:
        """The signal that came first, or None."""
        self._read()
        return self._first

    def close(self) -> None:
        """Listen no longer."""
        self._has_ended.set()
        self.writer.close()
        self._thread.join()
        self._reader.close()

    def _listen(self) -> None:
        while not self._has_ended.is_set():
            select.select(
                [self._reader], [], [], _BREAK_OFF_EVERY_SECONDS if self.giving_up.is_asked else None
            )
            self._read()
            if self.giving_up.is_asked:
                self.giving_up.break_off()

    def _read(self) -> None:
        with self._lock:
            try:
                numbers = self._reader.recv(64)
            except OSError:  # nothing to read, or closed
                return
            for number in numbers:
                if number not in {getattr(signal, name, None) for name in _NAMES}:
                    continue
                if self._first is None:
                    self._first, self._first_at = signal.Signals(number), time.monotonic()
                elif time.monotonic() - self._first_at >= _ONE_REQUEST_SECONDS:
                    self.giving_up.ask()


_heard: list[HeardSignals] = []


@contextmanager
def heeding_signals() -> Iterator[None]:
    """Within the block, each of these signals is a KeyboardInterrupt, and is remembered.

    One that is ignored stays so: nohup does that to SIGHUP, a shell's background job to SIGINT. Does nothing
    outside the main thread, or within another such block.
    """
    if _heard or threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = HeardSignals()
    _heard.append(heard)
    wakeup_before = signal.set_wakeup_fd(heard.writer.fileno(), warn_on_full_buffer=False)
    known = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in known}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        _heard.remove(heard)
        heard.close()


@contextmanager
def keeping_handlers() -> Iterator[None]:
    """Have the handlers after the block that were there before it.

    Dagster ends a run by giving SIGTERM the handler of SIGINT. Where a shell had SIGINT ignored, this command
    would be deaf to SIGTERM from then on, and so would every service that it starts.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for name in _NAMES if (number := getattr(signal, name, None))}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    """Do what SIGINT does at this moment: Dagster has its own ways while a run lasts."""
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(signal.SIGINT, frame)
    else:
        raise KeyboardInterrupt


def name_first_signal() -> str | None:
    """Return the name of the signal that came first, such as SIGTERM, or None."""
    first = _heard[0].first if _heard else None
    return None if first is None else first.name


def find_exit_code() -> ExitCode:
    """Return the exit code that belongs to the signal that came first; that of SIGINT without any."""
    return _EXIT_CODES.get(name_first_signal() or "SIGINT", ExitCode.INTERRUPTED)


def find_giving_up() -> Cancellation:
    """Return what a second signal asks for; outside of ``heeding_signals``, one that nobody asks for."""
    return _heard[0].giving_up if _heard else Cancellation()
