"""The way to ``internals/``, whose modules stand on names that Dagster does not promise to keep.

They are imported when they are wanted. Where one cannot be, a later Dagster has changed: that is said once a
process, and the caller goes on with what Dagster promises. A Dagster upgrade may cost speed, never the
migration.
"""

from __future__ import annotations

import importlib
import logging
from typing import Any

_PACKAGE = "blb_migration.defs.internals"
_LOG = logging.getLogger(__name__)
_warned: list[str] = []


def find_internal(module: str, name: str) -> Any | None:
    """``name`` of the module ``internals/<module>``, or None if this Dagster has not what it stands on."""
    try:
        return getattr(importlib.import_module(f"{_PACKAGE}.{module}"), name)
    except (ImportError, AttributeError, TypeError) as error:
        _warn_once(f"{module}: {error}")
        return None


def _warn_once(reason: str) -> None:
    if not _warned:
        _LOG.warning(
            "This Dagster differs from the ones blb_migration was tested with (%s). Runs go on with "
            "Dagster's own executors and storage: slower, with the same result.",
            reason,
        )
    _warned.append(reason)
