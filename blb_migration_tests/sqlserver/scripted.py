"""A SQL Server that answers from a script, behind the emulator's protocol: for what real ones rarely do.

Missing views, refused rights, broken reads, identifiers folded to lower case. Requests nobody scripted get
SQL Server's error 208, never an invented answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.results import (
    Message,
    Parameter,
    ResultColumn,
    ResultSet,
    RowCount,
    SqlServerError,
)

INT, BIT, BIGINT = ColumnType("int"), ColumnType("bit"), ColumnType("bigint")
NAME = ColumnType("nvarchar", length=128)
USER, PASSWORD, DATABASE = "sa", "Zq9;Hidden}pa ss", "erp"


@dataclass
class Script:
    """Answers by a regular expression that finds the statement; the last one that fits counts."""

    answers: list[tuple[str, ResultSet | SqlServerError]] = field(default_factory=list)
    parameters: list[tuple[object, ...]] = field(default_factory=list)

    def answer(self, pattern: str, types: Sequence[ColumnType], rows: Sequence[Sequence[object]]) -> None:
        arrow = {"int": pa.int32(), "bit": pa.bool_(), "bigint": pa.int64()}
        columns = tuple(ResultColumn(f"c{number}", type_) for number, type_ in enumerate(types))
        arrays = [
            pa.array([row[position] for row in rows], arrow.get(type_.name, pa.string()))
            for position, type_ in enumerate(types)
        ]
        self.answer_batches(pattern, columns, [pa.record_batch(arrays, names=[c.name for c in columns])])

    def answer_batches(
        self, pattern: str, columns: Sequence[ResultColumn], batches: Iterable[pa.RecordBatch]
    ) -> None:
        self.answers.append((pattern, _Replayable(tuple(columns), batches)))

    def fail(self, pattern: str, number: int, text: str, severity: int = 16) -> None:
        self.answers.append((pattern, SqlServerError(number, text, severity)))


class _Replayable(ResultSet):
    """A result that can be read again and again."""

    def __init__(self, columns: tuple[ResultColumn, ...], batches: Iterable[pa.RecordBatch]) -> None:
        super().__init__(columns, iter(()))
        self.all_batches = batches


class ScriptedEngine:
    """The SqlEngine of a script; one log-in, one database."""

    def __init__(self, script: Script) -> None:
        self.script = script

    def login(self, user: str, password: str, database: str | None) -> ScriptedSession:
        if (user, password) != (USER, PASSWORD):
            raise SqlServerError(18456, f"Login failed for user '{user}'.", severity=14)
        if database not in (DATABASE, "master"):
            raise SqlServerError(
                4060,
                f'Cannot open database "{database}" requested by the login. The login failed.',
                severity=11,
            )
        return ScriptedSession(self.script, DATABASE)


@dataclass
class ScriptedSession:
    script: Script
    database: str

    def introduce(self, host: str, application: str, process_id: int) -> None:
        pass

    def execute(
        self, batch: str, parameters: Sequence[Parameter] = ()
    ) -> Iterator[ResultSet | RowCount | Message]:
        if parameters:
            self.script.parameters.append(tuple(parameter.value for parameter in parameters))
        if re.match(r"\s*(SET|BEGIN TRAN\w*|COMMIT|ROLLBACK|IF @@TRANCOUNT)\b", batch, re.IGNORECASE):
            yield RowCount(None)
            return
        result = self._find(batch)
        yield ResultSet(result.columns, iter(result.all_batches))

    def describe(self, batch: str, parameters: Sequence[Parameter] = ()) -> tuple[ResultColumn, ...]:
        return self._find(batch).columns

    def close(self) -> None:
        pass

    def _find(self, batch: str) -> _Replayable:
        for pattern, answer in reversed(self.script.answers):
            if re.search(pattern, batch, re.IGNORECASE | re.DOTALL):
                if isinstance(answer, SqlServerError):
                    raise answer
                assert isinstance(answer, _Replayable)
                return answer
        raise SqlServerError(208, f"Invalid object name '{' '.join(batch.split())[:60]}'.")
