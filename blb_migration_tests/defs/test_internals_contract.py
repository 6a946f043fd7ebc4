"""The installed Dagster still has what ``internals`` stands on; otherwise runs would silently be slower."""

from __future__ import annotations

import pytest

from blb_migration.defs.internals.requirements import require
from blb_migration.defs.optional_internals import find_internal

USED = [
    ("code_servers", "keep_code_servers"),
    ("event_files", "KeptSqliteEventLogStorage"),
    ("event_files", "keep_open"),
    ("run_job", "run_job"),
    ("run_states", "end_run"),
    ("run_states", "tag_run"),
    ("threads_executor", "threads_executor"),
    ("memory_events", "keeping_connection"),
    ("warm_runs", "fork_runs"),
]


@pytest.mark.parametrize(("module", "name"), USED)
def test_this_dagster_has_it(module: str, name: str, caplog: pytest.LogCaptureFixture) -> None:
    assert find_internal(module, name) is not None, caplog.text


def test_a_name_that_is_gone_is_noticed() -> None:
    assert find_internal("run_job", "no_such_function") is None


def called(first: int, *, wanted: int = 0) -> None:
    """Stands for a function of Dagster's."""


def test_a_signature_that_has_changed_is_noticed_before_a_run() -> None:
    require(called, 1, "wanted")
    for positional, names in ((0, ()), (2, ()), (1, ("renamed",))):
        with pytest.raises(ImportError, match=r"called\(first"):
            require(called, positional, *names)
