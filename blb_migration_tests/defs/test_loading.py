"""How tables are loaded can be set by the environment."""

from __future__ import annotations

import pytest

from blb_migration.defs.loading import read_loading
from blb_migration.errors import ConfigurationError
from blb_migration.migration import Loading


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BLB_CONNECTIONS", "BLB_CHUNKED_FROM_ROWS", "BLB_RESUME"):
        monkeypatch.delenv(name, raising=False)


def test_nothing_set_means_the_defaults() -> None:
    assert read_loading() == Loading()


def test_what_is_set_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLB_CONNECTIONS", " 6 ")
    monkeypatch.setenv("BLB_CHUNKED_FROM_ROWS", "10_000_000")
    monkeypatch.setenv("BLB_RESUME", "0")
    assert read_loading() == Loading(connections=6, chunked_from_rows=10_000_000, resumes=False)


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_what_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("BLB_CONNECTIONS", text)
    with pytest.raises(ConfigurationError, match="BLB_CONNECTIONS"):
        read_loading()
