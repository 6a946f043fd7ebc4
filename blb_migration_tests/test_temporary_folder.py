"""Tests keep their files in memory where there is room for them, unless TMPDIR names another place."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from blb_migration_tests import temporary_folder
from blb_migration_tests.temporary_folder import IN_MEMORY, has_room, use_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no folder in memory")


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", tempfile.gettempdir())


def test_where_there_is_room_files_are_made_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary_folder, "NEEDED_BYTES", 0)
    use_memory()
    assert (os.environ.get("TMPDIR"), tempfile.gettempdir()) == (str(IN_MEMORY), str(IN_MEMORY))


def test_a_named_folder_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(temporary_folder, "NEEDED_BYTES", 0)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    use_memory()
    assert os.environ["TMPDIR"] == str(tmp_path)


def test_one_that_is_small_missing_or_closed_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert not has_room(tmp_path / "nowhere")
    monkeypatch.setattr(temporary_folder, "NEEDED_BYTES", 1 << 60)
    assert not has_room(tmp_path)


def test_a_container_has_the_memory_that_it_was_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(temporary_folder, "_MEMORY_LIMIT", limit)
    monkeypatch.setattr(temporary_folder, "NEEDED_BYTES", 1 << 20)
    for text, is_enough in (("max\n", True), (f"{1 << 21}\n", True), (f"{1 << 19}\n", False)):
        limit.write_text(text, encoding="ascii")
        assert has_room(tmp_path) is is_enough
