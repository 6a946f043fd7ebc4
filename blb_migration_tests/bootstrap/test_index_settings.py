"""What pip and uv are configured for is what the bootstrap uses: places, precedence, credentials."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blb_migration.bootstrap.index import (
    PUBLIC_INDEX,
    IndexSettings,
    fetch,
    find_file,
    list_config_files,
    mask,
    read_index_settings,
)
from blb_migration.bootstrap.messages import CannotInstallError
from blb_migration.bootstrap.uv import build_uv_environment
from blb_migration_tests.bootstrap.private_index import PASSWORD, USER, PrivateIndex


def test_without_configuration_it_is_the_public_index() -> None:
    assert read_index_settings({}, []).page_urls == (PUBLIC_INDEX,)
    assert build_uv_environment({}, IndexSettings())["UV_SYSTEM_CERTS"] == "1"


@pytest.mark.skipif(os.name == "nt", reason="POSIX's places")
def test_a_later_file_wins_and_a_variable_wins_over_files(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": f"{tmp_path}/strong:{tmp_path}/weak"}
    places = [tmp_path / "weak/pip", tmp_path / "strong/pip", tmp_path / ".pip", tmp_path / ".config/pip"]
    named = tmp_path / "named.conf"
    files = [folder / "pip.conf" for folder in places]
    for number, file in enumerate([*files, named]):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"[global]\nindex_url = https://{number}/simple\n")
        if file == named:
            environ["PIP_CONFIG_FILE"] = str(named)
        own = [found for found in list_config_files(environ) if tmp_path in found.parents]
        assert read_index_settings(environ, own).url == f"https://{number}/simple"
    files[0].write_text("[global]\nindex-url = https://global\n[install]\nindex-url = https://install\n")
    assert read_index_settings({}, [files[0]]).url == "https://install"
    variables = {"PIP_INDEX_URL": "https://pip"}
    assert read_index_settings(variables, files).url == "https://pip"
    assert read_index_settings(variables | {"UV_DEFAULT_INDEX": "https://uv"}, files).url == "https://uv"
    assert list_config_files({"PIP_CONFIG_FILE": os.devnull}) == []


def test_a_broken_file_is_passed_over(tmp_path: Path) -> None:
    broken = tmp_path / "pip.conf"
    broken.write_bytes(b"index-url = \xff\n[global")
    assert read_index_settings({}, [broken, tmp_path / "absent"]) == IndexSettings()


def test_everything_pip_knows_reaches_uv(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nextra-index-url =\n    https://one/simple\n    https://two/simple\n    file:///gone/simple\n"
        f"find-links = {tmp_path} /gone\nproxy = http://proxy:3128\ntrusted-host = a.example\n"
        "timeout = 60\ncert = /authority.pem\nno-index = true\n"
    )
    settings = read_index_settings({"PIP_INDEX_URL": "https://u:p@main/simple"}, [file])
    told = build_uv_environment({"PATH": "/bin", "UV_TARGET": "/x", "VIRTUAL_ENV": "/y"}, settings)
    assert told == {
        "PATH": "/bin",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_DEFAULT_INDEX": "https://u:p@main/simple",
        "UV_INDEX": "https://one/simple https://two/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": str(tmp_path),
        "UV_NO_INDEX": "1",
        "SSL_CERT_FILE": "/authority.pem",
        "HTTP_PROXY": "http://proxy:3128",
        "HTTPS_PROXY": "http://proxy:3128",
        "ALL_PROXY": "http://proxy:3128",
        "UV_INSECURE_HOST": "a.example",
        "UV_HTTP_TIMEOUT": "60",
    }


def test_an_address_is_shown_without_its_log_in() -> None:
    assert mask("https://user:p%40ss@host:8443/simple?x=1") == "https://host:8443/simple?x=1"


def test_a_netrc_gives_the_log_in(
    index: PrivateIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = IndexSettings(url=index.url(user=""), certificate=str(index.certificate))
    netrc = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(netrc))
    netrc.write_text("machine elsewhere login a password b\n")
    with pytest.raises(CannotInstallError, match="401"):
        find_file(settings, "tiny", lambda name: True)
    netrc.write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    netrc.chmod(0o600)
    name, address = find_file(settings, "tiny", lambda name: True)
    assert fetch(address, settings, lambda _, total: lambda count: None) == index.files["tiny"][name]


def test_an_index_that_does_not_answer_is_passed_over_for_one_that_does(index: PrivateIndex) -> None:
    settings = IndexSettings(
        url="https://127.0.0.1:9/simple", extra_urls=(index.url(),), certificate=str(index.certificate)
    )
    name, _ = find_file(settings, "tiny", lambda name: True)
    assert name.startswith("tiny-")
    with pytest.raises(CannotInstallError, match=r"127\.0\.0\.1:9/simple/uv/ cannot be reached"):
        find_file(settings, "uv", lambda name: False)
