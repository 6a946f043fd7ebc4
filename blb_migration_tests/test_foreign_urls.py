"""A connection string of another world is named, and the URL that means the same is offered, masked."""

from __future__ import annotations

import pytest

from blb_migration.errors import ConfigurationError
from blb_migration.settings import parse_source_url, parse_target_url
from blb_migration.settings.foreign_urls import Side

SECRET = "Pa55,word"
MS = "mssql+pyodbc://"
PG = "postgresql://"


def refuse(text: str, side: Side) -> str:
    with pytest.raises(ConfigurationError) as raised:
        (parse_source_url if side == "source" else parse_target_url)(text)
    assert raised.value.exit_code == 2
    message = str(raised.value)
    assert SECRET not in message
    assert "55" not in message
    return message


@pytest.mark.parametrize(
    ("text", "form", "url"),
    [
        (
            f"jdbc:sqlserver://h:1433;databaseName=x;user=sa;password={SECRET};encrypt=true",
            "is a JDBC URL",
            f"{MS}sa:***@h:1433/x?Encrypt=true",
        ),
        (
            f"jdbc:sqlserver://h\\SQLEXPRESS;databaseName=x;user=sa;password={{{SECRET};}};trustServerCertificate=true;",
            "is a JDBC URL",
            f"{MS}sa:***@h\\SQLEXPRESS/x?TrustServerCertificate=true",
        ),
        (
            f"jdbc:sqlserver://;serverName=h;portNumber=1444;databaseName=x;user=sa;password={SECRET}",
            "is a JDBC URL",
            f"{MS}sa:***@h:1444/x",
        ),
        (
            "jdbc:sqlserver://h;databaseName=x;integratedSecurity=true",
            "is a JDBC URL",
            f"{MS}h/x?Trusted_Connection=yes",
        ),
        (
            f"sqlserver://sa:{SECRET}@h:1433?database=x&encrypt=no",
            "is a URL of the scheme sqlserver",
            f"{MS}sa:***@h:1433/x?Encrypt=no",
        ),
        (
            f"sqlserver://h:1433;database=x;user=sa;password={SECRET};trustServerCertificate=true",
            "is a URL of the scheme sqlserver",
            f"{MS}sa:***@h:1433/x?TrustServerCertificate=true",
        ),
        (
            f"Server=h,1433;Database=x;User Id=sa;Password={SECRET};TrustServerCertificate=True",
            "is an ADO.NET string",
            f"{MS}sa:***@h:1433/x?TrustServerCertificate=True",
        ),
        (
            f"Data Source=tcp:h,1433;Initial Catalog=my shop;User ID=sa;Password='{SECRET};';Encrypt=False",
            "is an ADO.NET string",
            f"{MS}sa:***@h:1433/my%20shop?Encrypt=False",
        ),
        (
            r"Server=.\SQLEXPRESS;Database=x;Integrated Security=SSPI;MultipleActiveResultSets=true",
            "is an ADO.NET string",
            f"{MS}.\\SQLEXPRESS/x?Trusted_Connection=yes",
        ),
        (
            f"Driver={{ODBC Driver 18 for SQL Server}};Server=h;Database=x;UID=sa;PWD={SECRET};Encrypt=yes",
            "is an ODBC string",
            f"{MS}sa:***@h/x?Encrypt=yes",
        ),
        (f"'mssql+pyodbc://sa:{SECRET}@h:1433/x'", "is in quotes", f"{MS}sa:***@h:1433/x"),
        (f'" mssql://sa:{SECRET}@h/x "', "is in quotes", f"{MS}sa:***@h/x"),
        (f"mssql+pyodbc:sa:{SECRET}@h/x", "is without // behind its scheme", f"{MS}sa:***@h/x"),
        (f"mssql:/sa:{SECRET}@h/x", "is without // behind its scheme", f"{MS}sa:***@h/x"),
        (f"sa:{SECRET}@h:1433/x", "is without a scheme", f"{MS}sa:***@h:1433/x"),
        ("h:1433/x", "is without a scheme", f"{MS}h:1433/x"),
    ],
)
def test_the_sources_are_named_and_translated(text: str, form: str, url: str) -> None:
    message = refuse(text, "source")
    assert form in message
    assert f"Write {url}" in message
    offered = parse_source_url(url.replace("***", "secret"))
    assert (offered.database in ("x", "my shop"), offered.password in ("secret", None)) == (True, True)


