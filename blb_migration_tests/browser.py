"""A real browser for tests of what people see: the system's own Chromium or Chrome, driven by Playwright.

No browser is fetched. Where there is none, these tests are skipped by name: install Debian's package
chromium, or name one in BLB_TEST_BROWSER.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

LAPTOP = {"width": 1366, "height": 768}
PHONE = {"width": 390, "height": 844}
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")


def find_browser() -> str | None:
    """Return the path of a browser that is installed."""
    named = os.environ.get("BLB_TEST_BROWSER")
    return named or next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def open_browser() -> Iterator[Any]:
    """Yield Playwright's browser; skips the test where none is installed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = find_browser()
    if path is None:
        pytest.skip("no browser is installed: apt-get install chromium, or name one in BLB_TEST_BROWSER")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def keep_picture(page: Any, name: str) -> None:
    """Save what the page shows into the folder of BLB_TEST_PICTURES, for people to look at."""
    folder = os.environ.get("BLB_TEST_PICTURES")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")


def find_outside(page: Any, *texts: str) -> list[str]:
    """Return the texts that are not to be seen on the screen without scrolling."""
    height, width = page.viewport_size["height"], page.viewport_size["width"]
    outside = []
    for text in texts:
        boxes = [each.bounding_box() for each in page.get_by_text(text).all()]
        if not any(
            box and box["x"] >= 0 and box["y"] >= 0
            and box["x"] + box["width"] <= width and box["y"] + box["height"] <= height
            for box in boxes
        ):  # fmt: skip
            outside.append(text)
    return outside
