"""A role with exactly the README's rights migrates; each right that is missing is found with its GRANT."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from blb_migration.errors import ExitCode, PreflightRefused, TargetForbids
from blb_migration.findings import Severity
from blb_migration.load.scratch import on_scratch
from blb_migration.migration import RunInfo
from blb_migration.preflight.stage import refuse_if_errors, run_preflight
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration_tests.catalogs import table
from blb_migration_tests.chain import Chain

DECISIONS = "project: test\nschemas: {dbo: app}\n"
TABLES = """
CREATE SCHEMA app;
CREATE SEQUENCE app.numbers;
CREATE TABLE app.kinds (id integer PRIMARY KEY);
CREATE TABLE app.parents (id integer PRIMARY KEY DEFAULT nextval('app.numbers'), name varchar(20));
CREATE INDEX ON app.parents (name);
CREATE TABLE app.children (id integer PRIMARY KEY, parent_id integer REFERENCES app.parents,
    kind_id integer REFERENCES app.kinds);
CREATE TABLE app.others (id integer PRIMARY KEY, parent_id integer REFERENCES app.parents);
"""
# The README's rights: a role that owns the tables, CREATE on the database and on the tables' schema.
RIGHTS = """
GRANT CREATE ON DATABASE {database} TO {role};
GRANT USAGE, CREATE ON SCHEMA app TO {role};
ALTER TABLE app.parents OWNER TO {role};
ALTER TABLE app.children OWNER TO {role};
ALTER TABLE app.others OWNER TO {role};
ALTER SEQUENCE app.numbers OWNER TO {role};
GRANT SELECT, REFERENCES ON app.kinds TO {role};
"""


@pytest.fixture
def role(embedded_postgres: EmbeddedPostgres) -> Iterator[str]:
    name = f"r_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(embedded_postgres.url(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'secret'".encode())
        yield name
        for (database,) in connection.execute(
            "SELECT datname FROM pg_database WHERE datallowconn"
        ).fetchall():
            with psycopg.connect(embedded_postgres.url(database), autocommit=True) as each:
                each.execute(f"DROP OWNED BY {name} CASCADE".encode())
        connection.execute(f"DROP ROLE {name}".encode())


@pytest.fixture
def shop(new_chain: Callable[..., Chain], role: str) -> Chain:
    """Return a small pair of databases; its tables are the role's; the chain's own log-in is the
    superuser's."""
    chain = new_chain()
    chain.database.create_table(table("parents", "id int not null", "name nvarchar(20)"))
    chain.database.create_table(
        table(
            "children",
            "id int not null",
            "parent_id int",
            "kind_id int",
            references={"parent_id": "parents"},
        )
    )
    chain.execute(TABLES)
    chain.execute(RIGHTS.format(database=name_database(chain), role=role))
    return chain


def name_database(chain: Chain) -> str:
    return str(conninfo_to_dict(chain.target_url)["dbname"])


def as_role(chain: Chain, role: str) -> Chain:
    login = chain.target_url.split("@")[1]
    return replace(chain, target_url=f"postgresql://{role}:secret@{login}")


def test_exactly_these_rights_suffice(shop: Chain, role: str) -> None:
    chain = as_role(shop, role)
    assert [f for f in chain.preflight(DECISIONS).findings if f.code == "target_right_missing"] == []
    trial = replace(chain.migration(DECISIONS), run=RunInfo(str(uuid.uuid4()), "dry_run"))
    refuse_if_errors(run_preflight(trial))
    with on_scratch(trial):
        pass
    checks = chain.check(chain.migrate(DECISIONS))
    assert {result.passed for result in checks.values()} == {True}


def test_the_sample_migrates_with_exactly_these_rights(erp_chain: Chain, role: str) -> None:
    erp_chain.execute(
        f"GRANT CREATE ON DATABASE {name_database(erp_chain)} TO {role};"
        f"GRANT USAGE, CREATE ON SCHEMA public TO {role};"
        "DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace = 'public'::regnamespace LOOP"
        f" EXECUTE format('ALTER TABLE %s OWNER TO {role}', t); END LOOP; END $$"
    )
    migration = as_role(erp_chain, role).migrate()
    pending = erp_chain.execute("SELECT count(*) FROM blb_migration.dropped_keys WHERE restored_at IS NULL")
    assert pending == [(0,)]
    assert len(migration.project.plan.tables) > 30


