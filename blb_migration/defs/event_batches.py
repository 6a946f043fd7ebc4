"""Dagster's switch for recording together what is planned of a run, an event for each asset and each check.

One by one they took as long, for the ERP, as the process of the run takes to start. Imports nothing of
Dagster's: the command that starts the UI sets it for the servers and needs no more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

# So many at once: the ERP's are one transaction; of thousands of tables, readers wait for a part only.
BATCHES = {"DAGSTER_EVENT_BATCH_SIZE": "250"}


@contextmanager
def recording_in_batches() -> Iterator[None]:
    """Within the block, Dagster records so what is planned of the runs of this process."""
    missing = BATCHES.keys() - os.environ.keys()
    os.environ.update({name: BATCHES[name] for name in missing})
    try:
        yield
    finally:
        for name in missing:
            del os.environ[name]
