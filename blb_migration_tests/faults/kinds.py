"""The kinds of faults that the campaign mixes; what each does is its functions' first line."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import psycopg
from psycopg import sql

from blb_migration.postgres.ledger.live_mark import mark_live, withdraw_live_mark
from blb_migration_tests.faults.campaign import Kind, Try

_LOCKED = ("customers", "orders", "lines", "employees")
_LEDGER = ("runs", "table_loads", "dropped_keys", "check_results", "sources")
_MODES = ("ACCESS SHARE", "ROW EXCLUSIVE", "ACCESS EXCLUSIVE")
_HOSTILE_SETTINGS = (
    ("DateStyle", "German"),
    ("TimeZone", "Asia/Kathmandu"),
    ("bytea_output", "escape"),
    ("standard_conforming_strings", "off"),
    ("quote_all_identifiers", "on"),
    ("statement_timeout", "300"),
    ("idle_in_transaction_session_timeout", "300"),
    ("lock_timeout", "1"),
    ("default_transaction_isolation", "serializable"),
    ("client_encoding", "LATIN1"),
    ("row_security", "off"),
    ("work_mem", "64kB"),
    ("enable_seqscan", "off"),
    ("extra_float_digits", "-15"),
    ("transform_null_equals", "on"),
)
_OWN_SESSIONS = "FROM pg_stat_activity WHERE datname = current_database() AND usename = %s"
_TABLESPACE_BYTES = 2_600_000


def _kill(attempt: Try) -> None:
    """End the command by SIGKILL."""
    attempt.running.kill()


def _signal(attempt: Try) -> None:
    """Ask the command to end, once or twice."""
    names = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    attempt.running.send(attempt.draw.choice(names))
    if attempt.draw.random() < 0.4:
        pause_seconds = attempt.draw.choice([0.1, 1.2, 2.5])
        attempt.notes.append(f"and again after {pause_seconds:g} s")
        attempt.pause(pause_seconds)
        attempt.running.send(attempt.draw.choice(names))


def _terminate_back_ends(attempt: Try) -> None:
    """End one of the command's sessions with the target, or all of them."""
    limit = attempt.draw.choice([1, 100])
    attempt.ground.execute(
        sql.SQL(
            "SELECT pg_terminate_backend(pid) FROM (SELECT pid {} ORDER BY random() LIMIT {}) own"
        ).format(sql.SQL(_OWN_SESSIONS.replace("%s", "{}")).format(sql.Literal(attempt.ground.name)), limit)
    )


def _restart_target(attempt: Try) -> None:
    """Stop the server at once, or crash it, and have it again."""
    if attempt.draw.random() < 0.5:
        attempt.notes.append("a process of the server killed")
        rows = attempt.ground.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
        os.kill(int(rows[0][0]), signal.SIGKILL)
        time.sleep(0.2)
        _await_target(attempt)
        return
    attempt.servers.postgres.stop()
    attempt.servers.postgres.start()


def _await_target(attempt: Try) -> None:
    for _ in range(200):
        with suppress(psycopg.Error):
            attempt.ground.execute("SELECT 1")
            return
        time.sleep(0.1)


def _mount_small_disk(attempt: Try) -> None:
    """Move a table to a tablespace that has room for little more than it has now."""
    folder = Path(tempfile.mkdtemp(prefix="blb-small-disk-"))
    size = f"size={_TABLESPACE_BYTES}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "none", str(folder)], check=True, capture_output=True)
    owner = attempt.ground.execute("SHOW data_directory")[0][0]
    data = Path(str(owner)).stat()
    os.chown(folder, data.st_uid, data.st_gid)
    folder.chmod(0o700)
    name = sql.Identifier(attempt.ground.name)
    attempt.ground.execute(sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(name, sql.Literal(str(folder))))
    attempt.ground.execute(sql.SQL("ALTER TABLE lines SET TABLESPACE {}").format(name))
    attempt.notes.append(str(folder))


