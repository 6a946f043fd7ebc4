"""What the campaign's nights are carried out on: one rehearsed shop, of which each night gets a copy.

A night has a target of its own (a copy of the rehearsed database), folders, services and a journal of its
own; the source is shared by the nights of one ground, one after the other, since none of them writes to it.
"""

from __future__ import annotations

import itertools
import json
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import psycopg
import pytest
from psycopg import sql

from blb_migration_tests.cli.servers import (
    DECISIONS,
    PASSWORD,
    TARGET_TABLES,
    USER,
    Answer,
    Servers,
    Shop,
    fill_source,
)
from blb_migration_tests.cutover.town import Town, build_town, end_services, prepare_night
from blb_migration_tests.faults.cutover_commands import Commands, Kill

_CAPTURE = cast("pytest.CaptureFixture[str]", None)  # its commands write to files
End = Literal["whole", "back", "between"]
# The application notes who logs in, by a sequence.
LOG_INS = "CREATE TABLE log_ins (id serial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp())"


@dataclass(frozen=True)
class OwnShop(Shop):
    """A shop whose commands are processes of their own."""

    def run(
        self,
        *arguments: str,
        urls: Sequence[str] | None = None,
        kill: Kill | None = None,
        acts: Path | None = None,
    ) -> Answer:
        """Run the command on this shop, to its end or to where it is killed."""
        given = ["--source-conn", self.source_url, "--target-conn", self.target_url] if urls is None else urls
        commands = Commands({"SHOP_TARGET": self.target_url})
        answer = commands.run([*given, "--project", str(self.folder), *arguments], kill, acts)
        said = answer.out + answer.err
        assert PASSWORD not in said, "a password was shown"
        assert "Traceback" not in said, said
        return answer


class Ground:
    """A source and a rehearsed target. Nights on one ground are carried out one after the other."""

    def __init__(self, servers: Servers, name: str) -> None:
        self._servers = servers
        self._name = name
        self._numbers = itertools.count(1)
        self._folder = Path(tempfile.mkdtemp(prefix="blb-night-"))
        servers.engine.add_login(USER, PASSWORD)
        fill_source(servers.engine, name)
        servers.postgres.create_database(name)
        shop = self._build_shop(self._folder / "rehearsal", name)
        shop.target(TARGET_TABLES)
        shop.target(LOG_INS)
        shop.target("INSERT INTO log_ins (at) SELECT now() FROM generate_series(1, 50)")
        planned = shop.run("plan")
        assert planned.code == 0, planned.err
        rehearsed = shop.migrate()
        assert rehearsed.code == 0, rehearsed.err
        self._plan = shop.folder

    @contextmanager
    def open_night(self) -> Iterator[Town]:
        """Yield a night with production running, as people find it in the evening."""
        name = f"{self._name}_{next(self._numbers)}"
        self._copy_target(name)
        folder = self._folder / name
        town = prepare_night(build_town(self._build_shop(folder / "project", name), folder))
        shutil.copytree(self._plan, town.shop.folder, dirs_exist_ok=True)
        try:
            town.start()
            town.write()
            yield town
        finally:
            end_services(town)
            self._servers.postgres.drop_database(name)
            shutil.rmtree(folder, ignore_errors=True)

    def write_source(self, statement: str) -> None:
        """Write to the source behind everybody's back."""
        self._servers.engine.databases[self._name.lower()].execute_native(statement)

    def close(self) -> None:
        """Drop what was made."""
        self._servers.postgres.drop_database(self._name)
        self._servers.engine.drop_database(self._name)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _copy_target(self, name: str) -> None:
        # By files: a copy by WAL leaves sequences that fall back when the server crashes (PostgreSQL's own).
        with psycopg.connect(self._servers.postgres.url(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                    sql.Identifier(name), sql.Identifier(self._name)
                )
            )
            # What is committed must outlive a crash, as on a server that people keep.
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET synchronous_commit = on").format(sql.Identifier(name))
            )

    def _build_shop(self, folder: Path, target: str) -> OwnShop:
        folder.mkdir(parents=True)
        (folder / "decisions.yaml").write_text(DECISIONS, encoding="utf-8")
        source_url = self._servers.sql_server.url(self._name, USER, PASSWORD)
        return OwnShop(self._servers, source_url, self._servers.postgres.url(target), folder, _CAPTURE)


def shop_of(town: Town) -> OwnShop:
    """Return the town's shop as what it is on a ground."""
    assert isinstance(town.shop, OwnShop)
    return town.shop


def read_journal(town: Town) -> list[dict[str, Any]]:
    """Read the journal's file; nothing where there is none."""
    path = Path(town.settings["records"], "journal.jsonl")
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def judge(town: Town) -> tuple[End, str]:
    """Say where the night stands by looking at everything that it touches, and why it is between."""
    target, database = town.shop.target, town.who()
    marks = target("SELECT count(*) FROM blb_migration.cutover WHERE withdrawn_at IS NULL")[0][0]
    in_ledger = [
        (row[0], row[1]) for row in target(
            "SELECT step, event FROM blb_migration.night_lines ORDER BY night_id, line_no"
        )
    ]  # fmt: skip
    lines = [(line["step"], line["event"]) for line in read_journal(town)]
    folders = sorted(path.name for path in town.production.parent.iterdir())
    faults = [] if lines == in_ledger else ["the journal's file and ledger differ"]
    faults += ["the test backend still runs"] if _listens(town.test_port) else []
    if database == "postgresql":
        faults += [] if marks == 1 else [f"{marks} live marks"]
        faults += [] if len(folders) == 2 and not town.new.exists() else [f"folders {folders}"]
        return ("between", "; ".join(faults)) if faults else ("whole", "")
    if database is None:
        return "between", "production does not answer"
    faults += [] if marks == 0 else ["the live mark stands"]
    faults += [] if folders == [town.new.name, town.production.name] else [f"folders {folders}"]
    for folder in (town.new, town.production):
        names = sorted(path.name for path in folder.glob(".env*")) if folder.exists() else []
        if names != [".env"]:
            faults.append(f"{folder.name} has {names}")
        elif "DB_TYPE=sqlserver" not in (folder / ".env").read_text(encoding="utf-8"):
            faults.append(f"{folder.name} still names PostgreSQL")
    if target("SELECT to_regnamespace('blb_migration_kept') IS NOT NULL") == [(True,)]:
        faults.append("copies of the target are left")
    if lines and lines[-1] != ("night", "ended"):
        faults.append("the journal does not say that the night is over")
    return ("between", "; ".join(faults)) if faults else ("back", "")


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
