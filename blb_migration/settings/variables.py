"""Every environment variable ``BLB_*``: declared once, with what it means, its unit and its default.

The groups are read apart, each when it is needed: a wrong number of connections must not keep Dagster's code
location from loading. ``--help``, ``blb-migrate variables`` and the README's table are made from them.
"""

from __future__ import annotations

import difflib
import os
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from blb_migration.errors import ConfigurationError

PREFIX = "BLB_"
RENAMED = {"BLB_SPLIT_FROM_ROWS": "BLB_CHUNKED_FROM_ROWS"}
NOT_OURS = ("BLB_TEST_", "BLB_MUTATION_", "BLB_FILL_", "BLB_READER_")  # the tests', the sandbox's, compose's
_URL_OF_SOURCE = "mssql+pyodbc://user:password@host:1433/database"
_URL_OF_TARGET = "postgresql://user:password@host:5432/database"


def _declare(
    default: object, meaning: str, *, expected: str, otherwise: str = "", unit: str = "", **limits: Any
) -> Any:
    """Declare one variable; ``otherwise`` says what counts where it is not set."""
    words = {"expected": expected, "otherwise": otherwise, "unit": unit}
    return Field(default, description=meaning, json_schema_extra={**words}, **limits)


def _check_time_zone(name: str) -> str:
    try:
        return zoneinfo.ZoneInfo(name).key
    except (zoneinfo.ZoneInfoNotFoundError, OSError):
        raise ValueError(name) from None


class VariableGroup(BaseSettings):
    """Variables that are read together. A blank value counts as not set."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _strip(cls, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, str) or info.field_name is None:
            return value
        return value.strip() or cls.model_fields[info.field_name].default

    @classmethod
    def read(cls) -> Self:
        """Read the environment as it is now. Raises ConfigurationError for a value that is none."""
        try:
            return cls()
        except ValidationError as error:
            [first, *_] = error.errors(include_url=False)
        field = str(first["loc"][0])
        words = _read_words(cls, field)
        raise ConfigurationError(
            f"environment variable {name_variable(field)}",
            found=f"{first['input']!r}",
            expected=words["expected"],
            next_act=f"Correct it, or unset it for {words['otherwise']}",
        )


class DatabaseVariables(VariableGroup):
    """Where the databases and the project are."""

    source_conn: SecretStr | None = _declare(
        None, "the source's URL, where `--source-conn` is not given", expected=_URL_OF_SOURCE
    )
    target_conn: SecretStr | None = _declare(
        None, "the target's URL, where `--target-conn` is not given", expected=_URL_OF_TARGET
    )
    project: Path | None = _declare(
        None,
        "the project folder, where `--project` is not given",
        expected="a folder with decisions.yaml and catalog.json",
        otherwise="the ERP's",
    )
    rehearsal_source_conn: SecretStr | None = _declare(
        None,
        "the copy of production that `nightly_rehearsal` reads; with both URLs set it runs at 02:00",
        expected=_URL_OF_SOURCE,
    )
    rehearsal_target_conn: SecretStr | None = _declare(
        None, "the target of `nightly_rehearsal`", expected=_URL_OF_TARGET
    )


def read_url_variable(field: str) -> str | None:
    """Read one of the URLs of ``DatabaseVariables`` as it stands there. It may hold a password."""
    secret: SecretStr | None = getattr(DatabaseVariables.read(), field)
    return None if secret is None else secret.get_secret_value()


class SourceVariables(VariableGroup):
    """How SQL Server is read."""

    source_driver: Annotated[Literal["msodbcsql18", "mssql-odbc"], BeforeValidator(str.lower)] | None = (
        _declare(
            None,
            "the driver that reads SQL Server: `msodbcsql18` or `mssql-odbc`",
            expected="msodbcsql18 or mssql-odbc",
            otherwise="the one that this system can load",
        )
    )


class ExecutorVariables(VariableGroup):
    """How tables run; read when Dagster's code location is loaded."""

    executor: Literal["threads", "in_process", "multiprocess"] | None = _declare(
        None,
        "how tables run: `threads` (several at once in one process), `in_process` (one after the other),"
        " `multiprocess` (a process per step, in the UI only)",
        expected="threads, in_process or multiprocess",
        otherwise="threads, in_process on a single processor",
    )
    max_concurrent: int | None = _declare(
        None,
        "how many tables load at once, the largest chain of tables first",
        unit="tables",
        expected="a whole number, 1 or more",
        otherwise="one per processor, 4 at most",
        ge=1,
    )


