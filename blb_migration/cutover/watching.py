"""One look at the application after the cutover, and what in it is worth an alert. Loops nowhere.

What counts up is compared with the look before, which the ledger keeps: so the command, the schedule and
another machine may look by turns.
"""

from __future__ import annotations

import datetime
import glob
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from blb_migration.cutover.answering import ask
from blb_migration.cutover.live_state import LiveState, read_live_state
from blb_migration.cutover.night import Night
from blb_migration.cutover.night_models import WatchedLog
from blb_migration.cutover.watch_alerts import Alarm, tell_alarms
from blb_migration.cutover.watch_page import LOOKS_SHOWN, PAGE_FILE, render_watch_page
from blb_migration.errors import TargetError
from blb_migration.postgres.activity import read_counters, read_sequence_shares
from blb_migration.postgres.ledger.watch_rows import WatchRow, add_watch_row, read_watch_rows
from blb_migration.private_files import make_private_folder, open_private
from blb_migration.progress.quantities import format_duration

_LINES_SHOWN = 3
_LINE_WIDTH = 160
_LARGEST_READ = 4 * 1024 * 1024


@dataclass(frozen=True)
class _Log:
    offset: int
    errors: tuple[str, ...]


def watch_once(night: Night) -> WatchRow:
    """Look once, tell people what is new, write the ledger's row if the target answers, and the page.

    Returns the row.
    """
    rows = _read_last(night, night.journal.last_night_id)
    facts, alarms = _look_around(night, rows[0] if rows else None)
    unsent = tell_alarms(night, alarms)
    texts = [alarm.text for alarm in alarms] + ([f"nobody was told: {unsent}"] if unsent else [])
    row = WatchRow(night.now(), _mask(night, facts), tuple(night.mask(text) for text in texts))
    unwritten = _write_page(night, (row, *rows), read_live_state(night.journal))
    if unwritten is not None:
        row = replace(row, alerts=(*row.alerts, unwritten))
    with suppress(TargetError), night.target.connect() as connection:
        add_watch_row(connection, night.journal.last_night_id or "none", row)
    return row


def write_watch_page(night: Night) -> None:
    """Have the page say where the night stands, without a look; where none was ever live there is no page.

    A page that cannot be written stands in nobody's way here: the next look says so.
    """
    state = read_live_state(night.journal)
    if state.night_id is None:
        return
    is_there = state.postponed is None  # the target, which a rollback need not wait for once more
    _write_page(night, _read_last(night, state.night_id) if is_there else (), state)


