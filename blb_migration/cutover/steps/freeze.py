"""Step 2: nobody writes to the source any more. Services stopped, sessions gone, the source marker taken."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from blb_migration.cutover.answering import ask, is_silent, start_services, stop_services
from blb_migration.cutover.commands import show_command
from blb_migration.cutover.journal import StepRecord
from blb_migration.cutover.night import Night
from blb_migration.cutover.night_models import AllowedSession
from blb_migration.cutover.step import Answer, Scribe, StepFailed, World, good, later, note, obstacle
from blb_migration.cutover.steps.plain_step import PlainStep
from blb_migration.progress.quantities import count
from blb_migration.source_marker import MarkerVerdict, SourceMarker, compare_markers
from blb_migration.sqlserver.backups import read_server_time
from blb_migration.sqlserver.marker import read_marker
from blb_migration.sqlserver.server_state import GRANT
from blb_migration.sqlserver.sessions import ClientSession, read_sessions

_NAMED = 8
_PAUSE_SECONDS = 1.0


class FreezeStep(PlainStep):
    """Stops the services, waits until the sessions are gone, takes the marker."""

    name = "freeze"

    def describe(self, night: Night) -> Sequence[str]:
        """Say what it would do."""
        lines = [
            f"stop {service.name}: {show_command(service.stop)}; {service.answers} must fall silent"
            for service in night.settings.services
            if service.stop is not None
        ]
        wait = night.settings.freeze.wait_seconds
        return (*lines, f"wait at most {wait:g} s until no session is left, then take the source marker")

    def check(self, night: Night) -> Sequence[Answer]:
        """Ask for the right to see sessions, and who is there now."""
        return tuple(_ask_services(night)) + tuple(_ask_sessions(night))

    def look(self, night: Night, record: StepRecord) -> World:
        """Done as long as no service answers and no session is there; from the switch on, as it was done."""
        if night.journal.record("switch").was_begun:
            return World(bool(record.evidence), "the source was frozen; the switch is under way or done")
        still = describe_thaw(night)
        if still:
            return World(False, "the source is not frozen any more: " + "; ".join(still))
        return World(bool(record.evidence), "services silent, no session on the source")

    def act(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Stop, wait, and take the marker, in this order."""
        scribe.intend(stops=[service.name for service in night.settings.services])
        stopped = stop_services(night, night.settings.services)
        left, allowed = _wait_for_sessions(night, scribe)
        with night.source.connect() as session:
            server_time = read_server_time(session)
        marker = take_marker(night)
        return {
            "services": stopped,
            "sessions_left": [str(one) for one in left],
            "sessions_allowed": allowed,
            "went_on_because": night.settings.freeze.go_on_with_sessions if left else None,
            "frozen_at": night.now().isoformat(),
            "server_time": server_time.isoformat(),
            "marker": marker.to_json(),
        }

    def undo(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Start the services again."""
        return {"services": start_services(night, night.settings.services)}


def take_marker(night: Night) -> SourceMarker:
    """Read the source marker of all planned tables, now. Raises SourceError."""
    tables = [table.source.name for table in night.project.plan.tables]
    with night.source.connect() as session:
        return read_marker(session, tables)


def read_frozen_marker(night: Night) -> SourceMarker | None:
    """Return the marker that the freeze took in this night, or None where it was left out."""
    kept = night.journal.record("freeze").evidence.get("marker")
    return None if kept is None else SourceMarker.from_json(kept)


def compare_frozen(night: Night) -> MarkerVerdict | None:
    """Compare the source with what the freeze has seen; None where the freeze was left out."""
    before = read_frozen_marker(night)
    return None if before is None else compare_markers(before, take_marker(night))


def describe_thaw(night: Night) -> list[str]:
    """Say who could write to the source now: services that answer, sessions that are not allowed."""
    still = [
        f"{service.name} answers at {service.answers}"
        for service in night.settings.services
        if not is_silent(service.answers)
    ]
    if night.settings.freeze.go_on_with_sessions is None:
        strangers, _ = _sort_sessions(night)
        still += [str(one) for one in strangers or ()]
    return still


def _ask_services(night: Night) -> Iterator[Answer]:
    if not night.settings.services:
        yield note(
            "services", "cutover.yaml names none: whoever writes to the source must be stopped by hand"
        )
    for service in night.settings.services:
        found = ask(service.answers).found
        if is_silent(service.answers):
            yield good(f"service {service.name}", f"is not running: {found}")
        else:
            yield later(f"service {service.name}", f"{found}; this step stops it")


def _ask_sessions(night: Night) -> Iterator[Answer]:
    strangers, allowed = _sort_sessions(night)
    if strangers is None:
        yield obstacle(
            "sessions",
            f"the log-in {night.source.settings.username or 'of this process'} may not see who is connected",
            f"Have an administrator run: {GRANT}",
        )
        return
    for who, reason in allowed:
        yield note("sessions", f"{who}; allowed: {reason}")
    if not strangers:
        yield good("sessions", "nobody but this command is connected to the source database")
    for session in strangers[:_NAMED]:
        yield later("sessions", f"{session}; must be gone by then")
    if len(strangers) > _NAMED:
        yield later("sessions", f"and {len(strangers) - _NAMED} more")


def _sort_sessions(
    night: Night,
) -> tuple[list[ClientSession] | None, list[tuple[ClientSession, str]]]:
    """Read the sessions: those that must go (None where they cannot be seen), and those allowed, and why."""
    with night.source.connect() as session:
        found = read_sessions(session)
    if found is None:
        return None, []
    strangers, allowed = [], []
    for one in found:
        rule = next((rule for rule in night.settings.freeze.allowed_sessions if _matches(rule, one)), None)
        if rule is None:
            strangers.append(one)
        else:
            allowed.append((one, rule.reason))
    return strangers, allowed


def _matches(rule: AllowedSession, session: ClientSession) -> bool:
    pairs = ((rule.login, session.login), (rule.program, session.program), (rule.host, session.host))
    return all(
        pattern is None or fnmatch.fnmatchcase(value.casefold(), pattern.casefold())
        for pattern, value in pairs
    )


def _wait_for_sessions(night: Night, scribe: Scribe) -> tuple[list[ClientSession], list[str]]:
    """Wait until nobody is left. Returns who is there by decision all the same, and who was allowed."""
    settings = night.settings.freeze
    ends_at = time.monotonic() + settings.wait_seconds
    told = False
    while True:
        strangers, allowed = _sort_sessions(night)
        if strangers is None:
            raise StepFailed(
                "the source's sessions",
                found="the log-in may not see who is connected",
                expected="VIEW SERVER STATE",
                next_act=f"Have an administrator run: {GRANT}",
            )
        shown = [f"{one}; allowed: {reason}" for one, reason in allowed]
        if not strangers:
            return [], shown
        if time.monotonic() >= ends_at:
            break
        if not told:
            waited_for = count(len(strangers), "session")
            scribe.tell(f"waiting for {waited_for} to end, the first: {strangers[0]}")
            told = True
        night.sleep(min(_PAUSE_SECONDS, settings.wait_seconds))
    if settings.go_on_with_sessions is not None:
        return strangers, shown
    named = "; ".join(str(one) for one in strangers[:_NAMED])
    left = count(len(strangers), "session")
    raise StepFailed(
        "the freeze",
        found=f"{left} still on the source after {settings.wait_seconds:g} s: {named}",
        expected="nobody connected but this command and what freeze.allowed_sessions names",
        next_act="End them, allow them in cutover.yaml with a reason, or decide freeze.go_on_with_sessions",
    )
