"""A town for each test: see ``town``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blb_migration_tests.cli.conftest import no_configuration, servers, shop
from blb_migration_tests.cli.servers import Shop
from blb_migration_tests.cutover.town import Town, build_town, end_services, prepare_night

__all__ = ["no_configuration", "servers", "shop"]


@pytest.fixture
def town(shop: Shop, tmp_path: Path) -> Iterator[Town]:
    town = build_town(shop, tmp_path)
    yield town
    end_services(town)


@pytest.fixture
def night(town: Town, monkeypatch: pytest.MonkeyPatch) -> Town:
    monkeypatch.setenv("SHOP_TARGET", town.shop.target_url)
    return prepare_night(town)


@pytest.fixture
def write_file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        (tmp_path / "cutover.yaml").write_text(text, encoding="utf-8")
        return tmp_path

    return write
