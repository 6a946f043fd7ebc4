"""What may stand in cutover.yaml: one model per step. Reads no file and does nothing.

A step is left out by ``skip: reason``. ``${NAME}`` was replaced before (``cutover_file``).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

Text = Annotated[str, Field(min_length=1)]
Seconds = Annotated[float, Field(gt=0)]


class NightModel(BaseModel):
    """Keys that are not known are refused; a value once read stays."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _as_mapping(value: object) -> object:
    """Take a bare list or line of a command as its ``run``."""
    return {"run": value} if isinstance(value, list | str) else value


class CommandLine(NightModel):
    """A command of the operator's: a list of arguments, or with ``shell`` one line for the shell."""

    run: list[Text] | Text = Field(min_length=1)
    shell: bool = False
    folder: Path | None = None
    environment: dict[str, str] = Field(default={}, repr=False)
    within_seconds: Seconds = 600
    success: list[int] = [0]

    @model_validator(mode="after")
    def _shell_takes_a_line(self) -> CommandLine:
        if self.shell != isinstance(self.run, str):
            raise ValueError(
                "with 'shell: true' run is one line of text; without it, a list of arguments such as"
                " [nssm, stop, Backend]"
            )
        return self


Command = Annotated[CommandLine, BeforeValidator(_as_mapping)]


class Service(NightModel):
    """Something that runs. What counts is whether ``answers`` answers: a URL, or host:port.

    ``stop`` and ``start`` may be left out for what only is to be seen.
    """

    name: Text
    stop: Command | None = None
    start: Command | None = None
    answers: Annotated[str, Field(pattern=r"^(https?://\S+|[^\s:/]+:\d+)$")]
    within_seconds: Seconds = 60


class StepSettings(NightModel):
    """What every step has: it may be left out, by a written reason."""

    skip: Text | None = None


class Ready(StepSettings):
    """How old the last equal rehearsal may be, and how much room this machine's records need."""

    rehearsed_within_hours: Seconds = 24 * 14
    free_megabytes: Annotated[int, Field(ge=0)] = 500


class AllowedSession(NightModel):
    """Sessions on the source that do not matter; ``*`` stands for anything. All that is given must match."""

    login: Text | None = None
    program: Text | None = None
    host: Text | None = None
    reason: Text

    @model_validator(mode="after")
    def _names_something(self) -> AllowedSession:
        if self.login is None and self.program is None and self.host is None:
            raise ValueError("an allowed session needs login, program or host")
        return self


class Freeze(StepSettings):
    """Who may stay connected to the source, how long to wait for the others, and whether to go on then."""

    allowed_sessions: list[AllowedSession] = []
    wait_seconds: Annotated[float, Field(ge=0)] = 120
    go_on_with_sessions: Text | None = None


class Backup(StepSettings):
    """What takes the backup, if not somebody else, and how long to wait for it."""

    command: Command | None = None
    wait_seconds: Annotated[float, Field(ge=0)] = 0
    needs_checksum: bool = True


class AppliedVersion(NightModel):
    """Where the application keeps its schema's version, and which one is expected.

    ``table``: alembic, flyway, ef or django, or the name of another table with its ``column``. Or a command
    that prints the version. ``expected`` is a text, or a command that prints it.
    """

    table: Text | None = None
    column: Text | None = None
    command: Command | None = None
    expected: Text | None = None
    expected_command: Command | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> AppliedVersion:
        if (self.table is None) == (self.command is None):
            raise ValueError("the version is kept in a table or printed by a command: give one of the two")
        known = ("alembic", "flyway", "ef", "django")
        if self.table is not None and self.table not in known and self.column is None:
            raise ValueError(f"table is one of {', '.join(known)}, or another table together with its column")
        if (self.expected is None) == (self.expected_command is None):
            raise ValueError("give either expected or expected_command")
        return self


class TargetSchema(StepSettings):
    """The application's schema version on the target, and the command that migrates it there."""

    version: AppliedVersion | None = None
    migrate: Command | None = None


class Migrate(StepSettings):
    """The load itself. Rows on the target that others have changed are replaced only where a person says so.

    ``replace_changed_rows`` names their tables, with the ``reason``.
    """

    replace_changed_rows: list[Text] = []
    reason: Text | None = None


class Prove(StepSettings):
    """Whether the source is read again: always, never, or where the marker is only an indication."""

    reread: Literal["where_needed", "always", "never"] = "where_needed"


