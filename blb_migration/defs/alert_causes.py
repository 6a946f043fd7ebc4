"""What is worth an alert since the last look: by Dagster's runs, and by the ledger, which has the causes.

One alert per failure: a run that failed is told once, with what failed first in it, however often it is met.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter

from blb_migration.alerts.memory import Memory
from blb_migration.alerts.message import Alert, build_alert, build_run_link
from blb_migration.defs.dead_runs import was_interrupted
from blb_migration.defs.ended_runs import OVER, find_first_failure, is_of, is_on_its_way, read_over_since
from blb_migration.defs.late_night import NOT_BEGUN, SEE_WHY, find_late_night, is_begun_elsewhere, is_night
from blb_migration.defs.resource import MigrationResource, find_kind
from blb_migration.defs.run_tags import OFF_RECORD_TAG, describe_places
from blb_migration.defs.tick_budget import TickOverdue, ask_in_time
from blb_migration.defs.verdict_sensor import record_lost_ends
from blb_migration.errors import MigrationError, TargetError
from blb_migration.settings.environments import REHEARSAL, Environment
from blb_migration.settings.variables import AlertVariables

if TYPE_CHECKING:
    from blb_migration.migration import Migration
    from blb_migration.postgres.ledger.endings import RunEnding
    from blb_migration.report.target_status import TargetStatus

LOOK_BACK = datetime.timedelta(minutes=10)  # a row may be committed later than another one with a later time
OPEN_THE_RUN = "Open the run in Dagster, settle what it says, and run again."
_NOUNS = {"reconcile": "comparison", "cutover": "load of the cutover"}
_VERBS = {
    "failed": "failed",
    "refused": "was refused",
    "interrupted": "was interrupted",
    "not equal": "ended not equal",
    "equal": "ended with a failed check",
}
_BAD = (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)


@dataclass(frozen=True)
class _Ledger:
    """What the target's ledger says now; ``status`` None where it says nothing that counts at the moment."""

    now: datetime.datetime
    endings: tuple[RunEnding, ...]
    status: TargetStatus | None


def find_alerts(
    instance: DagsterInstance, resource: MigrationResource, memory: Memory, now: datetime.datetime
) -> tuple[list[Alert], Memory]:
    """Find what is to be told, and what is then known. Raises ConfigurationError where the databases are not
    configured."""
    voice = _Voice(resource.build_migration("", "verdict"), AlertVariables.read().ui_url)
    alerts, memory = _find_late_night(instance, resource, voice, memory, now)
    if is_on_its_way(instance, resource.environment):  # how it ends is told then
        return alerts, memory
    records = read_over_since(instance, RunsFilter(statuses=OVER, updated_after=memory.runs_since))
    bad = [each for each in records if _is_bad(each.dagster_run, resource.environment)]
    ledger: _Ledger | None = None
    with suppress(TickOverdue):  # what Dagster knows is told all the same
        ledger = ask_in_time(resource, lambda bounded: _ask_ledger(bounded, memory, records))
    told, memory = _find_bad_runs(instance, voice, memory, bad, ledger)
    alerts += told
    last = max((record.update_timestamp for record in records), default=memory.runs_since)
    memory = replace(memory, runs_since=last)
    if ledger is None:
        return alerts, memory
    seen = [ending.finished_at for ending in ledger.endings]
    memory = replace(
        memory,
        ledger_began_at=memory.ledger_began_at or ledger.now,
        ledger_since=max([*seen, memory.ledger_since or ledger.now]),
    )
    if ledger.status is not None:
        turned, memory = _find_turn(voice, memory, ledger.status, is_told=bool(told))
        alerts += turned
    return alerts, memory


class _Voice:
    """Words an alert of one environment: every one names its source and its target."""

    def __init__(self, migration: Migration, ui_url: str | None) -> None:
        self.migration = migration
        self._ui_url = ui_url
        self._places = describe_places(migration)

    def name(self, kind: str) -> str:
        """Name a run of ``kind`` for a title."""
        environment = self.migration.run.environment
        noun = _NOUNS.get(kind, kind)
        return noun if noun == environment else f"{noun} of {environment}"

    def say(
        self, level: str, what: str, reason: str, next_act: str = "", run: Mapping[str, str] | None = None
    ) -> Alert:
        """Word one alert; ``run`` has ``run`` and ``kind`` where it is about one."""
        run_id = (run or {}).get("run")
        return build_alert(
            level,  # type: ignore[arg-type]
            f"{self.migration.project.name}: {what}",
            reason=reason,
            next_act=next_act,
            places={**self._places, **(run or {})},
            link=build_run_link(self._ui_url, run_id),
        )


def _is_bad(run: DagsterRun, environment: Environment) -> bool:
    """Whether the run failed and is of this environment. One that only asked for the verdict is not told: the
    verdict is."""
    return run.status in _BAD and is_of(run, environment) and find_kind(run, environment) != "verdict"