class ScheduleVariables(VariableGroup):
    """When the nightly rehearsal runs; read when Dagster's code location is loaded."""

    timezone: Annotated[str, AfterValidator(_check_time_zone)] = _declare(
        "UTC",
        "the time zone of `nightly_rehearsal`",
        expected="an IANA name such as Europe/Berlin",
        otherwise="UTC",
    )


class ComparingVariables(VariableGroup):
    """How contents are compared."""

    differences: Path = _declare(
        Path(".blb/differences"),
        "where differing rows are written",
        expected="a folder that may be written to",
        otherwise="`differences` beside `--output`, else `.blb/differences`",
    )
    reread: bool = _declare(
        False,
        "`1`: the `content` check reads the source a second time instead of trusting the load's digest",
        expected="1 or 0",
        otherwise="0",
    )


class LoadingVariables(VariableGroup):
    """How tables are loaded."""

    connections: int | None = _declare(
        None,
        "how many connections load one large table at once",
        unit="connections",
        expected="a whole number, 1 or more",
        otherwise="one per processor, 4 at most, as far as the target has sessions free",
        ge=1,
    )
    chunked_from_rows: int = _declare(
        4_000_000,
        "from how many rows on a table is loaded in chunks; or from as many bytes as that many rows of 256"
        " bytes have",
        unit="rows",
        expected="a whole number, 1 or more",
        otherwise="4000000",
        ge=1,
    )
    resume: bool = _declare(
        True,
        "`0`: a chunked load that was broken off begins again instead of going on",
        expected="1 or 0",
        otherwise="1",
    )


class CommandVariables(VariableGroup):
    """How the command speaks."""

    debug: bool = _declare(False, "`1`: show tracebacks, as `--debug` does", expected="1 or 0", otherwise="0")


GROUPS: tuple[type[VariableGroup], ...] = (
    DatabaseVariables,
    SourceVariables,
    ExecutorVariables,
    ScheduleVariables,
    ComparingVariables,
    LoadingVariables,
    CommandVariables,
)


@dataclass(frozen=True)
class Variable:
    """One variable in words."""

    name: str
    meaning: str
    otherwise: str
    unit: str


def name_variable(field: str) -> str:
    """Name the variable of a field: ``source_conn`` is BLB_SOURCE_CONN."""
    return PREFIX + field.upper()


def iterate_variables() -> Iterator[Variable]:
    """Yield all variables in the order of their declaration, and Dagster's own one that counts here."""
    for group in GROUPS:
        for field, info in group.model_fields.items():
            words = _read_words(group, field)
            yield Variable(name_variable(field), info.description or "", words["otherwise"], words["unit"])
    yield Variable(
        "DAGSTER_HOME", "the Dagster instance whose UI shows the command's runs", "no record of them", ""
    )


def render_markdown() -> str:
    """Build the README's table."""
    lines = ["| variable | meaning | if not set |", "| --- | --- | --- |"]
    lines += [
        f"| `{variable.name}` | {variable.meaning} | {variable.otherwise} |"
        for variable in iterate_variables()
    ]
    return "\n".join(lines) + "\n"


def find_unknown_variables(environment: Mapping[str, str] = os.environ) -> dict[str, str | None]:
    """Find what is set, begins with BLB_ and is no variable of ours; each with the one probably meant."""
    known = [variable.name for variable in iterate_variables()]
    unknown: dict[str, str | None] = {}
    for name in sorted({name.upper() for name in environment if name.upper().startswith(PREFIX)}):
        if name not in known and not name.startswith(NOT_OURS):
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            unknown[name] = RENAMED.get(name) or (near[0] if near else None)
    return unknown


def refuse_misspelt_variables() -> None:
    """Raise ConfigurationError for a variable whose name is close to one of ours, or was ours once."""
    for name, meant in find_unknown_variables().items():
        if meant is not None:
            raise ConfigurationError(
                f"environment variable {name}",
                found="there is no such variable",
                expected=meant,
                next_act=f"Set {meant} instead, or unset {name}; 'blb-migrate variables' lists all",
            )


def _read_words(group: type[VariableGroup], field: str) -> Mapping[str, str]:
    words = group.model_fields[field].json_schema_extra
    assert isinstance(words, dict)
    return {key: str(value) for key, value in words.items()}
