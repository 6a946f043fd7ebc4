"""Which foreign key is being validated, said while that lasts: of a large table it takes minutes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from blb_migration.postgres.dropping.foreign_key_drops import KeyBegun
from blb_migration.progress.rates import LogPace

FIRST_LINE_SECONDS = 4.0  # nothing lasts longer than five seconds without a line
_LOOK_EVERY_SECONDS = 0.5


class KeyWatch:
    """Within its block, ``say`` hears of each key that lasts: after seconds, then ever more rarely."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._begun: KeyBegun | None = None
        self._pace = self._build_pace()
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="blb-key-watch", daemon=True)

    def __enter__(self) -> KeyWatch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._has_ended.set()
        self._thread.join()

    def key_begun(self, begun: KeyBegun) -> None:
        """Watch this key from now on."""
        self._pace = self._build_pace()
        self._begun = begun

    def _build_pace(self) -> LogPace:
        return LogPace(shortest_seconds=FIRST_LINE_SECONDS, longest_seconds=60.0)

    def _watch(self) -> None:
        while not self._has_ended.wait(_LOOK_EVERY_SECONDS):
            if self._begun is not None and self._pace.is_due():
                self._say(f"restoring and validating {self._begun}, for {self._pace.elapsed_seconds:.0f} s")