def _ask_ledger(resource: MigrationResource, memory: Memory, records: Sequence[RunRecord]) -> _Ledger | None:
    """Ask the target; None where it does not answer. Ends that no run could write down are put on record."""
    from blb_migration.postgres.ledger.endings import read_clock, read_endings
    from blb_migration.postgres.ledger.live_mark import read_live_mark
    from blb_migration.postgres.target_hold import read_holder
    from blb_migration.report.target_status import read_target_status

    migration = resource.build_migration("", "verdict")
    runs = [each.dagster_run for each in records if is_of(each.dagster_run, resource.environment)]
    with suppress(MigrationError):  # the verdict's sensor tries again
        record_lost_ends(runs, resource)
    try:
        with migration.target.connect() as connection:
            now = read_clock(connection)
            since = max((memory.ledger_since or now) - LOOK_BACK, memory.ledger_began_at or now)
            endings = read_endings(connection, since, [run.run_id for run in runs])
            # While another command loads, or once the target is live, the verdict tells of no failure.
            is_quiet = read_live_mark(connection) is None and read_holder(connection) is None
    except TargetError:
        return None
    status = None
    with suppress(TargetError):  # nothing was ever loaded, or nobody may read what was
        status = read_target_status(migration.target) if is_quiet else None
    return _Ledger(now, endings, status)


def _find_bad_runs(
    instance: DagsterInstance,
    voice: _Voice,
    memory: Memory,
    bad: Sequence[RunRecord],
    ledger: _Ledger | None,
) -> tuple[list[Alert], Memory]:
    by_id = {record.dagster_run.run_id: record for record in bad}
    endings = {ending.run_id: ending for ending in (ledger.endings if ledger is not None else ())}
    alerts = []
    for run_id in (*endings, *(run_id for run_id in by_id if run_id not in endings)):
        ending, record = endings.get(run_id), by_id.get(run_id)
        is_bad = record is not None or (ending is not None and not ending.is_good)
        if not is_bad or run_id in memory.told:
            continue
        if ending is not None:
            alerts.append(_tell_ending(voice, ending, ledger.status if ledger is not None else None))
            began_at = ending.started_at
        else:
            assert record is not None
            alerts.append(_tell_run(instance, voice, record.dagster_run))
            began_at = record.create_timestamp
        memory = memory.tell(run_id).turn_bad(began_at)
    return alerts, memory


def _tell_ending(voice: _Voice, ending: RunEnding, status: TargetStatus | None) -> Alert:
    """Tell of a run by its entry in the ledger; ``status`` is the target's, by the run in force."""
    reason, next_act = next(iter(ending.errors), ""), OPEN_THE_RUN
    if is_night(ending.run_id):  # the verdict's sensor has found it since this look began
        return voice.say("failure", NOT_BEGUN, reason.removeprefix(f"{NOT_BEGUN}. "), SEE_WHY)
    if status is not None and status.run_id == ending.run_id:
        next_act = str(status.document["next_act"])
        reason = reason or next(_list_reasons(status), "")
    return voice.say(
        "failure",
        f"{voice.name(ending.kind)} {_VERBS[ending.outcome]}",
        reason or "Its entry in the ledger names no reason.",
        next_act,
        {"run": ending.run_id, "kind": ending.kind},
    )


def _tell_run(instance: DagsterInstance, voice: _Voice, run: DagsterRun) -> Alert:
    """Tell of a run that the ledger does not know: it was kept out, or the target does not answer."""
    kind = find_kind(run, voice.migration.run.environment)
    verb = _VERBS["interrupted" if was_interrupted(run) else "failed"]
    if OFF_RECORD_TAG in run.tags:
        verb = _VERBS["refused"]
    reason = find_first_failure(instance, run.run_id) or "Dagster names no reason."
    places = {"run": run.run_id, "kind": kind}
    return voice.say("failure", f"{voice.name(kind)} {verb}", reason, OPEN_THE_RUN, places)


def _list_reasons(status: TargetStatus) -> Iterator[str]:
    for reason in status.reasons:
        yield reason.sentence if reason.about == "the last run" else f"{reason.about}: {reason.sentence}"


def _find_turn(
    voice: _Voice, memory: Memory, status: TargetStatus, *, is_told: bool
) -> tuple[list[Alert], Memory]:
    """Tell that the verdict went red without a run that failed, or that all is equal again."""
    document = status.document
    run = {"run": status.run_id, "kind": str(document["run"]["kind"])}
    if memory.is_good is None:
        return [], replace(memory, is_good=status.may_cut_over)
    if not status.may_cut_over and memory.is_good and not is_told:
        reason = next(_list_reasons(status), str(document["verdict"]))
        what = "a check went red, may_we_cut_over says no"
        alert = voice.say("failure", what, reason, str(document["next_act"]), run)
        return [alert], memory.turn_bad(None)
    if status.may_cut_over and not memory.is_good:
        began_at = datetime.datetime.fromisoformat(str(document["run"]["started_at"]))
        # The report gives whole seconds.
        if memory.good_after is None or began_at >= memory.good_after.replace(microsecond=0):
            alert = voice.say(
                "success", f"{voice.name(run['kind'])}: equal again", document["verdict"], "", run
            )
            return [alert], replace(memory, is_good=True, good_after=None)
    return [], memory


def _find_late_night(
    instance: DagsterInstance,
    resource: MigrationResource,
    voice: _Voice,
    memory: Memory,
    now: datetime.datetime,
) -> tuple[list[Alert], Memory]:
    """Tell that the night's rehearsal did not begin, or is not over, in time: once a night."""
    if resource.environment != REHEARSAL:
        return [], memory
    night = find_late_night(instance, now, memory.began_at)
    if night is None or night.key in memory.told:
        return [], memory
    with suppress(MigrationError):  # told though no ledger answers
        if night.run_id is None and ask_in_time(resource, lambda bounded: is_begun_elsewhere(night, bounded)):
            return [], memory
    run = None if night.run_id is None else {"run": night.run_id, "kind": REHEARSAL}
    alert = voice.say("failure", night.what, night.reason, night.next_act, run)
    return [alert], memory.tell(night.key).turn_bad(night.due)
