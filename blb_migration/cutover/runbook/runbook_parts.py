"""The runbook of one project: its checklists, steps, commands, ways back and troubles. Knows no format.

Everything comes from the project's files as they stand, with ``${NAME}`` unreplaced: the document is for the
time before the night, and must hold no secret. No server is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blb_migration.cutover.commands import show_command
from blb_migration.cutover.cutover_file import CUTOVER_FILE, read_cutover_file, read_smoke_file
from blb_migration.cutover.night_models import (
    STEP_NAMES,
    CommandLine,
    ConfigFile,
    NightSettings,
    OldLine,
    Service,
)
from blb_migration.cutover.runbook.checklists import (
    Checklist,
    read_checklists,
    read_step_texts,
    read_texts,
)
from blb_migration.cutover.smoke_models import SmokeStep
from blb_migration.cutover.watch_page import PAGE_FILE
from blb_migration.near_names import refuse_unknown

ROLLBACK = "rollback"
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class StepText:
    """One step of the night: what it asks, what it does here, and how it is undone."""

    name: str
    title: str
    asks: str
    does: tuple[str, ...]
    undone: str


@dataclass(frozen=True)
class Trouble:
    """What an operator sees, what is behind it, and what to do."""

    sign: str
    cause: str
    act: str


@dataclass(frozen=True)
class Runbook:
    """All of it. ``placeholders`` are the environment's names that the files refer to, and where."""

    project: str
    placeholders: Mapping[str, tuple[str, ...]]
    checklists: tuple[Checklist, ...]
    steps: tuple[StepText, ...]
    back: tuple[str, ...]
    replaced: tuple[OldLine, ...]
    troubles: tuple[Trouble, ...]


class _Unreplaced(Mapping[str, str]):
    """An environment in which every ``${NAME}`` stays as it is written."""

    def __getitem__(self, name: str) -> str:
        return f"${{{name}}}"

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def build_runbook(project: str, folder: Path) -> Runbook:
    """Read the project's files and put the runbook together. Raises ConfigurationError."""
    file = read_cutover_file(folder, _Unreplaced())
    settings = file.settings
    checklists = read_checklists()
    said = read_step_texts()
    smoke_files = [settings.smoke.file] + ([settings.live.seen.file] if settings.live.seen else [])
    steps = tuple(
        StepText(
            name,
            said[name].title,
            said[name].asks,
            tuple(_describe(settings, name, folder)),
            said[name].undone,
        )
        for name in STEP_NAMES
    )
    _refuse_unknown_names(settings.replaces, checklists)
    return Runbook(
        project,
        _find_placeholders(folder, [CUTOVER_FILE, *map(str, smoke_files)]),
        checklists,
        steps,
        tuple(f"`{step.name}`: {step.undone}" for step in reversed(steps)),
        tuple(settings.replaces),
        tuple(Trouble(**trouble) for trouble in read_texts()["troubles"]),
    )


def _refuse_unknown_names(lines: Sequence[OldLine], checklists: Sequence[Checklist]) -> None:
    known = (ROLLBACK, *STEP_NAMES, *(item.id for one in checklists for item in one.items))
    for line in lines:
        for name in line.by:
            refuse_unknown(
                f"{CUTOVER_FILE}: replaces, {line.line}",
                name,
                known,
                found=f"there is no step or line {name}",
                expected="a step of the night, rollback, or the word of a line of the runbook",
            )


