"""Connection settings: URLs as people write them, and passwords that never come out again."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blb_migration.errors import ConfigurationError, ExitCode
from blb_migration.settings import (
    SourceSettings,
    odbc,
    parse_source_url,
    parse_target_url,
    read_project_folder,
    read_source_settings,
    read_target_settings,
)
from blb_migration.settings.odbc import build_connection_string, parse_connection_string
from blb_migration.settings.target import KEEPALIVES
from blb_migration.settings.urls import name_place
from blb_migration.settings.variable_list import iterate_variables


def options_of(settings: SourceSettings) -> dict[str, str]:
    return dict(settings.options)


class TestSourceUrls:
    def test_the_urls_of_the_contract_are_taken(self) -> None:
        settings = parse_source_url(
            r"mssql+pyodbc://localhost\SQLEXPRESS/BLB3D_ERP"
            "?driver=ODBC+Driver+17+for+SQL+Server&trusted_connection=yes"
        )
        assert (settings.host, settings.instance, settings.port) == ("localhost", "SQLEXPRESS", None)
        assert settings.database == "BLB3D_ERP"
        assert settings.server == r"localhost\SQLEXPRESS"
        assert options_of(settings) == {"Encrypt": "no", "Trusted_Connection": "yes"}
        assert settings.masked_url == r"mssql://localhost\SQLEXPRESS/BLB3D_ERP"

    def test_user_password_port_and_options(self) -> None:
        settings = parse_source_url(
            "mssql+pyodbc://sa:p%40ss@db.example:1444/erp?driver=ODBC+Driver+18+for+SQL+Server"
            "&Encrypt=yes&TrustServerCertificate=true&ApplicationIntent=readonly&timeout=3"
        )
        assert (settings.username, settings.password) == ("sa", "p@ss")
        assert settings.server == "db.example,1444"
        assert options_of(settings) == {
            "ApplicationIntent": "ReadOnly",
            "Encrypt": "yes",
            "TrustServerCertificate": "yes",
        }
        assert settings.login_timeout_seconds == 3
        assert settings.notes == ()
        assert settings.masked_url == "mssql://sa:***@db.example:1444/erp"
        assert settings.tcp_address == ("db.example", 1444)

    @pytest.mark.parametrize("scheme", ["mssql", "mssql+mssqlpython", "mssql+pymssql", "mssql+pyodbc"])
    def test_every_dialect_means_the_same_database(self, scheme: str) -> None:
        settings = parse_source_url(f"{scheme}://sa:pw@HOST/erp")
        assert str(settings.identity) == "host:1433/erp"

    @pytest.mark.parametrize("times_encoded", [1, 2])
    def test_odbc_connect_is_taken_apart(self, times_encoded: int) -> None:
        text = (
            r"DRIVER={ODBC Driver 17 for SQL Server};SERVER=tcp:db,1444;Database=erp;UID=sa;PWD={a;b}}c};"
            "MARS_Connection=yes;"
        )
        for _ in range(times_encoded):
            text = quote_plus(text)
        settings = parse_source_url(f"mssql+pyodbc:///?odbc_connect={text}")
        assert (settings.host, settings.port, settings.database) == ("tcp:db", 1444, "erp")
        assert (settings.username, settings.password) == ("sa", "a;b}c")
        assert settings.tcp_address == ("db", 1444)
        assert any("MARS_Connection is not needed" in note for note in settings.notes)

    def test_the_named_driver_is_noted_and_its_default_kept(self) -> None:
        settings = parse_source_url("mssql+pyodbc://sa:pw@h/erp?driver=ODBC+Driver+17+for+SQL+Server")
        named, encrypt = settings.notes
        assert named.startswith("the URL names ODBC Driver 17 for SQL Server; a driver bundled")
        assert "Encrypt=yes encrypts" in encrypt
        assert options_of(settings)["Encrypt"] == "no"

    def test_what_the_url_says_about_encryption_is_done_whatever_the_driver(self) -> None:
        settings = parse_source_url("mssql+pyodbc://sa:pw@h/erp?driver=FreeTDS&encrypt=strict")
        assert options_of(settings)["Encrypt"] == "strict"

    @pytest.mark.parametrize(
        "driver", ["ODBC Driver 11 for SQL Server", "SQL Server", "SQL Server Native Client 11.0", "FreeTDS"]
    )
    def test_old_drivers_are_served_by_the_bundled_one(self, driver: str) -> None:
        settings = parse_source_url(f"mssql+pyodbc://sa:pw@h/erp?driver={quote_plus(driver)}")
        assert options_of(settings)["Encrypt"] == "no"

    def test_driver_18_encrypts_unless_told_otherwise(self) -> None:
        settings = parse_source_url("mssql+pyodbc://sa:pw@h/erp?driver=ODBC+Driver+18+for+SQL+Server")
        assert "Encrypt" not in options_of(settings)

    def test_the_driver_may_not_open_a_broken_session_anew_by_itself(self) -> None:
        settings = parse_source_url("mssql+pyodbc://sa:pw@h/erp?ConnectRetryCount=3&ConnectRetryInterval=5")
        pairs = odbc.parse_connection_string(settings.connection_string)
        assert [value for keyword, value in pairs if keyword == "ConnectRetryCount"] == ["0"]
        assert "ConnectRetryInterval" not in dict(pairs)
        assert [note.split(" is left out")[0] for note in settings.notes] == [
            "the option ConnectRetryCount",
            "the option ConnectRetryInterval",
        ]

    def test_without_a_user_the_running_account_logs_in(self) -> None:
        assert options_of(parse_source_url("mssql+pyodbc://h/erp"))["Trusted_Connection"] == "yes"
        entra = parse_source_url("mssql+pyodbc://h/erp?Authentication=ActiveDirectoryMsi")
        assert options_of(entra) == {"Authentication": "ActiveDirectoryMsi"}

    def test_our_keywords_are_the_bundled_drivers(self) -> None:
        from mssql_python.constants import _ALLOWED_CONNECTION_STRING_PARAMS as allowed

        ours = odbc.OPTION_KEYWORDS | odbc.SERVER_KEYWORDS
        elsewhere = {"uid", "pwd", "database", "driver", "app"}
        assert {key: value for key, value in allowed.items() if key not in elsewhere} == ours


class TestRefusedSourceUrls:
    @pytest.mark.parametrize(
        ("url", "found", "expected"),
        [
            ("nonsense", "is not a URL", "mssql+pyodbc://"),
            ("mssql+pyodbc://sa:pw@h:abc/erp", "port that is not a number", "mssql+pyodbc://"),
            ("mssql+pyodbc://sa:pw@h:0/erp", "port outside 1 to 65535", "mssql+pyodbc://"),
            ("mssql+pyodbc://sa:p@w@h/erp", "an '@' too many", "mssql+pyodbc://"),
            ("postgresql://u:pw@h/erp", "PostgreSQL database as the source", "SQL Server as the source"),
            ("mysql://u:pw@h/erp", "names mysql", "mssql+pyodbc://"),
            ("mssql+odd://u:pw@h/erp", "unknown dialect mssql+odd", "mssql+pyodbc"),
            ("mssql+pyodbc://sa:pw@mydsn", "names no database", "mssql+pyodbc://"),
            ("mssql+pyodbc:///erp", "names no host", "mssql+pyodbc://"),
            ("mssql+pyodbc://?dsn=erp", "names an ODBC data source", "host and database"),
            ("mssql+pyodbc://h/erp?driver=Oracle", "names the driver 'Oracle'", "bundled with mssql-python"),
            ("mssql+pyodbc://h/erp?Encrypts=yes", "has the option Encrypts", "(did you mean Encrypt?)"),
            ("mssql+pyodbc://h/erp?Encrypt=perhaps", "a value for Encrypt", "mandatory, no, optional"),
            ("mssql+pyodbc://h/erp?Encrypt=no&encrypt=yes", "gives the option encrypt twice", "once"),
            ("mssql+pyodbc://h/erp?timeout=soon", "not a number of seconds", "1 to 9999"),
            ("mssql+pyodbc:///?odbc_connect=PWD", "not a list of Keyword=Value", "percent-encoded"),
            ("mssql+pyodbc:///?odbc_connect=Server%3Da,b,c;Database%3De", "server name", "host,port"),
        ],
    )
    def test_the_message_says_what_was_found_and_expected(self, url: str, found: str, expected: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            parse_source_url(url)
        assert found in str(caught.value)
        assert expected in str(caught.value)
        assert caught.value.exit_code is ExitCode.BAD_USAGE

    def test_an_unknown_driver_names_those_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            "blb_migration.settings.source.read_installed_drivers", lambda: ("ODBC Driver 13 for SQL Server",)
        )
        with pytest.raises(ConfigurationError, match=r"13 for SQL Server, ODBC Driver 18 .*bundled"):
            parse_source_url("mssql+pyodbc://h/erp?driver=Oracle")


class TestTargetUrls:
    @pytest.mark.parametrize(
        "scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"]
    )
    def test_every_dialect_means_the_same_database(self, scheme: str) -> None:
        settings = parse_target_url(f"{scheme}://u:p%2Fw@Host:5433/erp?sslmode=require")
        assert str(settings.identity) == "host:5433/erp"
        assert settings.masked_url == "postgresql://u:***@Host:5433/erp"
        arguments = settings.connect_arguments
        assert arguments["password"] == "p/w"
        assert arguments["sslmode"] == "require"

    def test_a_session_begins_with_nothing_that_a_pooler_refuses(self) -> None:
        arguments = parse_target_url("postgresql://u@h/erp?client_encoding=latin1").connect_arguments
        given = {"application_name", "client_encoding", "connect_timeout", "dbname", "host", "user"}
        assert arguments.keys() == given | KEEPALIVES.keys()  # which are the client's own
        assert arguments["client_encoding"] == "UTF8"
        assert arguments["application_name"] == "blb-migrate"

    def test_a_socket_folder_is_a_host(self) -> None:
        settings = parse_target_url("postgresql:///erp?host=/var/run/postgresql")
        assert settings.connect_arguments["host"] == "/var/run/postgresql"
        assert str(settings.identity) == "localhost:5432/erp"

    def test_several_hosts_become_libpqs_lists(self) -> None:
        arguments = parse_target_url("postgresql://u:pw@/erp?host=a:5433&host=b").connect_arguments
        assert (arguments["host"], arguments["port"]) == ("a,b", "5433,")

    @pytest.mark.parametrize(
        ("url", "keywords", "masked"),
        [
            (
                "postgresql://u:pw@h1:5432,h2:5433/db?target_session_attrs=read-write",
                {"host": "h1,h2", "port": "5432,5433", "target_session_attrs": "read-write"},
                "postgresql://u:***@h1:5432,h2:5433/db",
            ),
            ("postgres://u@h1,h2/db", {"host": "h1,h2"}, "postgresql://u@h1,h2/db"),
            (
                "postgresql://u@h1,h2/db?port=6432",
                {"host": "h1,h2", "port": "6432"},
                "postgresql://u@h1:6432,h2:6432/db",
            ),
            ("postgresql:///db", {}, "postgresql:///db"),
            ("postgresql://u@[::1]:5432/db", {"host": "::1", "port": "5432"}, "postgresql://u@[::1]:5432/db"),
            ("postgresql://[fe80::1%25eth0]/db", {"host": "fe80::1%eth0"}, "postgresql://[fe80::1%eth0]/db"),
            (
                "postgresql://u@/db?host=[::1]:6432,b:5432",
                {"host": "::1,b", "port": "6432,5432"},
                "postgresql://u@[::1]:6432,b:5432/db",
            ),
            ("postgresql://h:/db", {"host": "h"}, "postgresql://h/db"),
            ("postgresql://%2Frun%2Fpg/db", {"host": "/run/pg"}, "postgresql:///db?host=/run/pg"),
            (
                "postgresql://u@h/db?sslmode=verify-full&sslrootcert=%2Fa%20b%2Fca.pem",
                {"sslmode": "verify-full", "sslrootcert": "/a b/ca.pem"},
                "postgresql://u@h/db",
            ),
            ("postgresql:///?service=erp", {"service": "erp"}, "postgresql:///?service=erp"),
            ("postgresql://h/db?passfile=/p", {"passfile": "/p"}, "postgresql://h/db"),
            ("postgresql://h/db?options=-c%20a.b%3D1", {"options": "-c a.b=1"}, "postgresql://h/db"),
            ("postgresql+psycopg2://h/db?options=-c+a.b%3D1", {"options": "-c a.b=1"}, "postgresql://h/db"),
            ("postgresql://h/db?application_name=a+b", {"application_name": "a+b"}, "postgresql://h/db"),
            ("jdbc:postgresql://h/db?user=u", {"host": "h", "user": "u"}, "postgresql://u@h/db"),
            (
                "host=h dbname=db password='p w' user=u",
                {"host": "h", "password": "p w", "user": "u"},
                "postgresql://u:***@h/db",
            ),
            ("postgresql://u@pg:pw@h/db", {"user": "u@pg", "password": "pw"}, "postgresql://u@pg:***@h/db"),
            ("postgresql://h/my db", {"dbname": "my db"}, "postgresql://h/my db"),
            ("postgresql://u:a:b%c?#[d@h/db", {"password": "a:b%c?#[d"}, "postgresql://u:***@h/db"),
        ],
    )
    def test_a_url_is_read_as_libpq_reads_it(self, url: str, keywords: dict[str, str], masked: str) -> None:
        settings = parse_target_url(url)
        expected = ({} if "service" in keywords else {"dbname": "db"}) | keywords
        assert settings.connect_arguments.items() >= expected.items()
        assert settings.masked_url == masked

    @pytest.mark.parametrize(
        ("masked", "place"),
        [
            (parse_target_url("postgresql://ana%40erp:pw@h:5433/db").masked_url, "h:5433/db"),
            (parse_target_url("postgresql://h1,h2/db").masked_url, "h1,h2/db"),
            (parse_target_url("postgresql:///db?host=@folder").masked_url, "/db?host=@folder"),
            (parse_source_url(r"mssql+pyodbc://sa:pw@db\SQLEXPRESS/erp").masked_url, r"db\SQLEXPRESS/erp"),
        ],
    )
    def test_a_place_is_named_without_the_log_in(self, masked: str, place: str) -> None:
        assert name_place(masked) == place

    @given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
    def test_the_conninfo_carries_any_password(self, password: str) -> None:
        from psycopg.conninfo import conninfo_to_dict

        settings = parse_target_url(f"postgresql://u:{quote(password, safe='')}@h/erp")
        assert conninfo_to_dict(settings.conninfo)["password"] == password

    @pytest.mark.parametrize(
        ("url", "found", "expected"),
        [
            ("nonsense", "is not a URL", "postgresql://"),
            ("mssql+pyodbc://sa:pw@h/erp", "SQL Server database as the target", "Swap the two URLs"),
            ("sqlite:///erp.db", "names sqlite", "postgresql://"),
            ("postgresql+odd://u@h/erp", "unknown dialect postgresql+odd", "postgresql+psycopg2"),
            ("postgresql://u@h", "names no database", "postgresql://"),
            ("postgresql://u@h/erp?sslmod=require", "has the option sslmod", "(did you mean sslmode?)"),
            ("postgresql://u:p@w@h/erp", "an '@' too many", "%40"),
            ("postgresql://u:p/w@h/erp", "a '/' before its '@'", "%2F"),
            ("postgresql://u:12/34@h/erp", "a '/' before its '@'", "%2F"),
            ("postgresql://h:x/erp", "port that is not a number", "%XX"),
            ("postgresql://h:70000/erp", "port outside 1 to 65535", "Correct the port"),
            ("postgresql://a,b,c/erp?port=1,2", "2 ports for 3 hosts", "one for each host"),
            ("postgresql://h/erp?sslmode", "not written option=value", "%XX"),
            ("postgresql://h/erp?sslmode=a&sslmode=b", "gives an option twice", "Remove one"),
            ("postgresql://u:p%00@h/erp", "no connection can carry", "%XX"),
            ("postgresql://[::1/erp", "does not parse", "postgresql://"),
        ],
    )
    def test_what_cannot_be_used_is_refused(self, url: str, found: str, expected: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            parse_target_url(url)
        assert found in str(caught.value)
        assert expected in str(caught.value)


SECRET = "Zq9Hidden"
awkward = st.text(st.sampled_from(list("@:/?#&=;%{}[]\\ +'\"ü")), max_size=4)
passwords = st.builds(lambda a, b, c: f"{SECRET}{a}{SECRET}{b}{SECRET}{c}", awkward, awkward, awkward)
templates = st.sampled_from(
    [
        "mssql+pyodbc://sa:{}@h:1433/erp",
        "mssql+pyodbc://sa:{}@h/erp?driver=Oracle",
        "mssql+pyodbc://sa:{}@h:x/erp",
        "mssql+pyodbc://sa:{}@h",
        "mssql+pyodbc://h/erp?UID=sa&PWD={}",
        "mssql+pyodbc:///?odbc_connect=Server=h;Database=erp;UID=sa;PWD={}",
        "mssql+pyodbc:///?odbc_connect=Server=h;Database=erp;UID=sa;PWD={};Nope=1",
        "postgresql://u:{}@h/erp",
        "postgresql://u:{}@h:x/erp",
        "postgresql:///erp?user=u&password={}",
        "postgresql:///erp?sslpassword={}&nope=1",
        "postgresql://u:{}@h1:5432,h2:5433/erp?target_session_attrs=read-write",
        "postgresql://u:{}@h1,h2:x/erp?nope=1",
        "postgresql://u:{}@[::1/erp",
        "postgresql+psycopg2://u:{}@h/erp?nope=1&host=a:1",
        "postgres://u@pg:{}@h/erp",
        "postgresql://u@h/erp?password={}",
        "jdbc:postgresql://h/erp?user=u&password={}",
        "host=h user=u password={} dbname=erp",
        "Host=h;Username=u;Password={};Database=erp",
        "mssql:/sa:{}@h/erp",
        "sa:{}@h/erp",
    ]
)


class TestPasswordsStayInside:
    @example("mssql:/sa:{}@h/erp", f"{SECRET}@{SECRET}?", "raw")
    @example("host=h user=u password={} dbname=erp", f"{SECRET};", "raw")
    @example("dbname=erp user=u password={} host=h", f"{SECRET};", "raw")
    @example("sqlserver://sa:{}@h;databaseName=erp", f"{SECRET}@{SECRET};", "raw")
    @given(templates, passwords, st.sampled_from(["raw", "encoded"]))
    def test_no_message_repr_or_masked_url_shows_one(
        self, template: str, password: str, spelling: str
    ) -> None:
        url = template.format(password if spelling == "raw" else quote(password, safe=""))
        shown = []
        for parse in (parse_source_url, parse_target_url):
            try:
                settings = parse(url)
            except ConfigurationError as error:
                shown += [repr(error.__dict__), *traceback.format_exception(error)]
            else:
                shown += [repr(settings), str(settings), settings.masked_url, str(settings.identity)]
                if isinstance(settings, SourceSettings):
                    shown += list(settings.notes)
        assert SECRET not in " ".join(shown)

    @given(passwords)
    def test_an_encoded_password_arrives_unchanged(self, password: str) -> None:
        encoded = quote(password, safe="")
        source = parse_source_url(f"mssql+pyodbc://sa:{encoded}@h/erp")
        assert source.password == password
        assert parse_target_url(f"postgresql://u:{encoded}@h/erp").password == password
        pairs = dict(parse_connection_string(source.connection_string))
        assert pairs["PWD"] == password

    @given(st.lists(st.tuples(st.sampled_from(["UID", "PWD", "Server"]), st.text(min_size=1)), max_size=3))
    def test_connection_strings_are_read_as_they_are_written(self, pairs: list[tuple[str, str]]) -> None:
        assert parse_connection_string(build_connection_string(tuple(pairs))) == tuple(pairs)

    def test_settings_survive_a_process_border(self) -> None:
        settings = parse_source_url("mssql+pyodbc://sa:pw@h/erp")
        assert pickle.loads(pickle.dumps(settings)) == settings


class TestTheEnvironment:
    @pytest.fixture(autouse=True)
    def nothing_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for variable in iterate_variables():
            monkeypatch.delenv(variable.name, raising=False)

    def test_the_argument_comes_before_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BLB_SOURCE_CONN", " mssql://h/environment ")
        monkeypatch.setenv("BLB_TARGET_CONN", "postgresql://h/environment")
        assert read_source_settings(None).database == "environment"
        assert read_source_settings("mssql://h/argument").database == "argument"
        assert read_target_settings("").database == "environment"

    def test_a_missing_url_names_the_option_and_the_variable(self) -> None:
        with pytest.raises(ConfigurationError, match="--source-conn: neither given, nor is BLB_SOURCE_CONN"):
            read_source_settings(None)
        with pytest.raises(ConfigurationError, match="--target-conn: neither given, nor is BLB_TARGET_CONN"):
            read_target_settings(None)

    def test_the_project_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert read_project_folder(None) is None
        monkeypatch.setenv("BLB_PROJECT", str(tmp_path))
        assert read_project_folder(None) == tmp_path
        with pytest.raises(ConfigurationError, match="is not a folder"):
            read_project_folder(tmp_path / "nowhere")