def _fill_disk(attempt: Try) -> None:
    """Leave no room where the table is."""
    folder = Path(attempt.notes[0])
    with suppress(OSError), (folder / "ballast").open("wb") as ballast:
        while True:
            ballast.write(b"\0" * 4096)
            ballast.flush()


def _free_disk(attempt: Try) -> None:
    folder = Path(attempt.notes[0])
    (folder / "ballast").unlink(missing_ok=True)
    name = sql.Identifier(attempt.ground.name)
    attempt.ground.execute("ALTER TABLE lines SET TABLESPACE pg_default")
    attempt.ground.execute("CHECKPOINT")
    attempt.ground.execute(sql.SQL("DROP TABLESPACE {}").format(name))
    subprocess.run(["umount", str(folder)], check=True, capture_output=True)
    folder.rmdir()


def _may_mount() -> bool:
    folder = tempfile.mkdtemp()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=False, capture_output=True
    )
    if done.returncode == 0:
        subprocess.run(["umount", folder], check=True, capture_output=True)
    Path(folder).rmdir()
    return done.returncode == 0


def _lock_table(attempt: Try) -> None:
    """Hold a lock on a table of the target, as a person does who left a transaction open."""
    name, mode = attempt.draw.choice(_LOCKED), attempt.draw.choice(_MODES)
    _hold(attempt, sql.SQL("LOCK TABLE {} IN {} MODE").format(sql.Identifier(name), sql.SQL(mode)))


def _lock_ledger(attempt: Try) -> None:
    """Hold a lock on a table of the ledger."""
    if attempt.ground.has_ledger():
        name = sql.Identifier("blb_migration", attempt.draw.choice(_LEDGER))
        _hold(attempt, sql.SQL("LOCK TABLE {}").format(name))
    else:
        attempt.has_struck = False


def _hold(attempt: Try, statement: sql.Composed) -> None:
    seconds = attempt.draw.choice([3.0, 6.5, 20.0])
    attempt.notes.append(f"{statement.as_string()} for {seconds:g} s")
    person = attempt.ground.open_target()
    person.autocommit = False
    try:
        person.execute("SET lock_timeout = '1s'")
        person.execute(statement)
    except psycopg.errors.LockNotAvailable:  # the command has one of its own
        attempt.has_struck = False
    attempt.later(seconds, person.close)


def _hang(attempt: Try, server: str) -> None:
    """Let nothing through to the server or from it, for a while."""
    seconds = attempt.draw.choice([3.0, 6.5, 12.0])
    attempt.notes.append(f"for {seconds:g} s")
    relay = attempt.find_relay(server)
    relay.hang()
    attempt.later(seconds, relay.go_on)


def _cut(attempt: Try, server: str) -> None:
    """End all connections with the server, and let none in for a moment."""
    seconds = attempt.draw.choice([0.0, 1.0, 8.0])
    attempt.notes.append(f"refused for {seconds:g} s")
    relay = attempt.find_relay(server)
    relay.refuses = seconds > 0
    relay.cut()

    def let_in() -> None:
        relay.refuses = False

    attempt.later(seconds, let_in)


def _write_source(attempt: Try) -> None:
    """Write to the source as its application does, while it is read."""
    attempt.source_moves = True
    statement = attempt.draw.choice(
        [
            "UPDATE dbo.customers SET name = 'new' WHERE id = 3",
            "UPDATE dbo.lines SET note = 'new' WHERE id = 1700",
            "INSERT INTO dbo.lines (id, order_id, note) VALUES (9001, 1, 'new')",
            "DELETE FROM dbo.lines WHERE id = 2999",
            "INSERT INTO dbo.employees (id, manager_id, name) VALUES (900, 1, 'new')",
        ]
    )
    attempt.ground.write_source(statement)


