"""A source that is written to at a random moment of a run: is more ever called equal than was read?

python -m blb_migration_tests.faults.changing_source --runs 200

Each run loads three small tables, checks them and ends, while another session writes one row at a random
moment of it. What the source offers is drawn as well: Change Tracking, its counters, or little more than the
number of rows. Then both sides are compared cell by cell, without the tool.
"""

from __future__ import annotations

import argparse
import datetime
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass

import pyarrow as pa
from rich.console import Console

from blb_migration.model import UniqueKey
from blb_migration.postgres.ledger.judgement import read_cutover_answer
from blb_migration.report.document import build_report
from blb_migration.report.ending import record_ending
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.sandbox.emulator.results import ResultSet
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration_tests.catalogs import table
from blb_migration_tests.chain import Chain

TABLES = ("parents", "children", "others")
DECISIONS = "project: changing\n"
ROWS = 40
PASSWORD = "Sandbox#1"
WRITES = (
    "UPDATE dbo.{table} SET name = '{letter}' WHERE id = {row}",
    "INSERT INTO dbo.{table} (id, name) VALUES ({fresh}, '{letter}')",
    "DELETE FROM dbo.{table} WHERE id = {row}",
)


@dataclass(frozen=True)
class Write:
    """What was written, and when."""

    sql: str
    began_at: datetime.datetime
    ended_at: datetime.datetime


@dataclass(frozen=True)
class Offer:
    """What the source offers to the marker: the log-in that reads, and whether changes are tracked."""

    name: str
    user: str
    is_tracked: bool

    @property
    def sees_every_write(self) -> bool:
        """Whether the marker must see any write; without it "no sign" is all that is said."""
        return self.is_tracked or self.user == "reader"


OFFERS = (
    Offer("Change Tracking", "clerk", True),
    Offer("counters", "reader", False),
    Offer("numbers of rows", "clerk", False),
)


@dataclass(frozen=True)
class Pair:
    """A source with its writer, and its target."""

    chain: Chain
    engine: TsqlEngine
    server: SqlServerEmulator
    offer: Offer

    def write(self, sql: str) -> None:
        """Write as the source's application does."""
        session = self.engine.login("writer", PASSWORD, self.chain.database.name)
        list(session.execute(sql))
        session.close()

    def reads_alike(self) -> bool:
        """Whether both sides hold the same, asked without the tool."""
        session = self.engine.login("writer", PASSWORD, self.chain.database.name)
        try:
            for name in TABLES:
                [result] = session.execute(f"SELECT id, name FROM dbo.{name}")
                assert isinstance(result, ResultSet)
                source = sorted(tuple(row.values()) for batch in result.batches for row in batch.to_pylist())
                target = sorted(self.chain.execute(f"SELECT id, name FROM {name}"))
                if source != target:
                    return False
        finally:
            session.close()
        return True


def open_pair(
    engine: TsqlEngine, server: SqlServerEmulator, postgres: EmbeddedPostgres, offer: Offer
) -> Pair:
    """Make a source of three tables, and an empty target for it."""
    name = f"changing_{offer.name.replace(' ', '_').lower()}_{time.monotonic_ns()}"
    engine.add_login("writer", PASSWORD)
    engine.add_login("reader", PASSWORD, read_only=True)
    engine.add_login("clerk", PASSWORD, read_only=True, sees_server_state=False)
    database = engine.create_database(name)
    target_url = postgres.create_database(name)
    chain = Chain(server.url(name, offer.user, PASSWORD), target_url, database)
    for each in TABLES:
        database.create_table(
            table(each, "id int not null", "name nvarchar(10)", primary_key=UniqueKey(f"PK_{each}", ("id",)))
        )
        rows = {"id": pa.array(range(ROWS), pa.int32()), "name": [f"{number % 7}" for number in range(ROWS)]}
        database.load(f"dbo.{each}", pa.table(rows))
        chain.execute(f"CREATE TABLE {each} (id integer PRIMARY KEY, name varchar(10))")
    pair = Pair(chain, engine, server, offer)
    if offer.is_tracked:
        pair.write(f"ALTER DATABASE {name} SET CHANGE_TRACKING = ON (AUTO_CLEANUP = ON)")
        for each in TABLES:
            pair.write(f"ALTER TABLE dbo.{each} ENABLE CHANGE_TRACKING")
    return pair