MISSING = [
    ("REVOKE CREATE ON DATABASE {database} FROM {role}", "database {database}", "CREATE ON DATABASE"),
    ("REVOKE CREATE ON SCHEMA app FROM {role}", "schema app", 'GRANT CREATE ON SCHEMA "app"'),
    ("REVOKE ALL ON SCHEMA app FROM {role}", "schema app", 'GRANT USAGE, CREATE ON SCHEMA "app"'),
    ("ALTER TABLE app.children OWNER TO postgres", "app.children", 'GRANT "postgres" TO'),
    ("ALTER TABLE app.others OWNER TO postgres", "app.others", 'GRANT "postgres" TO'),
    ("ALTER SEQUENCE app.numbers OWNER TO postgres", "sequence app.numbers", 'GRANT "postgres" TO'),
    ("REVOKE INSERT, TRUNCATE ON app.parents FROM {role}", "app.parents", "GRANT INSERT, TRUNCATE ON"),
    ("REVOKE REFERENCES ON app.kinds FROM {role}", "app.kinds", 'GRANT REFERENCES ON "app"."kinds"'),
]


@pytest.mark.parametrize("kind", ["migration", "dry_run"])
@pytest.mark.parametrize(("taken", "subject", "grant"), MISSING)
def test_each_right_that_is_missing_is_found_with_what_grants_it(  # noqa: PLR0917
    shop: Chain, role: str, taken: str, subject: str, grant: str, kind: str
) -> None:
    names = {"database": name_database(shop), "role": role}
    shop.execute(taken.format(**names))
    chain = as_role(shop, role)
    migration = replace(
        chain.migration(DECISIONS), run=RunInfo("run", "dry_run" if kind == "dry_run" else "migration")
    )
    result = run_preflight(migration)
    [finding] = [finding for finding in result.findings if finding.code == "target_right_missing"]
    assert finding.severity is Severity.ERROR
    assert finding.subject == subject.format(**names)
    assert finding.decision is not None
    assert grant in finding.decision
    with pytest.raises(PreflightRefused, match="lacks a right") as refused:
        refuse_if_errors(result)
    assert refused.value.exit_code is ExitCode.PREFLIGHT_REFUSED
    shop.execute(finding.decision.partition("run: ")[2])
    again = run_preflight(replace(migration, project=chain.project(DECISIONS)))
    assert [finding for finding in again.findings if finding.code == "target_right_missing"] == []


def test_a_ledger_that_another_user_made_is_found(shop: Chain, role: str) -> None:
    shop.migrate(DECISIONS)
    chain = as_role(shop, role)
    [finding] = [f for f in chain.preflight(DECISIONS).findings if f.code == "target_right_missing"]
    assert finding.subject == "schema blb_migration"
    assert finding.decision is not None
    shop.execute(finding.decision.partition("run: ")[2])
    checks = chain.check(chain.migrate(DECISIONS))
    assert {result.passed for result in checks.values()} == {True}


def test_what_only_a_dry_run_needs_is_a_warning_once_the_ledger_is_there(shop: Chain, role: str) -> None:
    chain = as_role(shop, role)
    chain.migrate(DECISIONS)
    shop.execute(f"REVOKE CREATE ON DATABASE {name_database(shop)} FROM {role}")
    [finding] = [f for f in chain.preflight(DECISIONS).findings if f.code == "target_right_missing"]
    assert finding.severity is Severity.WARNING
    assert "dry run" in finding.message
    trial = replace(chain.migration(DECISIONS), run=RunInfo("run", "dry_run"))
    with pytest.raises(PreflightRefused, match="GRANT CREATE ON DATABASE"):
        refuse_if_errors(run_preflight(trial))


@pytest.mark.parametrize(
    ("setting", "owner"),
    [
        ("ALTER ROLE {role} SET", 'ROLE "{role}" RESET'),
        ("ALTER DATABASE {database} SET", 'DATABASE "{database}" RESET'),
        ("ALTER ROLE {role} IN DATABASE {database} SET", 'ROLE "{role}" IN DATABASE "{database}" RESET'),
    ],
)
def test_read_only_sessions_are_refused_with_what_ends_it(
    shop: Chain, role: str, setting: str, owner: str
) -> None:
    names = {"database": name_database(shop), "role": role}
    shop.execute(f"{setting.format(**names)} default_transaction_read_only = on")
    with pytest.raises(TargetForbids) as caught, as_role(shop, role).target.connect():
        pass
    assert caught.value.exit_code is ExitCode.PREFLIGHT_REFUSED
    assert caught.value.next_act == f"Run: ALTER {owner.format(**names)} default_transaction_read_only"
    with psycopg.connect(shop.target_url, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(caught.value.next_act.removeprefix("Run: ").encode())
    with as_role(shop, role).target.connect():
        pass
