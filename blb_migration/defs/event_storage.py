"""Where Dagster keeps a run's events, as ``dagster.yaml`` names it: SQLite files, fast while a run lasts.

The files are where Dagster's own storage has them, ``history/runs`` in the instance's folder, unless
``base_dir`` says otherwise; with the setting removed, Dagster goes on with the same files. An instance
without the setting works as well, more slowly.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from dagster import DagsterInstance, Field, StringSource

from blb_migration.defs.optional_internals import find_internal

_FOLDER = "history/runs"  # dagster's own: what was recorded before the setting came stays visible


def _find_dagsters_own() -> Any:
    """Find the class that Dagster itself would use."""
    with tempfile.TemporaryDirectory() as folder, DagsterInstance.local_temp(folder) as instance:
        return type(instance.event_log_storage)


_Storage: Any = find_internal("event_files", "KeptSqliteEventLogStorage") or _find_dagsters_own()


class EventStorage(_Storage):  # type: ignore[misc]
    """Dagster's storage, configured without a folder: that is known once an instance takes it."""

    def __init__(self, base_dir: str | None = None, inst_data: Any = None) -> None:
        self._inst_data = inst_data
        self._is_open = base_dir is not None
        if base_dir is not None:
            super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> Mapping[str, Field]:
        """``base_dir``, which may be left out."""
        return {"base_dir": Field(StringSource, is_required=False)}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> EventStorage:
        """Return the storage that the configuration asks for."""
        return cls(config_value.get("base_dir"), inst_data)

    def register_instance(self, instance: DagsterInstance) -> None:
        """Open the files in the folder of ``instance``, then belong to it."""
        if not self._is_open:
            home = getattr(instance, "root_directory", None) or os.environ["DAGSTER_HOME"]
            super().__init__(str(Path(home) / _FOLDER), self._inst_data)
            self._is_open = True
        super().register_instance(instance)


def kept_event_files(instance: DagsterInstance) -> AbstractContextManager[None]:
    """Within the block, the event files of ``instance`` stay open, and commit cheaply, if they can."""
    keep_open = find_internal("event_files", "keep_open")
    return nullcontext() if keep_open is None else keep_open(instance)