def draw_write(draw: random.Random, number: int) -> str:
    """Draw a change that leaves some cell other than before."""
    return draw.choice(WRITES).format(
        table=draw.choice(TABLES), letter=chr(97 + number % 26), row=draw.randrange(ROWS), fresh=1000 + number
    )


def run_once(pair: Pair, draw: random.Random, number: int, usual_seconds: float) -> tuple[str, float]:
    """Carry out one run beside one write, and say what became of it; ``FALSE: …`` is what must never be."""
    written: list[Write] = []

    def write_later(delay: float, sql: str) -> None:
        time.sleep(delay)
        began_at = datetime.datetime.now(datetime.UTC)
        pair.write(sql)
        written.append(Write(sql, began_at, datetime.datetime.now(datetime.UTC)))

    writer = threading.Thread(
        target=write_later, args=(draw.uniform(0, usual_seconds * 1.05), draw_write(draw, number))
    )
    started_at = time.monotonic()
    writer.start()
    migration = pair.chain.migrate(DECISIONS)
    pair.chain.check(migration)
    record_ending(migration)
    seconds = time.monotonic() - started_at
    report = build_report(migration)
    with migration.target.connect() as connection:
        answer = read_cutover_answer(connection)
    writer.join()
    return judge(pair, written[0], report, may_cut_over=answer.answer), seconds


def judge(pair: Pair, write: Write, report: dict[str, object], *, may_cut_over: bool) -> str:
    """Hold what was said against what is there."""
    verdict, read = str(report["verdict"]), report["source_read"]
    assert isinstance(read, dict)
    ended = datetime.datetime.fromisoformat(str(read["marker_until"]))
    if verdict.startswith("Equal: ") and not pair.offer.is_tracked:
        return _false(write, "equal without a bound, and nothing proves it")
    if verdict.startswith("Not equal"):
        return "not equal"
    if read["movement"] == "moved":
        if may_cut_over:
            return _false(write, "it moved, and the answer is yes")
        return "equal to what was read, and the write named"
    return _judge_unseen(pair, write, verdict, ended)


def _judge_unseen(pair: Pair, write: Write, verdict: str, ended: datetime.datetime) -> str:
    """Say whether the marker had to see what it did not."""
    if write.began_at >= ended:
        return "written after the end"
    if pair.reads_alike():
        return "written before its table was read"
    if pair.offer.sees_every_write:
        return _false(write, f"said to stand still: {verdict}")
    return "equal to what was read, no more; no sign could be seen"


def _false(write: Write, why: str) -> str:
    return f"FALSE: {write.sql}: {why}"


def run_campaign(
    runs: int, seed: int, engine: TsqlEngine, server: SqlServerEmulator, postgres: EmbeddedPostgres
) -> Counter[tuple[str, str]]:
    """Carry out ``runs`` runs over what a source can offer, and count what became of them."""
    draw = random.Random(seed)
    pairs = [open_pair(engine, server, postgres, offer) for offer in OFFERS]
    outcomes: Counter[tuple[str, str]] = Counter()
    usual_seconds = 1.0
    for number in range(runs):
        pair = pairs[number % len(pairs)]
        outcome, seconds = run_once(pair, draw, number, usual_seconds)
        usual_seconds = 0.7 * usual_seconds + 0.3 * seconds
        outcomes[pair.offer.name, outcome] += 1
    for pair in pairs:
        postgres.drop_database(pair.chain.database.name)
    return outcomes


def main() -> None:
    """Run the long form, and print its table. Exits with 1 if anything false was said."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    engine = TsqlEngine()
    with SqlServerEmulator(engine) as server, EmbeddedPostgres() as postgres:
        outcomes = run_campaign(options.runs, options.seed, engine, server, postgres)
    console = Console(width=120)
    for (offer, outcome), times in sorted(outcomes.items()):
        console.print(f"{times:>5}  {offer:<16}  {outcome}")
    wrong = sum(times for (_, outcome), times in outcomes.items() if outcome.startswith("FALSE"))
    console.print(f"{sum(outcomes.values())} runs, {wrong} false")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
