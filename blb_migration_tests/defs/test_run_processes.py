"""Which process keeps a warm one for its runs: only one that is told to, and none of its children."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from blb_migration.defs import run_processes
from blb_migration.defs.run_processes import WARM_RUNS_VARIABLE, prepare_runs


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], bool]]:
    """Return what the fork server is given to ask before each run, once it was prepared."""
    done: list[Callable[[], bool]] = []
    monkeypatch.setattr(run_processes, "find_internal", lambda *_names: done.append)
    monkeypatch.setattr("sys.platform", "linux")
    return done


def test_a_process_that_is_not_told_to_prepares_nothing(
    prepared: list[Callable[[], bool]], tmp_path: Path
) -> None:
    prepare_runs(tmp_path)
    assert prepared == []


def test_a_process_that_is_told_to_prepares_once_and_tells_no_child(
    prepared: list[Callable[[], bool]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WARM_RUNS_VARIABLE, "1")
    prepare_runs(tmp_path)
    assert len(prepared) == 1
    assert WARM_RUNS_VARIABLE not in os.environ


def test_a_run_is_not_forked_once_a_file_of_its_project_has_changed(
    prepared: list[Callable[[], bool]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decisions = tmp_path / "decisions.yaml"
    for change in (
        lambda: decisions.write_text("project: other", encoding="utf-8"),
        (tmp_path / "cutover.yaml").touch,
        decisions.unlink,
        lambda: shutil.rmtree(tmp_path),
    ):
        decisions.write_text("project: shop", encoding="utf-8")
        monkeypatch.setenv(WARM_RUNS_VARIABLE, "1")
        prepare_runs(tmp_path)
        is_unchanged = prepared.pop()
        assert is_unchanged()
        change()
        assert not is_unchanged()


def test_where_dagster_has_changed_runs_start_as_it_starts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_processes, "find_internal", lambda *_names: None)
    monkeypatch.setenv(WARM_RUNS_VARIABLE, "1")
    prepare_runs(tmp_path)