def _go_live(attempt: Try) -> None:
    """Mark the target as live, with rows of its own."""
    attempt.run_to_end()
    ground = attempt.ground
    with ground.open_target() as connection:
        [(run_id,)] = connection.execute(
            "SELECT run_id FROM blb_migration.runs ORDER BY started_at DESC LIMIT 1"
        ).fetchall()
        mark_live(connection, run_id=run_id, night_id="n", operator="ana", host="erp-01", tool_version="1")


def _leave_live(attempt: Try) -> None:
    with attempt.ground.open_target() as connection:
        withdraw_live_mark(connection)


def _run_a_second(attempt: Try) -> None:
    """Start a second run into the same target, at any moment of the first."""
    attempt.environment["BLB_RUN_WAIT"] = attempt.draw.choice(["0", "20"])
    attempt.others.append(attempt.start())


def _set_hostile_settings(attempt: Try) -> None:
    """Have the target's owner set odd things for the role or for the database."""
    name = sql.Identifier(attempt.ground.name)
    whose = attempt.draw.choice(["ROLE", "DATABASE"])
    for setting, value in attempt.draw.sample(_HOSTILE_SETTINGS, 5):
        attempt.notes.append(f"{setting} = {value}")
        attempt.ground.execute(
            sql.SQL("ALTER {} {} SET {} = {}").format(
                sql.SQL(whose), name, sql.Identifier(setting), sql.Literal(value)
            )
        )


def _reset_settings(attempt: Try) -> None:
    for whose in ("ROLE", "DATABASE"):
        attempt.ground.execute(
            sql.SQL("ALTER {} {} RESET ALL").format(sql.SQL(whose), sql.Identifier(attempt.ground.name))
        )


def _plant_hostile_values(attempt: Try) -> None:
    """Have texts in the source that are no text elsewhere."""
    texts = ("'; DROP TABLE customers; --", "\\N", "\\.", "$1 %s {0}", "\u202egnp.exe", "\x7f\x1b]0;x\x07")
    for number, text in enumerate(attempt.draw.sample(texts, 3)):
        quoted = text.replace("'", "''")
        attempt.ground.write_source(f"UPDATE dbo.lines SET note = N'{quoted}' WHERE id = {number + 100}")


def _forbid_a_row(attempt: Try) -> None:
    """Have a rule in the target that preflight cannot ask, and that some row with a secret breaks."""
    attempt.ground.execute(
        "ALTER TABLE customers ADD CONSTRAINT sly CHECK (length(secret || '') < 20) NOT VALID"
    )


def _allow_the_row(attempt: Try) -> None:
    attempt.ground.execute("ALTER TABLE customers DROP CONSTRAINT IF EXISTS sly")


KINDS = (
    Kind("killed", _kill),
    Kind("asked to end by a signal", _signal),
    Kind("dry run killed", _kill, arguments=("--dry-run",)),
    Kind("back ends terminated", _terminate_back_ends, servers=("target",)),
    Kind("target restarted or crashed", _restart_target, servers=("target",)),
    Kind("disk full", _fill_disk, _mount_small_disk, _free_disk, ("target",), is_possible=_may_mount),
    Kind("lock on a table", _lock_table, servers=("target",)),
    Kind("lock on the ledger", _lock_ledger, servers=("target",), loads_before=1.0),
    Kind("source hangs", partial(_hang, server="source"), servers=("source",)),
    Kind("source cut off", partial(_cut, server="source"), servers=("source",)),
    Kind("target cut off", partial(_cut, server="target"), servers=("target",)),
    Kind("target hangs and comes back", partial(_hang, server="target"), servers=("target",)),
    Kind("source written to", _write_source, servers=("source",)),
    Kind("live target", lay=_go_live, mend=_leave_live, servers=()),
    Kind("two runs at once", _run_a_second),
    Kind("hostile settings", lay=_set_hostile_settings, mend=_reset_settings, servers=()),
    Kind("hostile values", lay=_plant_hostile_values, servers=()),
    Kind("secrets in failing rows", lay=_forbid_a_row, mend=_allow_the_row, servers=(), loads_before=0.0),
)
