"""An engine's outcomes as a response: results row by row, counts, messages, errors, cancellation.

Results are streamed: one Arrow batch and one slice of encoded rows are held at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pysqlbridge.tds.packet import TdsProtocolError
from pysqlbridge.tds.tls import TlsError

from blb_migration.sandbox.emulator.results import Message, ResultSet, RowCount, SqlServerError
from blb_migration.sandbox.emulator.tds.faults import ConnectionDropped, FaultBoard, apply_fault
from blb_migration.sandbox.emulator.tds.metadata import encode_metadata, is_unlimited
from blb_migration.sandbox.emulator.tds.replay import ReplayStore
from blb_migration.sandbox.emulator.tds.row_tokens import encode_batch
from blb_migration.sandbox.emulator.tds.tokens import (
    SELECT_COMMAND,
    DoneFlag,
    DoneToken,
    encode_done,
    encode_error,
    encode_info,
)
from blb_migration.sandbox.emulator.tds.transport import ClientGone, ResponseWriter

logger = logging.getLogger(__name__)

# The number of an error that is this program's and none of SQL Server's.
_DEFECT = 50000

Outcomes = Iterator[ResultSet | RowCount | Message]


class Cancelled(Exception):
    """The client sent an attention while its response was under way."""


@dataclass(frozen=True)
class _EndOfStatement:
    """A DONE token held back until it is known whether more follows."""

    row_count: int | None
    command: int = 0


class Response:
    """The answer to one request. ``check`` raises Cancelled when the client wants no more of it; results
    with values of unlimited length are held back until complete if ``holds_unlimited``."""

    def __init__(
        self,
        writer: ResponseWriter,
        *,
        faults: FaultBoard,
        replays: ReplayStore,
        holds_unlimited: bool,
        check: Callable[[], None],
        pause: Callable[[float], None],
    ) -> None:
        self._writer = writer
        self._faults = faults
        self._replays = replays
        self._holds_unlimited = holds_unlimited
        self._check = check
        self._pause = pause
        self._held: _EndOfStatement | None = None
        self._done_token = DoneToken.DONE

    def write(self, token: bytes) -> None:
        """Add a token of the caller's."""
        self._writer.write(token)

    def send_outcomes(
        self, statement: str, outcomes: Outcomes, database: Callable[[], str], *, in_procedure: bool
    ) -> SqlServerError | None:
        """Stream all outcomes; an error ends them and is returned, already told to the client.

        ``database`` names the session's database, for UDTs. Inside a procedure statements end with
        DONEINPROC, and what ends the procedure is the caller's; a batch is ended here.
        """
        self._done_token = DoneToken.DONEINPROC if in_procedure else DoneToken.DONE
        failure = None
        try:
            for outcome in outcomes:
                self._release(DoneFlag.MORE)
                self._check()
                if isinstance(outcome, ResultSet):
                    self._send_result(statement, outcome, database())
                elif isinstance(outcome, RowCount):
                    self._held = _EndOfStatement(outcome.row_count)
                else:
                    self._writer.write(encode_info(outcome))
        except SqlServerError as error:
            failure = error
        except (Cancelled, ClientGone, ConnectionDropped, TdsProtocolError, TlsError):
            raise
        except Exception as defect:
            # A defect must read as an error at the client, not as a lost connection.
            logger.exception("while answering: %s", statement)
            failure = SqlServerError(_DEFECT, f"The emulator failed: {type(defect).__name__}: {defect}")
        finally:
            _close(outcomes)
        if failure is not None:
            self._release(DoneFlag.MORE)
            self._writer.write(encode_error(failure))
            if not in_procedure:
                self._writer.write(encode_done(DoneToken.DONE, DoneFlag.ERROR))
        elif in_procedure:
            self._release(DoneFlag.MORE)
        else:
            self._held = self._held or _EndOfStatement(None)
            self._release(DoneFlag.FINAL)
        return failure

    def _release(self, flag: DoneFlag) -> None:
        if self._held is not None:
            self._writer.write(encode_done(self._done_token, flag, self._held.row_count, self._held.command))
            self._held = None

    def _send_result(self, statement: str, result: ResultSet, database: str) -> None:
        fault = self._faults.take(statement)
        batches = result.batches
        if fault is not None:
            batches = apply_fault(fault, batches, self._pause)
        if self._holds_unlimited and any(is_unlimited(column.type) for column in result.columns):
            self._writer.hold()
        try:
            if fault is not None or result.replay_key is None or not self._replays.has(result.replay_key):
                result.start()
            self._writer.write(encode_metadata(result.columns, database))
            if fault is None and result.replay_key is not None:
                row_count = self._send_replayable(result, result.replay_key)
            else:
                row_count = self._send_rows(result, batches)
        finally:
            _close(result.batches)
        self._held = _EndOfStatement(row_count, SELECT_COMMAND)

    def _send_replayable(self, result: ResultSet, key: str) -> int:
        replay = self._replays.read(key)
        if replay is not None:
            row_count, slices = replay
            try:
                for part in slices:
                    self._writer.write(part)
                    self._check()
            finally:
                _close(slices)
            result.note_replayed(row_count)
            return row_count
        recording = self._replays.start(key)
        if recording is None:
            return self._send_rows(result, result.batches)
        try:
            row_count = self._send_rows(result, result.batches, recording.write)
            recording.keep(row_count)
        finally:
            recording.discard()
        return row_count

    def _send_rows(
        self,
        result: ResultSet,
        batches: Iterator[pa.RecordBatch],
        record: Callable[[memoryview], None] | None = None,
    ) -> int:
        row_count = 0
        for batch in batches:
            for part in encode_batch(result.columns, batch):
                if record is not None:
                    record(part)
                self._writer.write(part)
                self._check()
            row_count += batch.num_rows
        return row_count


def _close(iterator: Iterator[Any]) -> None:
    """Let a generator that was left early clean up now, in this thread."""
    close = getattr(iterator, "close", None)
    if close is not None:
        close()
