"""A step in a thread of its own, which can be asked to stop as Dagster asks the main thread.

Dagster interrupts a step by a signal, which Python delivers to the main thread alone, and only while the
step's own code is running. ``StepThread.interrupt`` does the same to another thread: what it raises there
arrives between two instructions of Python, and only within ``interruptible``. A statement that the target
is busy with is cancelled as well (``cancel_on_interrupt``), since waiting for it is no instruction.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dagster import DagsterExecutionInterruptedError

Cancel = Callable[[], None]


class StepThread(threading.Thread):
    """Runs ``work``, which must end soon after DagsterExecutionInterruptedError was raised in it."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._lock = threading.RLock()
        self._is_open = False
        self._is_asked = False
        self._cancels: list[Cancel] = []

    def run(self) -> None:
        """Do the work."""
        self._work()

    def interrupt(self) -> None:
        """Ask the step to stop; at once if its own code is running, else as soon as that begins."""
        with self._lock:
            self._is_asked = True
            if self._is_open:
                self._raise_soon(DagsterExecutionInterruptedError)
            cancels = list(self._cancels)
        for cancel in cancels:
            cancel()

    def open(self) -> None:
        """From now on it may be interrupted; raises what it was asked for before."""
        with self._lock:
            if self._is_asked:
                raise DagsterExecutionInterruptedError
            self._is_open = True

    def close(self) -> None:
        """From now on it may not."""
        with self._lock:
            self._is_open = False
            self._raise_soon(None)

    def add_cancel(self, cancel: Cancel) -> None:
        """Have ``cancel`` called when the step is interrupted; it must not wait long."""
        with self._lock:
            self._cancels.append(cancel)

    def _raise_soon(self, error: type[BaseException] | None) -> None:
        if self.ident is not None:
            argument = None if error is None else ctypes.py_object(error)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident), argument)


@contextmanager
def interruptible() -> Iterator[None]:
    """The block is a step's own code. On the main thread Dagster itself sees to its interruption."""
    thread = threading.current_thread()
    if not isinstance(thread, StepThread):
        yield
        return
    thread.open()
    try:
        yield
    finally:
        thread.close()


def cancel_on_interrupt(cancel: Cancel) -> None:
    """Have ``cancel`` called, from another thread, when the step that this thread works on is interrupted."""
    thread = threading.current_thread()
    if isinstance(thread, StepThread):
        thread.add_cancel(cancel)