class ConfigFile(NightModel):
    """One file, and the keys of it that change. Dots lead into YAML and JSON, ``section.key`` into ini."""

    file: Path
    format: Literal["env", "yaml", "json", "ini"] | None = None
    set: dict[Text, str] = Field(min_length=1, repr=False)

    @model_validator(mode="after")
    def _format_is_known(self) -> ConfigFile:
        if self.format is None and guess_format(self.file) is None:
            raise ValueError(
                f"the name {self.file.name} says no format: add 'format: env' (or yaml, json, ini)"
            )
        return self


def guess_format(file: Path) -> Literal["env", "yaml", "json", "ini"] | None:
    """Guess a configuration file's format from its name, or None."""
    suffix = file.suffix.lower()
    if file.name.lower().startswith(".env") or suffix == ".env":
        return "env"
    if suffix in (".yaml", ".yml"):
        return "yaml"
    if suffix == ".json":
        return "json"
    return "ini" if suffix in (".ini", ".cfg") else None


class Configure(StepSettings):
    """The new application's configuration files."""

    files: list[ConfigFile] = []


class Smoke(StepSettings):
    """The new backend beside production, and what is tried on it.

    Rows that the test changes are put back from a copy made before: of tables with up to
    ``whole_rows_up_to`` rows, and of ``keeps`` whatever their size.
    """

    service: Service | None = None
    file: Path = Path("smoke.yaml")
    whole_rows_up_to: Annotated[int, Field(ge=0)] = 100_000
    keeps: list[Text] = []


class Switch(StepSettings):
    """Production's folder is renamed away, the new one takes its name.

    ``kept_as`` names the old one: ``{name}`` is production's, ``{time}`` the moment in UTC.
    """

    production: Path | None = None
    new: Path | None = None
    kept_as: Annotated[str, Field(pattern=r"\{time\}")] = "{name}_before_{time}"
    configure: list[ConfigFile] = []

    @model_validator(mode="after")
    def _has_both(self) -> Switch:
        if (self.production is None) != (self.new is None):
            raise ValueError("production and new belong together: give both folders, or neither")
        return self


class SeenWrite(NightModel):
    """What proves that the application works on the target: requests, and the table they write to."""

    file: Path
    table: Text


class Live(StepSettings):
    """What must answer once the application runs on the target."""

    health: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    within_seconds: Seconds = 60
    seen: SeenWrite | None = None


class WatchedLog(NightModel):
    """A log file (``*`` may stand in its name), and what counts as an error in it."""

    file: Text
    error: Text = r"\b(ERROR|CRITICAL|FATAL)\b|Traceback"

    @field_validator("error")
    @classmethod
    def _is_a_pattern(cls, error: str) -> str:
        try:
            re.compile(error)
        except re.error as fault:
            raise ValueError(f"is no regular expression: {fault}") from None
        return error


class Watch(StepSettings):
    """How long and how often to look, and from when on something is worth an alert."""

    hours: Annotated[float, Field(ge=0)] = 24
    every_seconds: Seconds = 60
    logs: list[WatchedLog] = []
    sequence_percent: Annotated[float, Field(gt=0, le=100)] = 80
    idle_minutes: Annotated[float, Field(ge=0)] = 60


class Rollback(NightModel):
    """What a rollback saves: at most so many rows of a table as files; all of them are counted."""

    rows_saved_up_to: Annotated[int, Field(ge=0)] = 1_000_000
    keys_up_to: Annotated[int, Field(ge=0)] = 20_000_000


class OldLine(NightModel):
    """A line of the runbook that people followed by hand, and what does it now: steps, rollback, lines."""

    line: Text
    by: list[Text] = Field(min_length=1)
    how: Text


class NightSettings(NightModel):
    """The whole of cutover.yaml.

    ``records`` is where the journal, the reports and saved rows go. ``services`` are production's, in the
    order in which they are stopped. ``replaces`` is for the runbook alone.
    """

    records: Path = Path(".blb/cutover")
    services: list[Service] = []
    ready: Ready = Ready()
    freeze: Freeze = Freeze()
    backup: Backup = Backup()
    target_schema: TargetSchema = TargetSchema()
    migrate: Migrate = Migrate()
    prove: Prove = Prove()
    configure: Configure = Configure()
    smoke: Smoke = Smoke()
    switch: Switch = Switch()
    live: Live = Live()
    watch: Watch = Watch()
    rollback: Rollback = Rollback()
    replaces: list[OldLine] = []

    @field_validator("services")
    @classmethod
    def _can_be_stopped(cls, services: list[Service]) -> list[Service]:
        names = [service.name for service in services]
        for service in services:
            if service.stop is None or service.start is None:
                raise ValueError(f"service {service.name} needs both stop and start")
            if names.count(service.name) > 1:
                raise ValueError(f"service {service.name} stands twice")
        return services


STEP_NAMES = tuple(
    name
    for name, field in NightSettings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, StepSettings)
)
"""The steps in the order of the night."""
