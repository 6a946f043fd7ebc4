"""What a rollback saves where copies of the switch are gone, or the application has changed its tables."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet

from blb_migration_tests.cutover.town import Town


def read_saved(night: Town) -> dict[str, list[dict[str, object]]]:
    written = Path(night.settings["records"]) / "written"
    return {path.stem: pyarrow.parquet.read_table(path).to_pylist() for path in written.rglob("*.parquet")}


def test_a_rollback_saves_what_was_written_though_copies_and_tables_are_gone(night: Town) -> None:
    shop = night.shop
    assert shop.migrate().code == 0
    night.start()
    assert night.run("cutover", "--execute").code == 0
    [(copy,)] = shop.target(
        "SELECT copy_name FROM blb_migration.kept_tables WHERE purpose = 'live' AND table_name = 'articles'"
    )
    shop.target(f"DROP TABLE blb_migration_kept.{copy}")
    again = night.run("cutover", "--execute")
    assert again.code == 0 and "the copies of public.articles are gone" in " ".join(again.out.split())

    # The application goes on, and its own migrations change what was kept.
    shop.target("INSERT INTO articles VALUES (3, 'late')")
    shop.target("ALTER TABLE customers RENAME id TO number")
    shop.target("INSERT INTO customers VALUES (7, 'Eva')")
    shop.target("DROP TABLE lines")
    shop.target('CREATE TABLE "Notes/2026" (id integer PRIMARY KEY, text text)')  # unknown to the switch
    shop.target("INSERT INTO \"Notes/2026\" VALUES (1, repeat('a long text', 300000))")
    back = night.run("rollback", "--execute")
    said = " ".join((back.out + back.err).split())
    assert back.code == 0 and night.who() == "sqlserver", said
    saved = read_saved(night)
    assert saved["public.articles.inserted"] == [{"id": 3, "name": "late"}]
    assert {"number": 7, "name": "Eva"} in saved["public.customers.inserted"]
    [notes] = [rows for name, rows in saved.items() if name.startswith("public.Notes_2026_")]
    assert notes == [{"id": 1, "text": "a long text" * 300_000}]
    assert "public.lines: 0 inserted, 0 changed, 4 deleted; the copy of its rows is gone" in said


def test_copies_that_are_not_even_on_record_are_made_again_and_that_is_said(night: Town) -> None:
    shop = night.shop
    assert shop.migrate().code == 0
    night.start()
    assert night.run("cutover", "--execute").code == 0
    shop.target("DROP SCHEMA blb_migration_kept CASCADE")
    shop.target("DELETE FROM blb_migration.kept_tables")
    shop.target("INSERT INTO articles VALUES (3, 'before they were made again')")
    again = night.run("cutover", "--execute")
    said = " ".join(again.out.split())
    assert again.code == 0 and "what the target holds is kept not before" in said, said + again.err
    assert night.who() == "postgresql"
    shop.target("INSERT INTO articles VALUES (4, 'after')")

    in_the_way = Path(night.settings["records"]) / "written"
    in_the_way.write_text("a file where the folder should be", encoding="utf-8")
    stuck = night.run("rollback", "--execute")
    assert stuck.code == 1 and "cannot be saved there" in " ".join(stuck.err.split()), stuck.err
    assert shop.target("SELECT count(*) FROM blb_migration.cutover WHERE withdrawn_at IS NULL") == [(1,)]
    in_the_way.unlink()
    back = night.run("rollback", "--execute")
    assert back.code == 0 and night.who() == "sqlserver", back.out + back.err
    assert read_saved(night)["public.articles.inserted"] == [{"id": 4, "name": "after"}]