@pytest.mark.parametrize(
    ("text", "form", "url"),
    [
        (
            f"Host=h;Port=5433;Username=u;Password={SECRET};Database=x;SSL Mode=VerifyFull",
            "is an Npgsql string",
            f"{PG}u:***@h:5433/x?sslmode=verify-full",
        ),
        (
            f"Server=h;Port=5432;User Id=u;Password={SECRET};Database=x;",
            "is an Npgsql string",
            f"{PG}u:***@h:5432/x",
        ),
        (
            f"Driver={{PostgreSQL Unicode}};Server=h;Port=5432;Database=x;Uid=u;Pwd={SECRET};",
            "is an ODBC string",
            f"{PG}u:***@h:5432/x",
        ),
        (f"'postgresql://u:{SECRET}@h/x'", "is in quotes", f"{PG}u:***@h/x"),
        (f"postgresql:u:{SECRET}@h/x", "is without // behind its scheme", f"{PG}u:***@h/x"),
        (f"postgres:/u:{SECRET}@h:5432/x", "is without // behind its scheme", f"{PG}u:***@h:5432/x"),
        (f"u:{SECRET}@h:5432/x", "is without a scheme", f"{PG}u:***@h:5432/x"),
    ],
)
def test_the_targets_are_named_and_translated(text: str, form: str, url: str) -> None:
    message = refuse(text, "target")
    assert form in message
    assert f"Write {url}" in message
    offered = parse_target_url(url.replace("***", "secret"))
    assert (offered.database, offered.password) == ("x", "secret")


@pytest.mark.parametrize(
    ("text", "side", "option"),
    [
        (f"jdbc:sqlserver://h:1433;databaseName=x;user=sa;password={SECRET}", "target", "--source-conn"),
        (f"Data Source=h;Initial Catalog=x;User Id=sa;Password={SECRET}", "target", "--source-conn"),
        (f"Driver={{ODBC Driver 18 for SQL Server}};Server=h;UID=sa;PWD={SECRET}", "target", "--source-conn"),
        (f"host=h dbname=x user=u password={SECRET}", "source", "--target-conn"),
        (f"Host=h;Username=u;Password={SECRET};Database=x", "source", "--target-conn"),
        (f"postgresql:u:{SECRET}@h/x", "source", "--target-conn"),
        (f"'mssql://sa:{SECRET}@h/x'", "target", "--source-conn"),
    ],
)
def test_sides_swapped_are_noticed_in_any_form(text: str, side: Side, option: str) -> None:
    message = refuse(text, side)
    assert f"database as the {side}" in message
    assert message.endswith(f"with {option}.")


@pytest.mark.parametrize(
    "text",
    [
        f"sqlserver://sa:@/{SECRET}@h/x",
        f"'mssql://sa:@{SECRET}@h/x'",
        f"mssql:sa:@{SECRET}@h/x",
        f"sa:@{SECRET}/@h/x",
        f"Server=h;Database=x;Password={SECRET}",
        f"Server=h;Database=x;Password={SECRET}=;User Id=sa",
        f"{SECRET}",
    ],
)
def test_where_the_password_ends_is_never_guessed(text: str) -> None:
    refuse(text, "source")
    refuse(text, "target")


def test_what_the_target_takes_it_takes() -> None:
    for text in (
        "host=h port=5432 dbname=x user=u password=p",
        "jdbc:postgresql://h:5432/x?user=u&password=p",
        "  postgresql+psycopg://u:p@h:5432/x  ",
    ):
        settings = parse_target_url(text)
        assert (settings.host, settings.database, settings.username) == ("h", "x", "u")
