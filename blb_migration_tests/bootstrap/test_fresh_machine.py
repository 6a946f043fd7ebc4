"""Where no fresh machine can be made it says why; the one that is made is told the index as pip is."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from blb_migration.bootstrap.index import IndexSettings, read_index_settings
from blb_migration_tests.fresh_machine import debian_root


@pytest.mark.parametrize(
    "name, value, reason",
    [
        ("geteuid", lambda: 1000, "only root can make"),
        ("which", lambda program: None if program == "wget" else program, "wget is not installed"),
    ],
    ids=["not root", "no wget"],
)
def test_it_says_why_it_cannot(
    name: str, value: object, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform != "linux" or not Path("/etc/debian_version").exists():
        reason = "this is no Debian"
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil if name == "which" else os, name, value)
    with pytest.raises(debian_root.CannotMakeError, match=reason):
        debian_root.refuse_unable_machine()


def test_the_index_is_handed_over_as_pip_would_be_told(tmp_path: Path) -> None:
    (tmp_path / "etc/ssl/certs").mkdir(parents=True)
    authority = tmp_path / "authority.pem"
    authority.write_text("certificate")
    settings = IndexSettings(
        url="https://user:pass@index/simple",
        extra_urls=("https://other/simple",),
        certificate=str(authority),
        proxy="http://proxy:3128",
        timeout_seconds=60,
    )
    debian_root.hand_over_index(settings, tmp_path)
    found = read_index_settings({}, [tmp_path / "etc/pip.conf"])
    assert found.certificate is not None
    assert (tmp_path / found.certificate.lstrip("/")).read_text() == "certificate"
    assert (found.page_urls, found.proxy, found.timeout_seconds) == (settings.page_urls, settings.proxy, 60)
