"""Step 7: the new application's configuration files name the target; the old ones are kept beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blb_migration.cutover.config_files import (
    ConfigChange,
    find_obstacle,
    hash_bytes,
    plan_change,
    read_bytes,
    replace_file,
    resolve_file,
)
from blb_migration.cutover.folders import Rename, carry_over
from blb_migration.cutover.journal import StepRecord
from blb_migration.cutover.night import Night
from blb_migration.cutover.night_models import ConfigFile
from blb_migration.cutover.step import Answer, Scribe, StepFailed, World, good, note, obstacle
from blb_migration.cutover.steps.plain_step import PlainStep


class ConfigureStep(PlainStep):
    """Rewrites each file as a whole, once its old form is kept."""

    name = "configure"

    def describe(self, night: Night) -> Sequence[str]:
        """Say which keys would change."""
        return [line for file in night.settings.configure.files for line in plan(night, file).describe()]

    def check(self, night: Night) -> Sequence[Answer]:
        """Ask whether every file can be replaced."""
        return ask_files(night, night.settings.configure.files)

    def look(self, night: Night, record: StepRecord) -> World:
        """Done as long as every file holds what it should."""
        open_keys = [
            change.path for file in night.settings.configure.files if (change := plan(night, file)).changes
        ]
        if open_keys:
            return World(False, f"not as they should be: {', '.join(map(str, open_keys))}")
        return World(True, "every file holds what it should")

    def act(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Keep and replace."""
        return {"files": change_files(night, night.settings.configure.files, record, scribe)}

    def undo(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Put the kept files back."""
        return {"files": restore_files(night, record)}


def locate(night: Night, path: Path) -> Path:
    """Find a file that cutover.yaml names, where the switch has renamed its folder since."""
    found = night.file.find(path)
    new, production = night.settings.switch.new, night.settings.switch.production
    if found.exists() or new is None or production is None:
        return found
    moved = Path(carry_over(found, Rename(new, production)))
    return moved if moved.exists() else found


def plan(night: Night, file: ConfigFile) -> ConfigChange:
    """Work out what is to become of a file. Raises StepFailed."""
    return plan_change(file, locate(night, file.file))


def ask_files(night: Night, files: Sequence[ConfigFile]) -> list[Answer]:
    """Ask whether each file can be replaced, and what would change in it."""
    answers = []
    for file in files:
        path = locate(night, file.file)
        problem = find_obstacle(path)
        if problem is not None:
            answers.append(obstacle("configuration", problem, "Settle this before the night"))
            continue
        try:
            change = plan(night, file)
        except StepFailed as error:
            answers.append(obstacle("configuration", f"{error.subject}: {error.found}", error.next_act))
        else:
            changed = ", ".join(change.changes) or "nothing"
            answers.append(good("configuration", f"{path} can be replaced; changes: {changed}"))
    return answers or [note("configuration", "cutover.yaml names no file")]


def change_files(
    night: Night, files: Sequence[ConfigFile], record: StepRecord, scribe: Scribe
) -> list[dict[str, Any]]:
    """Keep each file's old form beside it, then replace it. From wherever an earlier attempt left it."""
    known = {entry["file"]: entry for entry in record.intents.get("files", [])}
    entries: list[dict[str, Any]] = []
    changes = []
    for file in files:
        change = plan(night, file)
        entry = known.get(str(change.path))
        if entry is None:
            kept = change.path.with_name(f"{change.path.name}.before_{night.now():%Y%m%dT%H%M%SZ}")
            entry = {
                "file": str(change.path),
                "kept": str(kept),
                "old_sha256": change.old_hash,
                "new_sha256": change.new_hash,
                "keys": sorted(change.changes),
            }
        entries.append(entry)
        changes.append(change)
    scribe.intend(files=entries)
    for change, entry in zip(changes, entries, strict=True):
        kept = Path(entry["kept"])
        if not kept.exists() and change.changes:
            replace_file(kept, change.before, like=change.path)
        if change.changes:
            replace_file(change.path, change.after, like=change.path)
    return entries


def restore_files(night: Night, record: StepRecord) -> list[str]:
    """Put every kept file back; what somebody has changed since is kept beside it."""
    said = []
    for entry in record.intents.get("files", []):
        path, kept = resolve_file(locate(night, Path(entry["file"]))), Path(entry["kept"])
        kept = kept if kept.exists() else path.with_name(kept.name)
        if not kept.exists():
            said.append(f"{path} was not changed")
            continue
        content = read_bytes(path)
        if hash_bytes(content) not in (entry["old_sha256"], entry["new_sha256"]):
            aside = path.with_name(f"{path.name}.after_{night.now():%Y%m%dT%H%M%SZ}")
            replace_file(aside, content, like=path)
            said.append(f"{path} was changed by somebody since; that is kept as {aside.name}")
        replace_file(path, read_bytes(kept), like=kept)
        kept.unlink()
        said.append(f"{path} is as it was")
    return said
