"""Which driver is loaded where, and what a machine is told that can load none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from blb_migration.errors import ConfigurationError
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.settings import parse_source_url
from blb_migration.sqlserver.drivers import load_driver
from blb_migration_tests.hidden_libraries import GSSAPI, LTDL, SSL, run_without

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="LD_LIBRARY_PATH hides libraries")

_LOAD = """
import sys
from blb_migration.errors import MigrationError
from blb_migration.sqlserver.drivers import load_driver
try:
    driver = load_driver(sys.argv[1] or None, sys.argv[2] or None)
    print(driver.name, "|", driver.version, "|", driver.reason)
except MigrationError as error:
    print(int(error.exit_code), "|", error)
"""


_CONNECT = """
import sys
from blb_migration.errors import MigrationError
from blb_migration.settings import parse_source_url
from blb_migration.sqlserver.connect import SourceConnector
try:
    with SourceConnector(parse_source_url(sys.argv[1])).connect():
        print("connected")
except MigrationError as error:
    print(int(error.exit_code), "|", error)
"""


def load(folder: Path, *hidden: str, in_url: str = "", option: str = "", **variables: str) -> str:
    done = run_without(folder, hidden, ["-c", _LOAD, in_url, option], **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class TestTheChoice:
    def test_without_libltdl_the_other_driver_is_loaded(self, tmp_path: Path) -> None:
        name, version, reason = load(tmp_path, LTDL).split(" | ")
        assert name == "mssql-odbc"
        assert version.split(".")[0].isdigit()
        assert "libltdl.so.7" in reason

    @pytest.mark.parametrize("variable", ["BLB_SOURCE_DRIVER", "MSSQL_PYTHON_NATIVE_PROVIDER"])
    def test_the_environment_names_it(self, tmp_path: Path, variable: str) -> None:
        loaded = load(tmp_path, **{variable: "MSSQL-ODBC"})
        assert loaded.startswith("mssql-odbc | ")
        assert loaded.endswith(f"named by {variable}")

    def test_the_url_outranks_the_environment(self, tmp_path: Path) -> None:
        loaded = load(tmp_path, in_url="mssql-odbc", BLB_SOURCE_DRIVER="msodbcsql18")
        assert loaded.startswith("mssql-odbc | ")
        assert loaded.endswith("named by the source URL")

    def test_mssql_pythons_own_variable_may_not_contradict(self, tmp_path: Path) -> None:
        loaded = load(tmp_path, in_url="mssql-odbc", MSSQL_PYTHON_NATIVE_PROVIDER="msodbcsql18")
        assert loaded == (
            "2 | MSSQL_PYTHON_NATIVE_PROVIDER: names the driver msodbcsql18, "
            "the source URL names mssql-odbc. Expected the same driver. Unset MSSQL_PYTHON_NATIVE_PROVIDER."
        )

    def test_a_driver_that_nobody_knows(self, tmp_path: Path) -> None:
        loaded = load(tmp_path, BLB_SOURCE_DRIVER="freetds")
        assert loaded.startswith(
            "2 | environment variable BLB_SOURCE_DRIVER: 'freetds'. Expected msodbcsql18 or"
        )
        assert "msodbcsql18 or mssql-odbc" in loaded

    def test_what_only_one_driver_can_do_chooses_it(self, tmp_path: Path) -> None:
        url = "mssql://me:pw@h/erp?Authentication=ActiveDirectoryPassword"
        option = str(parse_source_url(url).needs_microsoft_driver)
        alone = load(tmp_path, LTDL, option=option)
        assert alone.startswith(
            "2 | the driver that the source URL's Authentication=ActiveDirectoryPassword "
        )
        assert "needs libltdl.so.7" in alone
        contradicted = load(tmp_path, option=option, BLB_SOURCE_DRIVER="mssql-odbc")
        assert "has Authentication=ActiveDirectoryPassword, which mssql-odbc does not know" in contradicted
        assert "named by BLB_SOURCE_DRIVER" in contradicted

    def test_one_process_loads_one_driver(self) -> None:
        loaded = load_driver(None)
        assert load_driver(loaded.name) == loaded
        other = "mssql-odbc" if loaded.name == "msodbcsql18" else "msodbcsql18"
        with pytest.raises(ConfigurationError, match=f"asks for the driver {other}, but this process has"):
            load_driver(other)


class TestWithoutItsLibraries:
    def test_a_named_driver_says_what_it_needs(self, tmp_path: Path) -> None:
        loaded = load(tmp_path, LTDL, in_url="msodbcsql18")
        assert loaded.startswith(
            "2 | the driver that the source URL names: cannot be loaded on this machine "
            "(Microsoft ODBC Driver 18 needs libltdl.so.7). "
        )
        loaded = load(tmp_path, SSL, BLB_SOURCE_DRIVER="mssql-odbc")
        assert loaded.startswith("2 | the driver that BLB_SOURCE_DRIVER names: cannot be loaded")
        assert "mssql-odbc needs libssl.so.3" in loaded

    def test_where_none_can_be_loaded_both_libraries_are_named(self, tmp_path: Path) -> None:
        loaded = load(tmp_path, LTDL, SSL)
        assert loaded.startswith("2 | the drivers for SQL Server: cannot be loaded on this machine ")
        assert "Microsoft ODBC Driver 18 needs libltdl.so.7" in loaded
        assert "mssql-odbc needs libssl.so.3" in loaded
        for word in ("host", "port", "reach"):
            assert word not in loaded

    def test_a_log_in_that_needs_kerberos_names_its_library(
        self, tmp_path: Path, server: SqlServerEmulator
    ) -> None:
        url = f"mssql://{server.host}:{server.port}/erp?driver=mssql-odbc&trusted_connection=yes&Encrypt=no"
        done = run_without(tmp_path, (GSSAPI,), ["-c", _CONNECT, url])
        code, _, message = done.stdout.strip().partition(" | ")
        assert code == "2", done.stderr
        assert "Windows authentication needs Kerberos, and libgssapi_krb5.so.2 cannot be loaded" in message
        assert "kinit" not in message

    def test_an_encrypted_log_in_without_openssl_names_its_library(
        self, tmp_path: Path, server: SqlServerEmulator
    ) -> None:
        if not load(tmp_path, in_url="msodbcsql18").startswith("msodbcsql18"):
            pytest.skip("Microsoft's driver cannot be loaded here; .ci/both-drivers brings what it needs")
        url = f"mssql://sa:x@{server.host}:{server.port}/erp?driver=msodbcsql18"
        done = run_without(tmp_path, (SSL,), ["-c", _CONNECT, url])
        code, _, message = done.stdout.strip().partition(" | ")
        assert code == "2", done.stderr
        assert "the log-in is encrypted, and libssl.so.3 cannot be loaded" in message


class TestUrls:
    @pytest.mark.parametrize("name", ["msodbcsql18", "mssql-odbc", "MSSQL-ODBC"])
    def test_a_url_may_insist_on_a_driver(self, name: str) -> None:
        settings = parse_source_url(f"mssql://sa:pw@h/erp?driver={name}")
        assert settings.driver == name.lower()
        assert settings.notes == ()

    def test_ways_to_log_in_that_both_drivers_know_leave_the_choice_open(self) -> None:
        for options in ("Authentication=ActiveDirectoryMsi", "Authentication=SqlPassword", "Encrypt=strict"):
            assert parse_source_url(f"mssql://sa:pw@h/erp?{options}").needs_microsoft_driver is None

    def test_a_driver_of_the_driver_manager_leaves_the_choice_open(self) -> None:
        url = "mssql+pyodbc://sa:pw@h/erp?driver=ODBC+Driver+18+for+SQL+Server"
        assert parse_source_url(url).driver is None
