"""Random changes of loaded rows by an application, and what the next load is told of each.

``python -m blb_migration_tests.faults.changed_rows`` prints the tables of docs/reliability.md. Every mutation
is made in a transaction that is rolled back, in the sample ERP and in the zoo, each as loaded, after VACUUM
FULL, as a copy of the database, and as a dump restored in this server and in another.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

import psycopg

from blb_migration.migration import Migration
from blb_migration.model import Table, TableName
from blb_migration.postgres.catalog import read_catalog
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.ownership import Loader, find_changed_rows
from blb_migration.replacing import read_loader
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sandbox.erp import create_source, create_target
from blb_migration.sandbox.postgres_account import find_binaries
from blb_migration.sandbox.zoo import create_zoo, create_zoo_target
from blb_migration.settings import parse_target_url
from blb_migration_tests.chain import Chain
from blb_migration_tests.faults.application import Application, read_fingerprint

BINARIES = find_binaries()


@dataclass
class Tally:
    """What came of the mutations on one ground; the lists name what the judge got wrong."""

    ground: str
    kinds: Counter[tuple[str, bool]] = field(default_factory=Counter)
    overlooked: list[str] = field(default_factory=list)
    refused_wrongly: list[str] = field(default_factory=list)

    @property
    def real_count(self) -> int:
        """How many mutations changed rows."""
        return sum(count for (_, is_real), count in self.kinds.items() if is_real)


@dataclass(frozen=True)
class Ground:
    """A target as loaded, or treated since, and the tables that were loaded there."""

    name: str
    url: str
    loader: Loader
    tables: tuple[TableName, ...]


def mutate_ground(ground: Ground, mutations: int, draw: random.Random) -> Tally:
    """Judge every table untouched, then after each of so many mutations."""
    tally = Tally(ground.name)
    with TargetConnector(parse_target_url(ground.url)).connect() as connection:
        known = read_catalog(connection).tables_by_name
        tables = [known[name] for name in ground.tables]
        for table in tables:
            changed = find_changed_rows(connection, table, ground.loader)
            if changed is not None:
                tally.refused_wrongly.append(f"{table.name}, untouched: {changed.found}")
        while tally.kinds.total() < mutations:
            _mutate(connection, draw.choice(tables), ground.loader, draw, tally)
    return tally


def _mutate(
    connection: TargetConnection, table: Table, loader: Loader, draw: random.Random, tally: Tally
) -> None:
    application = Application(connection, table, draw)
    change, rewriting = draw.choice(list(application.changes)), draw.choice(list(application.rewritings))
    is_rewritten_first = draw.random() < 0.5
    try:
        with connection.transaction(force_rollback=True):
            connection.execute("SET LOCAL session_replication_role = replica")
            if is_rewritten_first and not application.rewritings[rewriting]():
                return
            before = read_fingerprint(connection, table)
            application.changes[change]()
            is_real = before != read_fingerprint(connection, table)
            if not is_rewritten_first and not application.rewritings[rewriting]():
                return
            is_altered = rewriting == "ALTER TYPE"
            current = read_catalog(connection).tables_by_name[table.name] if is_altered else table
            changed = find_changed_rows(connection, current, loader)
    except (psycopg.errors.IntegrityError, psycopg.errors.DataError, psycopg.errors.GeneratedAlways):
        return  # a constraint of the table forbids it
    tally.kinds[change, is_real] += 1
    what = f"{table.name}: {change}, {rewriting}{' before it' if is_rewritten_first else ''}"
    if is_real and changed is None:
        tally.overlooked.append(what)
    if not is_real and changed is not None:
        tally.refused_wrongly.append(f"{what}: {changed.found}")


def restore_dump(from_url: str, to_url: str) -> None:
    """Dump a database and restore it elsewhere, with PostgreSQL's own tools."""
    dump = subprocess.run(
        [BINARIES / "pg_dump", "--format=custom", from_url],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    subprocess.run(
        [BINARIES / "pg_restore", "--no-owner", "--exit-on-error", f"--dbname={to_url}"],
        check=True, capture_output=True, input=dump,
    )  # fmt: skip


def lay_grounds(
    server: EmbeddedPostgres, elsewhere: EmbeddedPostgres, chain: Chain, migration: Migration, name: str
) -> Iterator[Ground]:
    """Yield ``chain``'s target, just loaded, in every state in which its rows are still ours."""
    loader, tables = read_loader(migration), migration.project.plan.target_tables
    yield Ground(f"{name}, as loaded", chain.target_url, loader, tables)
    for place, copy in ((server, f"{name}_restored"), (elsewhere, f"{name}_elsewhere")):
        url = place.create_database(copy)
        restore_dump(chain.target_url, url)
        where = "restored" if place is server else "restored on another server"
        yield Ground(f"{name}, a dump {where}", url, loader, tables)
    copy = f"{name}_copied"
    with closing(psycopg.connect(server.url(), autocommit=True)) as admin:
        database = migration.target.settings.identity.database
        admin.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{database}"'.encode())
    yield Ground(f"{name}, a copied database", server.url(copy), loader, tables)
    chain.execute("VACUUM FULL")
    yield Ground(f"{name}, after VACUUM FULL", chain.target_url, loader, tables)


def render(tallies: Sequence[Tally]) -> str:
    """Render the table as docs/reliability.md has it."""
    lines = ["| target | mutations | real | refused | overlooked | nothing changed | refused wrongly |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for tally in tallies:
        total = tally.kinds.total()
        lines.append(
            f"| {tally.ground} | {total:,} | {tally.real_count:,} | "
            f"{tally.real_count - len(tally.overlooked):,} | {len(tally.overlooked)} | "
            f"{total - tally.real_count:,} | {len(tally.refused_wrongly)} |"
        )
    kinds: Counter[tuple[str, bool]] = sum((tally.kinds for tally in tallies), Counter())
    lines += ["", "| what the application did | mutations | of these real |", "| --- | --- | --- |"]
    for kind in sorted({kind for kind, _ in kinds}):
        real, none = kinds[kind, True], kinds[kind, False]
        lines.append(f"| {kind} | {real + none:,} | {real:,} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the campaign; 1 if the judge was wrong once."""
    parser = argparse.ArgumentParser(prog="python -m blb_migration_tests.faults.changed_rows")
    parser.add_argument("--mutations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args(argv)
    draw, tallies = random.Random(options.seed), []
    with ExitStack() as stack:
        server, elsewhere = (stack.enter_context(EmbeddedPostgres()) for _ in range(2))
        engine = stack.enter_context(closing(TsqlEngine()))
        engine.add_login("sa", "Sandbox#1")
        emulator = stack.enter_context(SqlServerEmulator(engine))
        create_source(engine, 1)
        create_zoo(engine)
        for name, source, create, decisions in (
            ("erp", "BLB3D_ERP", create_target, None),
            ("zoo", "ZOO", create_zoo_target, "project: zoo\n"),
        ):
            url = server.create_database(name)
            create(url)
            database = engine.databases[source.lower()]
            chain = Chain(emulator.url(database.name, "sa", "Sandbox#1"), url, database)
            for ground in lay_grounds(server, elsewhere, chain, chain.migrate(decisions), name):
                tally = mutate_ground(ground, options.mutations // 10, draw)
                tallies.append(tally)
                sys.stderr.write(f"{ground.name}: done\n")
                for wrong in (*tally.overlooked, *tally.refused_wrongly):
                    sys.stderr.write(f"  {wrong}\n")
    sys.stdout.write(render(tallies) + "\n")
    return int(any(tally.overlooked or tally.refused_wrongly for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())
