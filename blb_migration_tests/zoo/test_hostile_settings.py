"""Whatever the target's owner has set for its database, the zoo arrives and is equal, or is refused by name.

All settings that a user or a superuser may change are walked through, as the server lists them, so that a
new PostgreSQL's are too: each at its odd values, all of them at once, one value of each per round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql

from blb_migration.errors import ExitCode, TargetForbids
from blb_migration.postgres.connect import TargetConnector
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.settings import parse_target_url
from blb_migration_tests.chain import Chain
from blb_migration_tests.zoo.conftest import DECISIONS

ROUNDS = 2

# What each may be at most or at least, where the server's own limits would leave no server to talk to.
SENSIBLE = {
    "statement_timeout": ["500"],
    "transaction_timeout": ["1000"],
    "idle_in_transaction_session_timeout": ["500"],
    "idle_session_timeout": ["1000"],
    "lock_timeout": ["1"],
    "deadlock_timeout": ["1"],
    "client_connection_check_interval": ["1"],
    "temp_buffers": ["100"],
    "work_mem": ["64"],
    "maintenance_work_mem": ["64"],
    "logical_decoding_work_mem": ["64"],
    "max_parallel_workers_per_gather": ["0"],
    "max_stack_depth": ["100"],
    "commit_delay": ["1"],
    "scram_iterations": ["1"],
    "tcp_user_timeout": ["5000"],
    "log_min_messages": ["fatal"],
    "log_min_error_statement": ["fatal"],
    "log_statement": ["mod"],
    "vacuum_cost_delay": ["0"],
    # At 0 and at 1e308 every plan is as good as any other, and one that takes minutes is taken.
    "seq_page_cost": ["2"],
    "random_page_cost": ["1"],
    "cpu_tuple_cost": ["1"],
    "cpu_index_tuple_cost": ["1"],
    "cpu_operator_cost": ["1"],
    "parallel_setup_cost": ["1"],
    "parallel_tuple_cost": ["1"],
}
# Texts, of which the server knows no range.
TEXTS = {
    "DateStyle": ["German", "SQL, DMY", "Postgres, MDY"],
    "TimeZone": ["Europe/Berlin", "Asia/Kathmandu", "Pacific/Kiritimati"],
    "application_name": ["it's \"odd\\", "%s {}", "ünï"],
    "client_encoding": ["LATIN1", "SQL_ASCII", "WIN1252"],
    "createrole_self_grant": ["set, inherit"],
    "default_text_search_config": ["pg_catalog.german", "pg_catalog.simple"],
    "default_table_access_method": ["shelf"],
    "lc_messages": ["C"],
    "lc_monetary": ["C"],
    "lc_numeric": ["C"],
    "lc_time": ["C"],
    "restrict_nonsystem_relation_kind": ["view", "foreign-table, view"],
    "search_path": ["traps, public, pg_catalog", "pg_temp, traps, pg_catalog"],
    "timezone_abbreviations": ["India", "Australia"],
    "wal_consistency_checking": ["all"],
}
LEFT_OUT = {
    "default_transaction_read_only": "refused by name, see test_connect",
    "transaction_read_only": "of one transaction only: a database's is default_transaction_read_only",
    "transaction_isolation": "of one transaction only",
    "transaction_deferrable": "of one transaction only",
    "session_replication_role": "a superuser's is set back, anybody else's refused: see below",
    "local_preload_libraries": "a library that is not there ends every session",
    "session_preload_libraries": "a library that is not there ends every session",
    "dynamic_library_path": "no extension could be loaded",
    "extension_control_path": "no extension could be made",
    "backtrace_functions": "names of C functions",
    "default_tablespace": "there is one alone; indexes keep theirs, see test_indexes",
    "temp_tablespaces": "there is one alone",
    "temp_file_limit": "0 forbids every large sort, whoever asks",
    "debug_discard_caches": "only in builds for developers",
    "debug_parallel_query": "starts a process for every statement, whoever asks: minutes",
    "log_parameter_max_length_on_error": "of the server's own log",
}
TRAPS = """
CREATE SCHEMA traps;
CREATE FUNCTION traps.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS $$ SELECT 'trap' $$;
CREATE FUNCTION traps.current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT 'trap' $$;
CREATE FUNCTION traps.to_regclass(text) RETURNS regclass LANGUAGE sql AS $$ SELECT NULL::regclass $$;
CREATE FUNCTION traps.char_length(text) RETURNS integer LANGUAGE sql AS $$ SELECT 0 $$;
CREATE VIEW traps.pg_class AS SELECT 1 AS oid;
CREATE VIEW traps.pg_settings AS SELECT 'x' AS name;
CREATE ACCESS METHOD shelf TYPE TABLE HANDLER heap_tableam_handler;
"""


def iterate_odd_values(connection: psycopg.Connection) -> Iterator[tuple[str, list[str]]]:
    """Yield every setting with the values to try."""
    rows = connection.execute(
        "SELECT name, vartype, boot_val, min_val, max_val, enumvals FROM pg_settings"
        " WHERE context IN ('user', 'superuser') ORDER BY name"
    ).fetchall()
    for name, kind, usual, least, most, known in rows:
        if name in LEFT_OUT:
            continue
        if name in SENSIBLE or kind == "string":
            yield name, SENSIBLE.get(name) or TEXTS[name]
        elif kind == "bool":
            yield name, ["off" if usual == "on" else "on"]
        elif kind == "enum":
            yield name, [value for value in known if value != usual] or [usual]
        else:
            yield name, [value for value in (least, most) if value != usual]


def set_for_database(chain: Chain, turn: int) -> int:
    """Set each setting to its odd value whose turn it is; returns how many were set."""
    with psycopg.connect(chain.target_url, autocommit=True) as connection:
        every = list(iterate_odd_values(connection))
        for name, values in every:
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                    sql.Identifier(connection.info.dbname),
                    sql.Identifier(name),
                    sql.SQL(", ").join(map(sql.Literal, values[turn % len(values)].split(", "))),
                )
            )
        return len(every)


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_every_setting_at_odd_values_at_once(
    new_zoo_chain: Callable[[str], Chain], carried_zoo: str, turn: int
) -> None:
    chain = new_zoo_chain(carried_zoo)
    plan_before = chain.project(DECISIONS).plan
    chain.execute(TRAPS)
    assert set_for_database(chain, turn) > 140
    migration = chain.migrate(DECISIONS)
    assert migration.project.plan.hash == plan_before.hash
    differing = [key for key, result in chain.check(migration).items() if not result.passed]
    assert differing == []


def test_a_replication_role_that_may_not_be_set_back_is_refused_by_name(
    new_zoo_chain: Callable[[str], Chain], carried_zoo: str, embedded_postgres: EmbeddedPostgres
) -> None:
    chain = new_zoo_chain(carried_zoo)
    with psycopg.connect(chain.target_url, autocommit=True) as connection:
        database = sql.Identifier(connection.info.dbname)
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET session_replication_role = replica").format(database)
        )
        connection.execute("CREATE ROLE hasty LOGIN PASSWORD 'secret'")
    with chain.target.connect() as own:  # a superuser's
        assert own.execute("SHOW session_replication_role").fetchone() == ("origin",)
    login = chain.target_url.split("@")[1]
    hasty = TargetConnector(parse_target_url(f"postgresql://hasty:secret@{login}"))
    with pytest.raises(TargetForbids) as caught, hasty.connect():
        pass
    with psycopg.connect(embedded_postgres.url(), autocommit=True) as connection:
        connection.execute("DROP ROLE hasty")
    assert "session_replication_role = replica" in caught.value.found
    assert str(caught.value.next_act).endswith("RESET session_replication_role")
    assert caught.value.exit_code is ExitCode.PREFLIGHT_REFUSED