def _write_page(night: Night, rows: Sequence[WatchRow], state: LiveState) -> str | None:
    """Write it; returns why it cannot be written."""
    page = night.records / PAGE_FILE
    text = render_watch_page(night.project.title, rows, night.settings.watch.every_seconds, state)
    try:
        make_private_folder(page.parent)
        with open_private(page, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        return f"the page {page} cannot be written ({error.strerror or error})"
    return None


def _mask(night: Night, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts without secrets, which an application may have written into its log."""
    errors = facts.get("log_errors")
    if errors is None:
        return dict(facts)
    return {**facts, "log_errors": {path: [*map(night.mask, lines)] for path, lines in errors.items()}}


def _read_last(night: Night, night_id: str | None) -> tuple[WatchRow, ...]:
    with suppress(TargetError), night.target.connect() as connection:
        return read_watch_rows(connection, night_id or "none", limit=LOOKS_SHOWN)
    return ()


def _look_around(night: Night, before: WatchRow | None) -> tuple[dict[str, Any], list[Alarm]]:
    settings, alarms = night.settings.watch, list[Alarm]()
    facts = dict[str, Any]()
    old: Mapping[str, Any] = before.facts if before is not None else {}
    for address in _list_addresses(night):
        reply = ask(address)
        facts.setdefault("health", {})[address] = reply.found
        if not reply.is_there:
            alarms.append(Alarm(f"{address} is not healthy", reply.found))
    # A log that was not there at the last look is new: all of it is read.
    begin = None if before is None else 0
    logs = {
        path: _read_log(log, path, old.get("logs", {}).get(path, begin))
        for log in settings.logs
        for path in _find(log)
    }
    facts["logs"] = {path: log.offset for path, log in logs.items()}
    for path, log in logs.items():
        if log.errors:
            new = f"{path}: {len(log.errors)} new errors"
            told = f"{new}. The first lines are in the ledger, blb_migration.watch_rows"
            alarms.append(Alarm(f"errors in {path}", f"{new}, first: {log.errors[0]}", told))
            facts.setdefault("log_errors", {})[path] = list(log.errors[:_LINES_SHOWN])
    try:
        with night.target.connect() as connection:
            found = read_counters(connection)
            shares = read_sequence_shares(connection)
    except TargetError as error:
        alarms.append(Alarm("the target does not answer", f"the target does not answer: {error.found}"))
        return facts, alarms
    counters = {
        "commits": found.commits,
        "rollbacks": found.rollbacks,
        "deadlocks": found.deadlocks,
        "rows_written": found.rows_written,
    }
    facts["counters"] = counters
    facts["sequences"] = {name: round(share, 1) for name, share in list(shares.items())[:_LINES_SHOWN]}
    alarms += _judge_counters(counters, old.get("counters"))
    alarms += [
        Alarm(f"sequence {name} is nearly used up", f"sequence {name} is used up to {share:.1f} %")
        for name, share in shares.items()
        if share >= settings.sequence_percent
    ]
    facts["busy_at"] = _find_busy(night, counters, before)
    idle = night.now() - datetime.datetime.fromisoformat(facts["busy_at"])
    if idle >= datetime.timedelta(minutes=settings.idle_minutes):
        text = f"nothing was written for {format_duration(idle.total_seconds())}: is the application used?"
        alarms.append(Alarm("nothing is written", text))
    return facts, alarms


def _list_addresses(night: Night) -> Sequence[str]:
    addresses = [service.answers for service in night.settings.services]
    health = night.settings.live.health
    return dict.fromkeys([*addresses, *([health] if health else [])]).keys()  # type: ignore[return-value]


def _judge_counters(now: Mapping[str, int], before: Mapping[str, int] | None) -> list[Alarm]:
    if before is None:
        return []
    alarms = []
    # Counters begin anew when the server was restarted after a crash.
    failed = now["rollbacks"] - before["rollbacks"]
    if failed > 0:
        alarms.append(Alarm("transactions fail", f"{failed:,} transactions failed since the last look"))
    deadlocks = now["deadlocks"] - before["deadlocks"]
    if deadlocks > 0:
        alarms.append(Alarm("deadlocks", f"{deadlocks:,} deadlocks since the last look"))
    return alarms


def _find_busy(night: Night, counters: Mapping[str, int], before: WatchRow | None) -> str:
    """Return when something was last seen to be written."""
    if before is not None and "counters" in before.facts:
        is_same = before.facts["counters"]["rows_written"] == counters["rows_written"]
        if is_same and "busy_at" in before.facts:
            return str(before.facts["busy_at"])
    return night.now().isoformat()


def _find(log: WatchedLog) -> list[str]:
    return sorted(glob.glob(log.file))  # noqa: PTH207  # an absolute pattern, of either system


def _read_log(log: WatchedLog, path: str, offset: int | None) -> _Log:
    """Read what is new in a log since ``offset``: None reads nothing, of a shorter one all is read."""
    try:
        size = Path(path).stat().st_size
        if offset is None:
            return _Log(size, ())
        begin = offset if size >= offset else 0
        with Path(path).open("rb") as file:
            place = max(begin, size - _LARGEST_READ)
            file.seek(place)
            content = file.read(size - place)
    except OSError:
        return _Log(offset or 0, ())
    # A line that is still being written is the next look's, but for one as long as all that is read.
    whole = content[: content.rfind(b"\n") + 1] or (content if len(content) >= _LARGEST_READ else b"")
    text = whole.decode("utf-8", errors="replace")
    pattern = re.compile(log.error)
    errors = tuple(line.strip()[:_LINE_WIDTH] for line in text.splitlines() if pattern.search(line))
    return _Log(place + len(whole), errors)
