"""A verdict is about one source, one plan and one moment: each way to a false "Equal" that was once seen."""

from __future__ import annotations

import re

import pytest

from blb_migration.errors import ExitCode
from blb_migration_tests.cli.servers import PASSWORD, USER, Shop, fill_source

MAY_WE = "SELECT answer, is_equal, reasons, source_movement FROM blb_migration.may_we_cut_over"


def write(shop: Shop, sql: str) -> None:
    """Change the source, as its application would."""
    name = shop.source_url.rsplit("/", 1)[1].partition("?")[0]
    session = shop.servers.engine.login(USER, PASSWORD, name)
    list(session.execute(sql))
    session.close()


@pytest.fixture
def other_source_url(shop: Shop) -> str:
    """Return another source of the same shape; one cell differs, all lengths and sums are the same."""
    name = f"{shop.target_url.rsplit('/', 1)[1]}_other"
    fill_source(shop.servers.engine, name)
    url = shop.servers.sql_server.url(name, USER, PASSWORD)
    session = shop.servers.engine.login(USER, PASSWORD, name)
    list(session.execute("UPDATE dbo.customers SET name = 'Anni' WHERE id = 1"))
    session.close()
    return url


def test_another_source_is_not_compared_with(shop: Shop, other_source_url: str) -> None:
    assert shop.migrate().code == 0
    urls = ["--source-conn", other_source_url, "--target-conn", shop.target_url]
    for how in ((), ("--as-loaded",), ("--checks", "row_count"), ("--tables", "customers")):
        answer = shop.run("reconcile", *how, urls=urls)
        assert answer.code == ExitCode.PREFLIGHT_REFUSED, how
        assert "Equal" not in answer.out
        assert "customers" in answer.err and "loaded from another source" in answer.err
        assert "Name that source with --source-conn" in answer.err


def test_a_restored_copy_is_another_source(shop: Shop) -> None:
    assert shop.migrate().code == 0
    name = shop.source_url.rsplit("/", 1)[1].partition("?")[0]
    shop.servers.engine.drop_database(name)
    fill_source(shop.servers.engine, name)  # the same name on the same server, the same rows
    answer = shop.run("reconcile")
    assert answer.code == ExitCode.PREFLIGHT_REFUSED and "created 20" in answer.err


def test_the_same_source_by_another_name_is_the_same(shop: Shop) -> None:
    assert shop.migrate().code == 0
    urls = [
        "--source-conn", shop.source_url.replace("localhost", "127.0.0.1"), "--target-conn", shop.target_url
    ]  # fmt: skip
    assert shop.run("reconcile", urls=urls).code == 0


def test_a_row_changed_after_it_was_read_is_found(shop: Shop) -> None:
    assert shop.migrate().code == 0
    write(shop, "UPDATE dbo.customers SET name = 'Anni' WHERE id = 1")  # same length: only content sees it
    answer = shop.run("reconcile")
    assert answer.code == ExitCode.NOT_EQUAL and "content differs (1): customers" in answer.out
    [(answer_now, _, _, _)] = shop.target(MAY_WE)
    assert not answer_now


def test_what_is_trusted_as_loaded_claims_no_more_than_was_read(shop: Shop) -> None:
    assert shop.migrate().code == 0
    write(shop, "UPDATE dbo.customers SET name = 'Anni' WHERE id = 1")
    answer = shop.run("reconcile", "--as-loaded", "--output", str(shop.report_path))
    spoken = shop.report["verdict"]
    assert re.match(r"Equal to what was read between \d{4}-\d\d-\d\d [\d:]+ and [\d:]+ UTC: ", spoken)
    assert "the source was written to (dbo.customers)" in spoken
    assert shop.report["next_act"].startswith("Do not cut over on this")
    assert shop.report["source_read"]["moved_tables"] == ["dbo.customers"]
    [(answer_now, is_equal, reasons, movement)] = shop.target(MAY_WE)
    assert (answer_now, is_equal, movement) == (False, True, "moved")
    assert "dbo.customers" in reasons[0] and "reconcile again" in reasons[0]
    assert answer.code == 0  # what was loaded is what stands there


def test_the_moment_of_reading_is_said(shop: Shop) -> None:
    assert shop.migrate().code == 0
    assert "Equal to what was read between" in shop.report["verdict"]
    assert "an indication, no proof" in shop.report["verdict"]
    assert shop.report["source_read"]["tables_as_loaded"] == 4
    assert shop.run("reconcile", "--output", str(shop.report_path)).code == 0
    assert shop.report["source_read"]["tables_reread"] == 4
    assert shop.target(MAY_WE)[0][0] is True


def test_a_source_that_is_proven_to_stand_still_is_simply_equal(shop: Shop) -> None:
    name = shop.source_url.rsplit("/", 1)[1].partition("?")[0]
    write(shop, f"ALTER DATABASE {name} SET READ_ONLY")
    assert shop.migrate().code == 0
    assert shop.report["verdict"].startswith("Equal: all 4 tables (11 rows), by every metric compared;")
    assert "the source stood still (proof: it is READ_ONLY)" in shop.report["verdict"]
    assert shop.target(MAY_WE)[0][3] == "unmoved"


def test_a_planned_table_that_is_not_seen_is_an_error(shop: Shop) -> None:
    write(shop, "DROP TABLE dbo.articles")
    for command in ((), ("--dry-run",), ("reconcile",)):
        answer = shop.run(*command)
        assert answer.code == ExitCode.PREFLIGHT_REFUSED, answer.out
        assert "dbo.articles: the source's log-in does not see it" in answer.err
        assert "Equal" not in answer.out
    assert shop.target("SELECT to_regnamespace('blb_migration')") == [(None,)]


def test_a_planned_column_that_is_not_seen_is_an_error(shop: Shop) -> None:
    shop.target("ALTER TABLE articles DROP COLUMN name")
    answer = shop.run()
    assert answer.code == ExitCode.PREFLIGHT_REFUSED
    assert "articles.name: it is no longer loaded into public.articles.name" in answer.err


def test_a_table_skipped_by_decision_needs_no_right(shop: Shop) -> None:
    name = shop.source_url.rsplit("/", 1)[1].partition("?")[0]
    shop.servers.engine.add_login("reader", PASSWORD, read_only=True, denied_tables=[f"{name}.dbo.notes"])
    url = shop.servers.sql_server.url(name, "reader", PASSWORD)
    assert shop.run(urls=["--source-conn", url, "--target-conn", shop.target_url]).code == 0
    shop.servers.engine.add_login("clerk", PASSWORD, read_only=True, denied_tables=[f"{name}.dbo.lines"])
    url = shop.servers.sql_server.url(name, "clerk", PASSWORD)
    refused = shop.run(urls=["--source-conn", url, "--target-conn", shop.target_url])
    assert refused.code == ExitCode.PREFLIGHT_REFUSED and "dbo.lines" in refused.err


def test_a_refused_run_takes_the_yes_back_until_a_run_completes(shop: Shop) -> None:
    assert shop.migrate().code == 0
    shop.target("ALTER TABLE customers RENAME COLUMN name TO full_name")
    assert shop.run("reconcile").code == ExitCode.PREFLIGHT_REFUSED
    [(answer, _, reasons, _)] = shop.target(MAY_WE)
    assert not answer and "the last run was refused at 20" in reasons[0]
    shop.target("ALTER TABLE customers RENAME COLUMN full_name TO name")
    assert shop.run("reconcile").code == 0
    assert shop.target(MAY_WE)[0][0] is True