def _find_placeholders(folder: Path, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        path = folder / name
        for reference in _REFERENCE.findall(path.read_text(encoding="utf-8") if path.is_file() else ""):
            found.setdefault(reference, [])
            if name not in found[reference]:
                found[reference].append(name)
    return {name: tuple(found[name]) for name in sorted(found)}


def _describe(settings: NightSettings, name: str, folder: Path) -> Iterator[str]:
    step: Any = getattr(settings, name)
    if step.skip is not None:
        yield f"left out: {step.skip}"
        return
    yield from _DESCRIBERS[name](settings, folder)


def _describe_ready(settings: NightSettings, _folder: Path) -> Iterator[str]:
    yield f"the last rehearsal is at most {settings.ready.rehearsed_within_hours:g} hours old"
    yield f"{settings.ready.free_megabytes} MB are free for the records"


def _describe_freeze(settings: NightSettings, _folder: Path) -> Iterator[str]:
    for service in settings.services:
        yield f"stops {_describe_service(service, service.stop)} must fall silent"
    for rule in settings.freeze.allowed_sessions:
        who = ", ".join(f"{key} {value}" for key, value in rule if value and key != "reason")
        yield f"lets sessions of {who} stay: {rule.reason}"
    yield f"waits at most {settings.freeze.wait_seconds:g} s until no other session is left"
    if settings.freeze.go_on_with_sessions is not None:
        yield f"goes on with sessions all the same: {settings.freeze.go_on_with_sessions}"
    yield "takes the source marker, by which a later write is seen"


def _describe_backup(settings: NightSettings, _folder: Path) -> Iterator[str]:
    step = settings.backup
    if step.command is not None:
        yield f"runs `{show_command(step.command)}`"
    waits = f", waiting for it at most {step.wait_seconds:g} s" if step.wait_seconds else ""
    yield f"finds in msdb a full backup that finished after the freeze, whole{waits}"
    yield f"{'asks' if step.needs_checksum else 'does not ask'} for checksums"


def _describe_target_schema(settings: NightSettings, _folder: Path) -> Iterator[str]:
    version, migrate = settings.target_schema.version, settings.target_schema.migrate
    if version is None:
        yield "asks for no version"
    else:
        where = (
            f"from {version.table}" if version.command is None else f"by `{show_command(version.command)}`"
        )
        yield f"reads the version {where}"
        expected = version.expected_command
        yield (
            f"expects {version.expected}"
            if expected is None
            else f"expects what `{show_command(expected)}` prints"
        )
    if migrate is not None:
        yield f"where it is another one, runs `{show_command(migrate)}`"


def _describe_migrate(settings: NightSettings, _folder: Path) -> Iterator[str]:
    yield "loads every planned table, builds keys and indexes, sets the sequences"
    if settings.migrate.replace_changed_rows:
        tables = ", ".join(settings.migrate.replace_changed_rows)
        yield f"replaces rows that others have changed in {tables}: {settings.migrate.reason}"


def _describe_prove(settings: NightSettings, _folder: Path) -> Iterator[str]:
    yield "compares row counts, totals, contents and keys of every table"
    yield {
        "always": "reads the source again for it",
        "never": "trusts what the load has read",
        "where_needed": "reads the source again where the marker is only an indication",
    }[settings.prove.reread]


def _describe_configure(settings: NightSettings, _folder: Path) -> Iterator[str]:
    for file in settings.configure.files:
        yield _describe_file(file)


def _describe_smoke(settings: NightSettings, folder: Path) -> Iterator[str]:
    service = settings.smoke.service
    if service is not None and service.start is not None:
        yield f"starts {_describe_service(service, service.start)} must answer"
    test, _ = read_smoke_file(folder / settings.smoke.file, _Unreplaced())
    for step in test.steps:
        yield _describe_smoke_step(step)
    yield "stops the backend and puts the target back as it was loaded"


def _describe_switch(settings: NightSettings, _folder: Path) -> Iterator[str]:
    step = settings.switch
    yield "keeps what the target holds, for a rollback"
    if step.production is not None and step.new is not None:
        kept = step.kept_as.replace("{name}", re.split(r"[\\/]", str(step.production))[-1])
        yield f"renames `{step.production}` to `{kept}`"
        yield f"renames `{step.new}` to `{step.production}`"
    for file in step.configure:
        yield _describe_file(file)
    for service in reversed(settings.services):
        yield f"starts {_describe_service(service, service.start)} must answer"


def _describe_live(settings: NightSettings, folder: Path) -> Iterator[str]:
    step = settings.live
    if step.health is not None:
        yield f"waits at most {step.within_seconds:g} s until {step.health} answers"
    if step.seen is not None:
        test, _ = read_smoke_file(folder / step.seen.file, _Unreplaced())
        for each in test.steps:
            yield _describe_smoke_step(each)
        yield f"looks for the trace of it in table {step.seen.table} of the target"
    yield "marks the target live: every load, dry run, schema --apply, restore-keys and schedule refuses"


def _describe_watch(settings: NightSettings, _folder: Path) -> Iterator[str]:
    step = settings.watch
    yield f"looks every {step.every_seconds:g} s for {step.hours:g} hours, a row in the ledger each time"
    yield f"keeps a page that is left open: `{settings.records / PAGE_FILE}`"
    for log in step.logs:
        yield f"reads `{log.file}` for errors"
    yield f"tells sequences that are used up to {step.sequence_percent:g} %"
    yield f"tells when nothing was written for {step.idle_minutes:g} minutes"


_DESCRIBERS = {
    "ready": _describe_ready,
    "freeze": _describe_freeze,
    "backup": _describe_backup,
    "target_schema": _describe_target_schema,
    "migrate": _describe_migrate,
    "prove": _describe_prove,
    "configure": _describe_configure,
    "smoke": _describe_smoke,
    "switch": _describe_switch,
    "live": _describe_live,
    "watch": _describe_watch,
}


def _describe_service(service: Service, command: CommandLine | None) -> str:
    shown = show_command(command) if command is not None else ""
    return f"{service.name}: `{shown}`; within {service.within_seconds:g} s {service.answers}"


def _describe_file(file: ConfigFile) -> str:
    keys = ", ".join(f"{key} = {value}" for key, value in file.set.items())
    return f"sets in `{file.file}`: {keys}"


def _describe_smoke_step(step: SmokeStep) -> str:
    what = (
        f"{step.request.method} {step.request.path}"
        if step.request is not None
        else show_command(step.command)
        if step.command is not None
        else ""
    )
    undo = f"; undone by `{step.undo.method} {step.undo.path}`" if step.undo is not None else ""
    return f"tries: {step.name} (`{what}`){undo}"
