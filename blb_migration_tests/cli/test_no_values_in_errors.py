"""A value of a row is in no log, ledger, report or terminal, whichever side refuses the row."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pyarrow as pa
import pytest

from blb_migration.errors import SourceError, TargetError
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.failures import target_errors
from blb_migration.settings import parse_source_url, parse_target_url
from blb_migration.sqlserver.connect import SourceConnector
from blb_migration_tests.catalogs import table
from blb_migration_tests.cli.servers import PASSWORD, Shop, int32s

SECRET = "hash: $2b'12 ZmFtb3Vz"  # what a users table holds beside the key
FOLDED = b"zmftb3vz"

# A function of the target's that shows what it was given, as people write them.
NOSY = """
CREATE FUNCTION nosy(value text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN RAISE EXCEPTION 'not with %', value USING ERRCODE = '{code}', DETAIL = value, HINT = value; END $$;
"""
# By table: a rule of the target's that every row of it breaks and preflight cannot ask about, and what the
# error has to name.
RULES = {
    "checked": ("ALTER TABLE checked ADD CONSTRAINT rule CHECK (length(secret || '') < 9)", "rule"),
    "distinct_ones": (
        "CREATE UNIQUE INDEX distinct_rule ON distinct_ones (left(secret, 9))",
        "distinct_rule",
    ),
    "excluding": (
        "ALTER TABLE excluding ADD CONSTRAINT excluding_rule EXCLUDE (left(secret, 9) WITH =)",
        "excluding_rule",
    ),
    "words": (
        "CREATE DOMAIN word AS text CONSTRAINT word_rule CHECK (length(value || '') < 9);"
        "ALTER TABLE words ALTER secret TYPE word",
        "word_rule",
    ),
    "casting": ("ALTER TABLE casting ADD CHECK (secret::integer > 0)", "for type integer"),
    "indexed": ("CREATE INDEX ON indexed ((secret::integer))", "for type integer"),
    "generated": ("ALTER TABLE generated ADD made int GENERATED ALWAYS AS (secret::int) STORED", "integer"),
    "raising": (NOSY.format(code="P0001") + "ALTER TABLE raising ADD CHECK (nosy(secret))", "nosy(text)"),
    "pretending": (
        NOSY.replace("nosy", "sly").format(code="23514") + "ALTER TABLE pretending ADD CHECK (sly(secret))",
        "sly(text)",
    ),
    "parted": (
        "DROP TABLE parted;"
        "CREATE TABLE parted (id integer, secret text, kind text) PARTITION BY LIST (secret);"
        "CREATE TABLE parted_a PARTITION OF parted FOR VALUES IN ('a')",
        "no partition of relation",
    ),
    "searching": ("ALTER TABLE searching ADD CHECK (secret::tsquery IS NOT NULL)", "syntax error in tsquery"),
    "naming": ("ALTER TABLE naming ADD CHECK (secret::regclass IS NOT NULL)", "invalid name syntax"),
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a DAGSTER_HOME, whose event log stays."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    yield folder


def plant(shop: Shop) -> None:
    database = shop.servers.engine.databases[shop.source_url.rpartition("/")[2].partition("?")[0].lower()]
    rows = {"id": int32s(1, 2), "secret": [SECRET, SECRET + "2"], "kind": ["a", None]}
    for name, (statement, _) in RULES.items():
        database.create_table(table(name, "id int not null", "secret nvarchar(200)", "kind nvarchar(9)"))
        database.load(f"dbo.{name}", pa.table(rows))
        shop.target(f"CREATE TABLE {name} (id integer PRIMARY KEY, secret text, kind text)")
        shop.target(statement)


def find_leaks(shop: Shop, home: Path, *texts: str, words: Collection[bytes] = (FOLDED,)) -> list[str]:
    """Where a word is to be read, whatever its case, besides the source's and the target's own tables."""

    def is_leaky(content: bytes) -> bool:
        return any(word in content.lower() for word in words)

    leaks = [text for text in texts if is_leaky(text.encode())]
    files = [path for path in {*home.rglob("*"), *shop.folder.rglob("*")} if path.is_file()]
    leaks += [str(path) for path in files if is_leaky(path.read_bytes())]
    with psycopg.connect(shop.target_url) as connection:
        for (name,) in connection.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace = to_regnamespace('blb_migration')"
        ).fetchall():
            rows = connection.execute(f"SELECT t::text FROM {name} t".encode()).fetchall()
            leaks += [name for (row,) in rows if is_leaky(row.encode())]
    return leaks


def list_passwords(shop: Shop) -> set[bytes]:
    """List the passwords of both URLs in lower case, as they are and quoted."""
    urls = (shop.source_url, shop.target_url)
    quoted = {url.partition("://")[2].rpartition("@")[0].partition(":")[2] for url in urls}
    return {form.lower().encode() for each in quoted for form in (each, unquote(each)) if form}


def test_a_refused_rows_values_are_nowhere(shop: Shop, home: Path) -> None:
    plant(shop)
    assert shop.run("plan").code == 0
    answer = shop.run("--output", str(shop.report_path))
    assert answer.code != 0
    assert find_leaks(shop, home, answer.out, answer.err) == []
    # One sentence for each cause: the tables it met stand before it.
    lines = [line.removeprefix("blb-migrate: ").partition(": ") for line in answer.err.splitlines()]
    said = {name: what for name in RULES for met, _, what in lines if f"table {name}" in met.split(", ")}
    assert {name: named for name, (_, named) in RULES.items() if named not in said.get(name, "")} == {}


def test_not_even_the_cause_of_an_error_has_a_value(shop: Shop) -> None:
    plant(shop)
    shop.target("ALTER TABLE checked ALTER kind SET NOT NULL")
    with TargetConnector(parse_target_url(shop.target_url)).connect() as target:
        for values in ("(1, %s, 'a')", "(1, %s, NULL)"):
            with pytest.raises(TargetError) as caught, target_errors("a statement"):
                target.execute(f"INSERT INTO checked VALUES {values}".encode(), (SECRET,))
            assert "checked" in str(caught.value)
            assert b"zmftb3vz" not in "".join(traceback.format_exception(caught.value)).lower().encode()
    connector = SourceConnector(parse_source_url(shop.source_url))
    with connector.connect() as source, pytest.raises(SourceError) as refused:
        source.read_rows("SELECT CAST(secret AS int) FROM dbo.checked", action="casting")
    assert "onver" in str(refused.value)
    assert b"zmftb3vz" not in "".join(traceback.format_exception(refused.value)).lower().encode()


def test_a_password_a_hash_and_an_address_are_nowhere_at_all(shop: Shop, home: Path) -> None:
    """Where people look afterwards: terminal, ledger, Dagster's records, report, page, differing rows."""
    name = shop.source_url.rpartition("/")[2].partition("?")[0].lower()
    person = f"{SECRET}, Hintergasse 17"
    rows = pa.table({"id": int32s(3), "name": [person]})
    shop.servers.engine.databases[name].load("dbo.customers", rows)
    decisions = shop.folder / "decisions.yaml"
    hidden = "tables:\n  customers: {columns: {name: {hide: A hash and an address.}}}\n"
    decisions.write_text(decisions.read_text(encoding="utf-8").replace("tables:\n", hidden), encoding="utf-8")

    answers = [shop.migrate()]
    assert answers[0].code == 0, answers[0].err
    with psycopg.connect(shop.target_url, autocommit=True) as connection:
        connection.execute("UPDATE customers SET name = name || '!' WHERE id = 3")
        answers.append(shop.run("reconcile", "--output", str(shop.report_path)))
        connection.execute(
            "ALTER TABLE customers ADD CONSTRAINT rule CHECK (length(name || '') < 9) NOT VALID"
        )
    assert "customers" in answers[1].out and any((shop.folder / "differences").rglob("customers.csv"))
    answers.append(shop.migrate("--replace-changed-rows", "customers", "--reason", "They are to be loaded."))
    assert "rule" in answers[2].err
    answers += [shop.run(word) for word in ("history", "preflight")]
    assert [answer.code for answer in answers[1:4]] == [1, 1, 0]

    said = [answer.out + answer.err for answer in answers]
    words = {FOLDED, b"hintergasse", *list_passwords(shop)}
    assert PASSWORD.lower().encode() in words
    assert find_leaks(shop, home, *said, words=words) == []
