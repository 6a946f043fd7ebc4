"""One client's conversation: log-in, then requests answered one after the other until it leaves.

Runs in a thread of its own. A client that breaks the protocol loses its connection and nothing
else; an engine's error is an ERROR token.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pysqlbridge.tds.batch import parse_sql_batch, skip_all_headers
from pysqlbridge.tds.packet import PacketStatus, PacketType, TdsProtocolError
from pysqlbridge.tds.tls import TlsError
from pysqlbridge.tds.transaction import TransactionRequestType, parse_transaction_request

from blb_migration.sandbox.emulator.results import (
    Message,
    Parameter,
    ResultSet,
    RowCount,
    SqlEngine,
    SqlServerError,
    SqlSession,
)
from blb_migration.sandbox.emulator.tds.describe import describe_first_result
from blb_migration.sandbox.emulator.tds.faults import ConnectionDropped, FaultBoard
from blb_migration.sandbox.emulator.tds.handshake import LoginRequest, accept, negotiate, refuse
from blb_migration.sandbox.emulator.tds.link import LinkBoard, PacedLine
from blb_migration.sandbox.emulator.tds.metadata import encode_metadata
from blb_migration.sandbox.emulator.tds.parameters import RpcCall, parse_calls
from blb_migration.sandbox.emulator.tds.replay import ReplayStore
from blb_migration.sandbox.emulator.tds.responses import Cancelled, Response
from blb_migration.sandbox.emulator.tds.rpc import (
    PreparedStatement,
    PreparedStatements,
    called_procedure,
    read_statement,
    unknown_procedure,
)
from blb_migration.sandbox.emulator.tds.statements import RecordedStatement, StatementKind, StatementLog
from blb_migration.sandbox.emulator.tds.tokens import (
    DoneFlag,
    DoneToken,
    encode_database_change,
    encode_done,
    encode_error,
    encode_reset_acknowledged,
    encode_return_integer,
    encode_return_status,
    encode_transaction_begun,
    encode_transaction_ended,
)
from blb_migration.sandbox.emulator.tds.transport import ClientGone, Request, ResponseWriter, Transport

logger = logging.getLogger(__name__)

_NO_TRANSACTION = bytes(8)
_PAUSE_STEP_SECONDS = 0.02
_RESET_BITS = PacketStatus.RESET_CONNECTION | PacketStatus.RESET_CONNECTION_SKIP_TRAN
_ISOLATION_LEVELS = {
    1: "READ UNCOMMITTED",
    2: "READ COMMITTED",
    3: "REPEATABLE READ",
    4: "SERIALIZABLE",
    5: "SNAPSHOT",
}


@dataclass(frozen=True)
class Services:
    """What all connections of a server share."""

    engine: SqlEngine
    tls_context: ssl.SSLContext
    statements: StatementLog
    faults: FaultBoard
    links: LinkBoard
    replays: ReplayStore
    has_clients_in_process: bool
    stopping: threading.Event


class Connection:
    """One client. ``run`` is its thread's work; ``abort`` may be called from any thread."""

    def __init__(self, client_socket: socket.socket, session_id: int, services: Services) -> None:
        self._line = PacedLine(services.links, services.stopping)
        self._transport = Transport(client_socket, self._line)
        self.session_id = session_id
        self._services = services
        self._login: LoginRequest | None = None
        self._session: SqlSession | None = None
        self._announced_database = ""
        self._prepared = PreparedStatements()
        self._transaction = _NO_TRANSACTION
        self._transaction_count = 0

    def run(self) -> None:
        """Serve the client until it leaves, breaks the protocol or the server stops."""
        try:
            if self._log_in():
                while True:
                    self._serve(self._transport.read_request())
        except ConnectionDropped:
            self._transport.abort()
        except (TdsProtocolError, TlsError, ValueError) as failure:
            logger.warning("session %d: %s", self.session_id, failure)
        except (ClientGone, OSError):
            logger.debug("session %d ended", self.session_id)
        finally:
            if self._session is not None:
                self._session.close()
            self._transport.close()

    def abort(self) -> None:
        """Break the connection; ``run`` ends soon after."""
        self._transport.abort()

    def _log_in(self) -> bool:
        self._login = login = negotiate(self._transport, self._services.tls_context)
        self._transport.session_id = self.session_id
        try:
            self._session = self._services.engine.login(login.user, login.password, login.database)
        except SqlServerError as refusal:
            refuse(self._transport, login, refusal)
            return False
        self._session.introduce(login.host, login.application, login.process_id)
        self._announced_database = self._session.database
        accept(self._transport, login, self._announced_database)
        return True

    def _serve(self, request: Request) -> None:
        writer = ResponseWriter(self._transport)
        if request.type is PacketType.ATTENTION:
            self._acknowledge_attention(writer)
            return
        if request.status & PacketStatus.IGNORE:
            return
        self._line.begin_answer()
        handle = self._handlers.get(request.type)
        if handle is None:
            raise TdsProtocolError(f"{request.type.name} is not served here")
        response = Response(
            writer,
            faults=self._services.faults,
            replays=self._services.replays,
            holds_unlimited=self._services.has_clients_in_process,
            check=self._check,
            pause=self._pause,
        )
        try:
            if request.status & _RESET_BITS:
                self._reset(response)
            handle(response, request.payload)
            writer.finish()
        except Cancelled:
            writer.discard_held()
            self._acknowledge_attention(writer)

    @property
    def _handlers(self) -> dict[PacketType, Callable[[Response, bytes], None]]:
        return {
            PacketType.SQL_BATCH: self._run_batch,
            PacketType.RPC: self._run_calls,
            PacketType.TRANSACTION_MANAGER: self._run_transaction,
        }

    def _acknowledge_attention(self, writer: ResponseWriter) -> None:
        writer.write(encode_done(DoneToken.DONE, DoneFlag.ATTENTION))
        writer.finish()

    def _run_batch(self, response: Response, payload: bytes) -> None:
        batch = parse_sql_batch(payload)
        self._record(batch, "batch")
        self._execute(response, batch, (), in_procedure=False)

    def _execute(
        self, response: Response, batch: str, parameters: tuple[Parameter, ...], *, in_procedure: bool
    ) -> SqlServerError | None:
        session = self._open_session
        outcomes = self._announce_databases(response, session.execute(batch, parameters))
        return response.send_outcomes(batch, outcomes, lambda: session.database, in_procedure=in_procedure)

    def _announce_databases(
        self, response: Response, outcomes: Iterator[ResultSet | RowCount | Message]
    ) -> Iterator[ResultSet | RowCount | Message]:
        """Pass outcomes on; after each, tell the client when the session moved to another database."""
        for outcome in outcomes:
            self._announce_database(response)
            yield outcome
        self._announce_database(response)

    def _announce_database(self, response: Response) -> None:
        database = self._open_session.database
        if database != self._announced_database:
            response.write(encode_database_change(database, self._announced_database))
            self._announced_database = database

    def _run_calls(self, response: Response, payload: bytes) -> None:
        calls = parse_calls(payload)
        for number, call in enumerate(calls, start=1):
            flags = DoneFlag.FINAL if number == len(calls) else DoneFlag.MORE
            return_values = b""
            try:
                failure, return_values = self._run_call(response, call)
            except SqlServerError as error:
                failure = error
                response.write(encode_error(error))
            flags |= DoneFlag.FINAL if failure is None else DoneFlag.ERROR
            response.write(encode_return_status(0 if failure is None else failure.number))
            response.write(return_values)
            response.write(encode_done(DoneToken.DONEPROC, flags))

    def _run_call(self, response: Response, call: RpcCall) -> tuple[SqlServerError | None, bytes]:
        """Run one procedure; returns its failure, already sent, and its output parameters' tokens."""
        procedure = call.procedure.lower().rpartition(".")[2]
        arguments = call.arguments
        if procedure == "sp_executesql":
            statement = read_statement(call, 0, 1)
            return self._run_prepared(response, statement, call, first_value=2), b""
        if procedure == "sp_prepexec":
            statement = read_statement(call, 2, 1)
            failure = self._run_prepared(response, statement, call, first_value=3)
            return failure, self._return_handle(call, self._prepared.add(statement))
        if procedure == "sp_execute" and arguments:
            return self._run_prepared(
                response, self._prepared.find(arguments[0].value), call, first_value=1
            ), b""
        if procedure == "sp_prepare":
            statement = read_statement(call, 2, 1)
            self._record(statement.text, "prepare")
            self._describe(response, statement)
            return None, self._return_handle(call, self._prepared.add(statement))
        if procedure == "sp_unprepare" and arguments:
            self._prepared.remove(arguments[0].value)
            return None, b""
        if procedure == "sp_describe_first_result_set":
            statement = read_statement(call, 0, 1)
            self._record(statement.text, "prepare")
            result = describe_first_result(self._open_session.describe(statement.text, _untyped(statement)))
            return response.send_outcomes(call.procedure, iter([result]), lambda: "", in_procedure=True), b""
        name = called_procedure(call)
        self._record(f"EXEC {name}", "procedure")
        raise unknown_procedure(name)

    def _run_prepared(
        self, response: Response, statement: PreparedStatement, call: RpcCall, *, first_value: int
    ) -> SqlServerError | None:
        self._record(statement.text, "execute")
        parameters = statement.bind(call.arguments[first_value:])
        return self._execute(response, statement.text, parameters, in_procedure=True)

    def _describe(self, response: Response, statement: PreparedStatement) -> None:
        columns = self._open_session.describe(statement.text, _untyped(statement))
        if columns:
            response.write(encode_metadata(columns, self._open_session.database))
            response.write(encode_done(DoneToken.DONEINPROC, DoneFlag.MORE))

    def _return_handle(self, call: RpcCall, handle: int) -> bytes:
        return encode_return_integer(0, call.arguments[0].name, handle)

    def _run_transaction(self, response: Response, payload: bytes) -> None:
        kind = parse_transaction_request(payload).kind
        if kind is TransactionRequestType.BEGIN_XACT:
            isolation = payload[skip_all_headers(payload) + 2 :][:1]
            level = _ISOLATION_LEVELS.get(isolation[0]) if isolation else None
            failure = self._run_quietly(f"SET TRANSACTION ISOLATION LEVEL {level}") if level else None
            failure = failure or self._run_quietly("BEGIN TRANSACTION")
        elif kind is TransactionRequestType.COMMIT_XACT:
            failure = self._run_quietly("COMMIT TRANSACTION")
        elif kind is TransactionRequestType.ROLLBACK_XACT:
            failure = self._run_quietly("ROLLBACK TRANSACTION")
        else:
            failure = SqlServerError(8501, "MSDTC on server is unavailable.", state=3)
        if failure is not None:
            response.write(encode_error(failure))
            response.write(encode_done(DoneToken.DONE, DoneFlag.ERROR))
            return
        if kind is TransactionRequestType.BEGIN_XACT:
            self._transaction_count += 1
            self._transaction = self._transaction_count.to_bytes(8, "little")
            response.write(encode_transaction_begun(self._transaction))
        else:
            is_committed = kind is TransactionRequestType.COMMIT_XACT
            response.write(encode_transaction_ended(self._transaction, is_committed=is_committed))
            self._transaction = _NO_TRANSACTION
        response.write(encode_done(DoneToken.DONE, DoneFlag.FINAL))

    def _run_quietly(self, statement: str) -> SqlServerError | None:
        self._record(statement, "transaction")
        try:
            for _ in self._open_session.execute(statement):
                continue
        except SqlServerError as failure:
            return failure
        return None

    def _reset(self, response: Response) -> None:
        """Begin a new session under the same log-in, as a connection pool asks for."""
        if self._login is None:
            return
        self._open_session.close()
        self._session = self._services.engine.login(
            self._login.user, self._login.password, self._login.database
        )
        self._session.introduce(self._login.host, self._login.application, self._login.process_id)
        self._prepared.clear()
        self._transaction = _NO_TRANSACTION
        response.write(encode_reset_acknowledged())
        self._announce_database(response)

    @property
    def _open_session(self) -> SqlSession:
        if self._session is None:
            raise TdsProtocolError("a request before log-in")
        return self._session

    def _record(self, text: str, kind: StatementKind) -> None:
        login = self._login
        self._services.statements.append(
            RecordedStatement(
                text=text,
                kind=kind,
                user=login.user if login else "",
                application=login.application if login else "",
                database=self._open_session.database,
                session_id=self.session_id,
                received_at=datetime.now(UTC),
            )
        )

    def _check(self) -> None:
        if self._services.stopping.is_set():
            raise ClientGone("the server is stopping")
        if self._transport.is_attention_waiting():
            raise Cancelled

    def _pause(self, seconds: float) -> None:
        """Wait, but not past the client's cancelling or the server's stopping."""
        while seconds > 0:
            self._check()
            self._services.stopping.wait(min(seconds, _PAUSE_STEP_SECONDS))
            seconds -= _PAUSE_STEP_SECONDS


def _untyped(statement: PreparedStatement) -> tuple[Parameter, ...]:
    """Return a statement's parameters for describing it: types without values."""
    return tuple(Parameter(name, column_type, None) for name, column_type in statement.declared)
