"""Step 9: production's folder away, the new one in its place, services up. Undone by the same renames back.

Right before, the freeze is looked at once more, and what the target holds is kept: whatever is written from
here on is known to a rollback, which saves it before SQL Server serves again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from blb_migration.cutover.answering import ask, start_services, stop_services
from blb_migration.cutover.folders import (
    Rename,
    carry_over,
    find_holders,
    is_link,
    is_same_volume,
    plan_renames,
    rename_folder,
)
from blb_migration.cutover.journal import StepRecord
from blb_migration.cutover.kept import keep_target
from blb_migration.cutover.night import Night
from blb_migration.cutover.night_models import ConfigFile
from blb_migration.cutover.saving import describe_saving, save_and_release
from blb_migration.cutover.step import Answer, Scribe, World, good, later, note, obstacle
from blb_migration.cutover.steps.configure import ask_files, change_files, restore_files
from blb_migration.cutover.steps.plain_step import PlainStep
from blb_migration.cutover.steps.prove import refuse_moved
from blb_migration.cutover.steps.run_migration import ask_load
from blb_migration.postgres.kept_rows import BY_AGE, KeptTable, read_kept_tables
from blb_migration.postgres.ledger.versions import has_ledger

_NAMED = 5
_KEPT_LATE = (
    "the copies were gone, and what the application wrote earlier is not known to a rollback; it stays "
    "in the target"
)


class SwitchStep(PlainStep):
    """Renames, configures, starts; each part only where it is not done."""

    name = "switch"

    def describe(self, night: Night) -> Sequence[str]:
        """Say what it would do."""
        renames = [f"{rename}" for rename in _plan(night, "TIME")]
        starts = [f"start {service.name}" for service in reversed(night.settings.services)]
        return ("keep what the target holds, for a rollback", *renames, *starts)

    def check(self, night: Night) -> Sequence[Answer]:
        """Ask whether the folders are there, on one volume, free to be renamed, and held by nobody."""
        moved = [_before_switch(night, file) for file in night.settings.switch.configure]
        return (*ask_load(night), *_ask_folders(night), *(ask_files(night, moved) if moved else ()))

    def look(self, night: Night, record: StepRecord) -> World:
        """Done as long as the folders are switched and every service answers."""
        moment = record.intents.get("moment")
        if moment is None:
            return World(False, "no folder was renamed")
        renames = _plan(night, moment)
        for number, rename in enumerate(renames):
            if not _is_done(renames, number):
                return World(False, f"not renamed: {rename.source}")
        silent = [service.name for service in night.settings.services if not ask(service.answers).is_there]
        if silent:
            return World(False, f"the folders are switched, but {', '.join(silent)} does not answer")
        kept = _read_kept(night)
        if not kept:
            return World(False, "nothing says what the target held before the application used it")
        lost = [str(one.table) for one in kept if one.has_lost_copy]
        said = f"; the copies of {', '.join(lost[:_NAMED])} are gone: {BY_AGE}" if lost else ""
        return World(bool(record.evidence), f"the folders are switched, every service answers{said}")

    def act(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Look at the freeze again, keep, rename, configure, start."""
        moment = record.intents.get("moment")
        is_begun = _is_begun(night, moment)
        verdict = None if is_begun else refuse_moved(night)
        kept_late = None
        if not _read_kept(night):
            keep_target(night, "live")
            if is_begun:
                kept_late = f"not before {night.now():%Y-%m-%d %H:%M:%S} UTC: {_KEPT_LATE}"
                scribe.tell(f"what the target holds is kept {kept_late}")
        if moment is None or not is_begun:
            moment = f"{night.now():%Y%m%dT%H%M%SZ}"
        renames = _plan(night, moment)
        scribe.intend(moment=moment, renames=[str(rename) for rename in renames])
        for number, rename in enumerate(renames):
            if not _is_done(renames, number):
                scribe.tell(str(rename))
                rename_folder(rename)
        files = change_files(night, night.settings.switch.configure, record, scribe)
        return {
            "renames": [str(rename) for rename in renames],
            "files": files,
            "source": verdict.sentence if verdict else None,
            "kept": kept_late or "before the application used the target",
            "services": start_services(night, night.settings.services),
        }

    def describe_undo(self, night: Night) -> Sequence[str]:
        """Say what would be saved, where live does not say it."""
        return () if night.journal.record("live").was_begun else describe_saving(night)

    def undo(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Stop, save what was written, rename back; the services are started by the freeze's own undoing."""
        moment = record.intents.get("moment")
        if moment is None:
            return save_and_release(night)
        renames = _plan(night, moment)
        evidence: dict[str, Any] = {}
        if not renames or _is_done(renames, 0):
            evidence["stopped"] = stop_services(night, night.settings.services, may_be_starting=True)
        evidence |= save_and_release(night)
        evidence["files"] = restore_files(night, record)
        back = []
        for number, rename in reversed(list(enumerate(renames))):
            if _is_done(renames, number):
                rename_folder(rename.back)
                back.append(str(rename.back))
        evidence["renamed_back"] = back
        if night.settings.freeze.skip is not None:
            evidence["services"] = start_services(night, night.settings.services)
        return evidence


def _read_kept(night: Night) -> Sequence[KeptTable]:
    with night.target.connect() as connection:
        if not has_ledger(connection):
            return ()
        return read_kept_tables(connection, night.journal.night_id or "", "live")


def _plan(night: Night, moment: str) -> Sequence[Rename]:
    settings = night.settings.switch
    if settings.production is None or settings.new is None:
        return ()
    return plan_renames(settings.production, settings.new, settings.kept_as, moment)


def _is_done(renames: Sequence[Rename], number: int) -> bool:
    """Whether a rename has happened. Production's own name is taken again once the new folder has it."""
    rename = renames[number]
    if number == 0:
        return Path(rename.target).exists()
    return (
        Path(renames[0].target).exists() and Path(rename.target).exists() and not Path(rename.source).exists()
    )


def _is_begun(night: Night, moment: str | None) -> bool:
    return moment is not None and bool(renames := _plan(night, moment)) and _is_done(renames, 0)


def _before_switch(night: Night, file: ConfigFile) -> ConfigFile:
    """Return production's file, or the new folder's where that has not taken production's name yet."""
    new, production = night.settings.switch.new, night.settings.switch.production
    if new is None or production is None or not new.exists():
        return file
    return file.model_copy(update={"file": Path(carry_over(file.file, Rename(production, new)))})


def _ask_folders(night: Night) -> Iterator[Answer]:
    settings = night.settings.switch
    if settings.production is None or settings.new is None:
        yield note("folders", "cutover.yaml names none: nothing is renamed")
        return
    moment = night.journal.record("switch").intents.get("moment")
    renames = plan_renames(
        settings.production, settings.new, settings.kept_as, moment or f"{night.now():%Y%m%dT%H%M%SZ}"
    )
    away, into = renames
    if _is_begun(night, moment):
        yield note("folders", "they were being renamed when the night was broken off; this step goes on")
        return
    for folder in (settings.production, settings.new):
        if not folder.is_dir():
            yield obstacle("folders", f"{folder} is not there", "Create it, or correct cutover.yaml")
        elif is_link(folder):
            yield obstacle("folders", f"{folder} is a link", "Name the folder itself in cutover.yaml")
    if not (settings.production.is_dir() and settings.new.is_dir()):
        return
    place = settings.production.parent
    elsewhere = [one for one in (settings.production, settings.new) if not is_same_volume(place, one)]
    for folder in elsewhere:
        yield obstacle(
            "folders",
            f"{folder} is on another volume than {place}",
            "Put it onto the same volume before the night: nothing is copied",
        )
    if elsewhere:
        return
    if Path(away.target).exists():
        yield obstacle("folders", f"{away.target} exists already", "Move it away")
    yield good("folders", f"{away}; {into}; on one volume")
    for folder in (settings.production, settings.new):
        yield from _ask_holders(night, folder)


def _ask_holders(night: Night, folder: Path) -> Iterator[Answer]:
    is_to_stop = night.journal.record("freeze").state != "closed" and bool(night.settings.services)
    for holder in find_holders(folder):
        if is_to_stop:
            yield later("folders", f"{holder}: must be gone by then")
        else:
            yield obstacle("folders", holder, "End it, or have it leave the folder")
