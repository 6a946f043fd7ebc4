"""A missing library: read out of the loader's words, and brought by the command of the system at hand."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from blb_migration.missing_libraries import build_install_advice, name_library
from blb_migration_tests.hidden_libraries import SSL, run_without

COMMAND = "from blb_migration.cli.main import main; raise SystemExit(main())"


@pytest.mark.parametrize(
    ("failure", "library"),
    [
        ("libltdl.so.7: cannot open shared object file: No such file or directory", "libltdl.so.7"),
        ("/tmp/fake/libssl.so.3: file too short", "libssl.so.3"),
        ("libstdc++.so.6: cannot open shared object file: No such file or directory", "libstdc++.so.6"),
        (
            "Error loading shared library libgssapi_krb5.so.2: No such file or directory (needed by "
            "/usr/lib/python3.12/site-packages/mssql_python_odbc/libs/linux/alpine/libmsodbcsql-18.6.so.2.1)",
            "libgssapi_krb5.so.2",
        ),
        (
            "dlopen(/x/libmsodbcsql.18.dylib, 0x0006): Library not loaded: /opt/lib/libltdl.7.dylib\n"
            "  Referenced from: /x/libodbcinst.2.dylib",
            "libltdl.7.dylib",
        ),
        ("/lib/libc.so.6: version `GLIBC_2.34' not found (required by /x/mssqlodbc.so)", None),
        ("Could not find module 'msodbcsql18.dll' (or one of its dependencies)", None),
    ],
)
def test_the_library_is_named(failure: str, library: str | None) -> None:
    assert name_library(failure) == library


@pytest.mark.skipif(platform.system() != "Linux", reason="packages of Linux distributions")
@pytest.mark.parametrize(
    ("os_release", "advice"),
    [
        ("ID=debian\nVERSION_ID=12\n", "Run `apt-get install libltdl7 libkrb5-3 libssl3`, then run again"),
        ("ID=linuxmint\nID_LIKE='ubuntu debian'\n", "Run `apt-get install libltdl7 libkrb5-3 libssl3`"),
        (
            'ID="rocky"\nID_LIKE="rhel centos fedora"\n',
            "Run `dnf install libtool-ltdl krb5-libs openssl-libs`",
        ),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "Run `zypper install libltdl7 krb5 libopenssl3`"),
        ("ID=alpine\n", "Run `apk add libltdl krb5-libs libssl3`"),
        ("ID=plan9\n", "Install the package of this system that holds libltdl.so.7 and libkrb5.so.3 and"),
    ],
)
def test_the_command_is_the_systems_own(tmp_path: Path, os_release: str, advice: str) -> None:
    (tmp_path / "os-release").write_text(os_release)
    libraries = ["libltdl.so.7", "libkrb5.so.3", "libssl.so.3"]
    assert build_install_advice(libraries, tmp_path / "os-release").startswith(advice)


@pytest.mark.skipif(platform.system() != "Linux", reason="packages of Linux distributions")
def test_a_library_that_is_in_no_list_is_asked_for_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text("ID=debian\n")
    assert "holds libodd.so.1" in build_install_advice(["libodd.so.1"], tmp_path / "os-release")


@pytest.mark.skipif(platform.system() != "Linux", reason="LD_LIBRARY_PATH hides libraries")
@pytest.mark.parametrize("line", [["preflight"], ["--dry-run"], ["demo"]], ids=" ".join)
def test_the_command_says_it_in_a_sentence_and_never_as_a_bug(tmp_path: Path, line: list[str]) -> None:
    if run_without(tmp_path, (SSL,), ["-c", "import ssl"]).returncode == 0:
        pytest.skip("this Python has OpenSSL in itself, and psycopg with it")
    done = run_without(tmp_path, (SSL,), ["-c", COMMAND, *line])
    assert done.returncode == 2
    assert done.stderr.startswith(f"blb-migrate: library {SSL}: this machine cannot load it")
    assert done.stderr.endswith(", then run again.\n")
    assert done.stderr.count("\n") == 1
    assert run_without(tmp_path, (SSL,), ["-c", COMMAND, "--help"]).returncode == 0
