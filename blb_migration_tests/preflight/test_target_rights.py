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
from blb_migration.postgres.server_features import read_server_features
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
        touched = connection.execute(
            "SELECT DISTINCT datname FROM pg_shdepend JOIN pg_database AS d ON d.oid IN (dbid, objid)"
            " WHERE refobjid = %s::regrole",
            [name],
        )
        for (database,) in touched.fetchall():
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


EVENT_TRIGGER = """
CREATE FUNCTION no_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
CREATE EVENT TRIGGER stop ON ddl_command_start EXECUTE FUNCTION no_ddl();
"""


def test_an_event_trigger_that_refuses_ddl_is_found(shop: Chain, role: str) -> None:
    shop.execute(EVENT_TRIGGER.format(body="RAISE EXCEPTION 'not now';"))
    [finding] = [f for f in as_role(shop, role).preflight(DECISIONS).findings if f.code.startswith("event_")]
    assert (finding.code, finding.severity) == ("event_triggers_refuse", Severity.ERROR)
    assert "stop (no_ddl())" in finding.message
    with pytest.raises(PreflightRefused), on_scratch(as_role(shop, role).migration(DECISIONS)) as migration:
        refuse_if_errors(run_preflight(migration))  # and what a dry run discards at its end is nothing
    shop.execute("ALTER EVENT TRIGGER stop DISABLE")
    assert as_role(shop, role).check(as_role(shop, role).migrate(DECISIONS))


def test_an_event_trigger_that_let_everything_pass_is_a_warning(shop: Chain, role: str) -> None:
    shop.execute(EVENT_TRIGGER.format(body="NULL;"))
    chain = as_role(shop, role)
    [finding] = [f for f in chain.preflight(DECISIONS).findings if f.code.startswith("event_")]
    assert (finding.code, finding.severity) == ("event_triggers_fire", Severity.WARNING)
    chain.migrate(DECISIONS)
    assert shop.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'blb_migration_probe%'") == [(0,)]


@pytest.mark.parametrize(
    ("limit", "lifted"),
    [
        ("ALTER ROLE {role} CONNECTION LIMIT 2", 'ALTER ROLE "{role}" CONNECTION LIMIT -1'),
        ("ALTER DATABASE {database} CONNECTION LIMIT 2", 'ALTER DATABASE "{database}" CONNECTION LIMIT -1'),
    ],
)
def test_a_limit_of_sessions_that_no_load_can_do_with_is_found(
    shop: Chain, role: str, limit: str, lifted: str
) -> None:
    names = {"database": name_database(shop), "role": role}
    shop.execute(limit.format(**names))
    chain = as_role(shop, role)
    migration = replace(shop.migration(DECISIONS), target=chain.target, run=RunInfo("run", "preflight"))
    [finding] = [f for f in run_preflight(migration).findings if f.code == "too_few_sessions"]
    assert finding.severity is Severity.ERROR
    assert finding.decision is not None
    assert finding.decision.endswith(lifted.format(**names))
    shop.execute(lifted.format(**names))
    chain.migrate(DECISIONS)


def test_a_server_without_libxml_is_found_where_a_column_is_xml(shop: Chain) -> None:
    shop.database.create_table(table("documents", "id int not null", "body xml"))
    shop.execute("CREATE TABLE app.documents (id integer PRIMARY KEY, body xml)")
    found = [f for f in shop.preflight(DECISIONS).findings if f.code == "server_lacks_xml"]
    with shop.target.connect() as connection:
        has_xml = read_server_features(connection).has_xml
    assert [f.severity for f in found] == ([] if has_xml else [Severity.ERROR])
    assert has_xml or "documents.body" in found[0].message
