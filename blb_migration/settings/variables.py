"""Every environment variable ``BLB_*``: declared once, with what it means, its unit and its default.

The groups are read apart, each when it is needed: a wrong number of connections must not keep Dagster's code
location from loading. What is made from all of them is in ``variable_list``.
"""

from __future__ import annotations

import os
import zoneinfo
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

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
GroupT = TypeVar("GroupT", bound="VariableGroup")
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


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


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
        """Read the environment as it is now. Raises ConfigurationError for a value that is none.

        Statements ask for their limits one by one: what has been checked is not checked again.
        """
        try:
            checked: Self = _read_checked(cls, _list_set_variables())
            return checked
        except ValidationError as error:
            [first, *_] = error.errors(include_url=False)
        field = str(first["loc"][0])
        words = read_words(cls, field)
        raise ConfigurationError(
            f"environment variable {name_variable(field)}",
            found=f"{first['input']!r}",
            expected=words["expected"],
            next_act=f"Correct it, or unset it for {words['otherwise']}",
        )


def _list_set_variables() -> tuple[tuple[str, str], ...]:
    return tuple((name, text) for name, text in os.environ.items() if name[: len(PREFIX)].upper() == PREFIX)


@lru_cache(maxsize=64)
def _read_checked(group: type[GroupT], _environment: tuple[tuple[str, str], ...]) -> GroupT:
    return group()


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
    source_isolation: Annotated[Literal["read committed", "snapshot"], BeforeValidator(_lower)] = _declare(
        "read committed",
        "`snapshot`: each table is read as it was at one moment, which costs row versions in the source's"
        " tempdb and keeps tables from being loaded in chunks; `read committed`: as rows are committed",
        expected="read committed or snapshot",
        otherwise="read committed",
    )


class ExecutorVariables(VariableGroup):
    """How tables run; read when Dagster's code location is loaded."""

    executor: Literal["threads", "in_process", "multiprocess", "celery"] | None = _declare(
        None,
        "how tables run: `threads` (several at once in one process), `in_process` (one after the other),"
        " `multiprocess` (a process per step), `celery` (workers on several machines: docs/scaling.md); the"
        " last two in the UI only",
        expected="threads, in_process, multiprocess or celery",
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


class CeleryVariables(VariableGroup):
    """Where the queues of steps are; read by whoever submits steps and by every worker."""

    celery_broker: SecretStr | None = _declare(
        None,
        "with `BLB_EXECUTOR=celery`: the broker that steps are submitted to, Redis or RabbitMQ",
        expected="redis://:password@host:6379/0 or amqp://user:password@host:5672/vhost",
    )


class ScheduleVariables(VariableGroup):
    """When the nightly rehearsal runs; read when Dagster's code location is loaded."""

    timezone: Annotated[str, AfterValidator(_check_time_zone)] = _declare(
        "UTC",
        "the time zone of `nightly_rehearsal`",
        expected="an IANA name such as Europe/Berlin",
        otherwise="UTC",
    )


class AlertVariables(VariableGroup):
    """Who is told of failures, and from when on a night is late."""

    alert_urls: SecretStr | None = _declare(
        None,
        "where alerts are sent: addresses of Apprise (`mailtos://`, `slack://`, `msteams://`, `jsons://`, …)"
        " with spaces between",
        expected="addresses of Apprise with spaces between",
        otherwise="nobody is told",
    )
    ui_url: str | None = _declare(
        None,
        "where people reach Dagster's UI, with the path of `--path-prefix`, for links in alerts and to files",
        expected="an address such as https://migration.example:3000",
        otherwise="alerts name the run and have no link",
        pattern=r"^https?://[^\s/@]+(/\S*)?$",
    )
    night_begins_within: float = _declare(
        30.0,
        "how long after 02:00 `nightly_rehearsal` must have begun",
        unit="minutes",
        expected="a number of minutes, 1 to 1380",
        otherwise="30",
        ge=1,
        le=1380,
    )
    night_ends_within: float = _declare(
        360.0,
        "how long after 02:00 `nightly_rehearsal` must be over and its report be there",
        unit="minutes",
        expected="a number of minutes, 1 to 1380",
        otherwise="360",
        ge=1,
        le=1380,
    )


class ComparingVariables(VariableGroup):
    """How contents are compared."""

    differences: Path = _declare(
        Path(".blb/differences"),
        "where differing rows are written",
        expected="a folder that may be written to",
        otherwise="`differences` beside `--output`, else `.blb/differences`",
    )
    reread: bool | None = _declare(
        None,
        "the `content` check: `1` reads the source again, as it is now; `0` trusts the digest that the load"
        " took",
        expected="1 or 0",
        otherwise="trusts it in the run that loaded the table, reads again in any other",
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
    source_sessions: int = _declare(
        16,
        "how many sessions read rows from the source at once, over all tables, chunks and machines; the same"
        " on every machine",
        unit="sessions",
        expected="a whole number, 1 or more",
        otherwise="16",
        ge=1,
    )
    target_sessions: int = _declare(
        16,
        "how many sessions write rows into the target at once, over all tables, chunks and machines; the same"
        " on every machine",
        unit="sessions",
        expected="a whole number, 1 or more",
        otherwise="16",
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


class WaitingVariables(VariableGroup):
    """For how long it is waited, and what for. Every wait is said within five seconds."""

    run_wait: float = _declare(
        90.0,
        "for how long another run is waited for that holds the target",
        unit="seconds",
        expected="a number of seconds, 0 or more",
        otherwise="90",
        ge=0,
    )
    worker_wait: float = _declare(
        90.0,
        "with `BLB_EXECUTOR=celery`: for how long a step waits for a worker while none serves its queue, and"
        " for a broker that does not answer",
        unit="seconds",
        expected="a number of seconds, 0 or more",
        otherwise="90",
        ge=0,
    )
    lock_wait: float = _declare(
        30.0,
        "for how long a lock of the target is waited for that somebody else holds; 0 is no limit",
        unit="seconds",
        expected="a number of seconds, 0 or more",
        otherwise="30",
        ge=0,
    )
    stall: float = _declare(
        60.0,
        "for how long the source may send nothing in the middle of a table, and the target answer nobody,"
        " before that is given up",
        unit="seconds",
        expected="a number of seconds, more than 0",
        otherwise="60",
        gt=0,
    )
    answer_wait: float = _declare(
        3600.0,
        "for how long the source may work on one question (a count, a catalog) without sending anything",
        unit="seconds",
        expected="a number of seconds, more than 0",
        otherwise="3600",
        gt=0,
    )


class WebVariables(VariableGroup):
    """Whom Dagster's web server answers, and with what."""

    ui_hosts: str | None = _declare(
        None,
        "under which names, beside this machine's own, the UI is reached: host names, with commas between",
        expected="host names without port, separated by commas",
        otherwise="localhost and 127.0.0.1 alone",
    )
    ui_password: SecretStr | None = _declare(
        None,
        "the password that the UI asks for, with any user name",
        expected="a password",
        otherwise="none is asked for, and other machines are refused",
    )
    reports: Path = _declare(
        Path(".blb/reports"),
        "where runs of the UI write their reports",
        expected="a folder that may be written to",
        otherwise="`.blb/reports`",
    )
    ui_files: bool = _declare(
        False,
        "`1`: the UI's web server has the folders of reports and differing rows, so that pages link to them;"
        " `blb-migrate ui` sets it",
        expected="1 or 0",
        otherwise="0: pages name the files",
    )


class CommandVariables(VariableGroup):
    """How the command speaks."""

    debug: bool = _declare(False, "`1`: show tracebacks, as `--debug` does", expected="1 or 0", otherwise="0")


GROUPS: tuple[type[VariableGroup], ...] = (
    DatabaseVariables,
    SourceVariables,
    ExecutorVariables,
    CeleryVariables,
    ScheduleVariables,
    AlertVariables,
    ComparingVariables,
    LoadingVariables,
    WaitingVariables,
    WebVariables,
    CommandVariables,
)


def name_variable(field: str) -> str:
    """Name the variable of a field: ``source_conn`` is BLB_SOURCE_CONN."""
    return PREFIX + field.upper()


def read_words(group: type[VariableGroup], field: str) -> Mapping[str, str]:
    """Read what a variable's declaration says beside its meaning: expected, otherwise, unit."""
    words = group.model_fields[field].json_schema_extra
    assert isinstance(words, dict)
    return {key: str(value) for key, value in words.items()}
