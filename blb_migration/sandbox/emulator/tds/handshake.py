"""From the first byte to a logged-in session: PRELOGIN, TLS, LOGIN7, and the answers to it.

Log-in is by user and password alone. The log-in packet is encrypted, unless the client says that it
cannot; what follows it is encrypted when the client asked for that ([MS-TDS] 2.2.6.5, ENCRYPTION).
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from pysqlbridge.tds.login import Login7, deobfuscate_password
from pysqlbridge.tds.packet import PacketType, TdsProtocolError
from pysqlbridge.tds.prelogin import Encryption, Prelogin, Version, server_response
from pysqlbridge.tds.token import EnvChangeType, env_change, login_ack

from blb_migration.sandbox.emulator.results import Message, SqlServerError
from blb_migration.sandbox.emulator.tds.collation import find_collation
from blb_migration.sandbox.emulator.tds.tokens import (
    DoneFlag,
    DoneToken,
    encode_database_change,
    encode_done,
    encode_error,
    encode_info,
)
from blb_migration.sandbox.emulator.tds.transport import LOGIN_PACKET_SIZE, ResponseWriter, Transport

# SQL Server 2022, the version whose answers the emulator gives.
SERVER_VERSION = Version(major=16, minor=0, build=4135, subbuild=0)
_LANGUAGE = "us_english"
_LOGIN_FAILED, _DATABASE_REFUSED = 18456, 4060
_SMALLEST_PACKET, _LARGEST_PACKET = 512, 32767
# An encrypted packet must fit one TLS record; drivers hang on larger ones, and SQL Server sends none.
_LARGEST_ENCRYPTED_PACKET = 16383
_TDS_74 = 0x74000004
_UTF8_SUPPORT, _FEATURES_END = 0x0A, 0xFF
_HAS_EXTENSION = 0x10


@dataclass(frozen=True)
class LoginRequest:
    """Who wants in. ``database`` is None for the user's default one."""

    user: str
    password: str = field(repr=False)
    database: str | None
    application: str
    host: str
    process_id: int
    packet_size: int
    wants_utf8: bool


def negotiate(transport: Transport, context: ssl.SSLContext) -> LoginRequest:
    """Run PRELOGIN and TLS, and read the log-in; raises TdsProtocolError or TlsError for anything else."""
    is_strict = transport.is_tls_first()
    if is_strict:
        transport.accept_strict_tls(context)
    request = transport.read_request()
    if request.type is not PacketType.PRELOGIN:
        raise TdsProtocolError(f"expected PRELOGIN, got {request.type.name}")
    asked = Prelogin.parse(request.payload)
    is_encrypted = is_strict or asked.encryption in (Encryption.ON, Encryption.REQUIRED)
    agreed = Encryption.ON if is_encrypted else Encryption.OFF
    if asked.encryption is Encryption.NOT_SUPPORTED:
        agreed = Encryption.NOT_SUPPORTED
    writer = ResponseWriter(transport)
    writer.write(server_response(version=SERVER_VERSION, encryption=agreed, asked=asked).build())
    writer.finish()
    if not is_strict and agreed is not Encryption.NOT_SUPPORTED:
        transport.accept_tls(context)
    request = transport.read_request()
    if request.type is not PacketType.LOGIN7:
        raise TdsProtocolError(f"expected LOGIN7, got {request.type.name}")
    if not is_encrypted:
        transport.end_encryption()
    return _read_login(request.payload, _LARGEST_ENCRYPTED_PACKET if is_encrypted else _LARGEST_PACKET)


def accept(transport: Transport, login: LoginRequest, database: str) -> None:
    """Tell the client it is in; later packets have the size it asked for."""
    size = login.packet_size
    tokens = [
        encode_database_change(database, "master"),
        encode_info(Message(5701, f"Changed database context to '{database}'.", severity=0, state=2)),
        env_change(EnvChangeType.SQL_COLLATION, find_collation(None).wire_bytes),
        env_change(EnvChangeType.LANGUAGE, _LANGUAGE),
        encode_info(Message(5703, f"Changed language setting to {_LANGUAGE}.", severity=0, state=1)),
        login_ack(
            version=(SERVER_VERSION.major, SERVER_VERSION.minor, SERVER_VERSION.build), tds_version=_TDS_74
        ),
        env_change(EnvChangeType.PACKET_SIZE, str(size), str(LOGIN_PACKET_SIZE)),
    ]
    if login.wants_utf8:
        tokens.append(bytes([0xAE, _UTF8_SUPPORT, 1, 0, 0, 0, 1, _FEATURES_END]))
    tokens.append(encode_done(DoneToken.DONE, DoneFlag.FINAL))
    writer = ResponseWriter(transport)
    writer.write(b"".join(tokens))
    writer.finish()
    transport.packet_size = size


def refuse(transport: Transport, login: LoginRequest, refusal: SqlServerError) -> None:
    """Tell the client why it is not in; a missing database is followed by the log-in's own failure."""
    tokens = [encode_error(refusal)]
    if refusal.number == _DATABASE_REFUSED:
        failure = SqlServerError(_LOGIN_FAILED, f"Login failed for user '{login.user}'.", severity=14)
        tokens.append(encode_error(failure))
    tokens.append(encode_done(DoneToken.DONE, DoneFlag.ERROR))
    writer = ResponseWriter(transport)
    writer.write(b"".join(tokens))
    writer.finish()


def _read_login(payload: bytes, largest_packet: int) -> LoginRequest:
    login = Login7.parse(payload)
    if login.tds_version < _TDS_74:
        raise TdsProtocolError(f"TDS 7.4 is spoken here, the client asked for 0x{login.tds_version:08x}")
    size = login.packet_size or LOGIN_PACKET_SIZE
    return LoginRequest(
        user=login.user_name,
        password=deobfuscate_password(login.password),
        database=login.database or None,
        application=login.app_name,
        host=login.host_name,
        process_id=login.client_pid,
        packet_size=max(_SMALLEST_PACKET, min(largest_packet, size)),
        wants_utf8=_wants_utf8(payload),
    )


def _wants_utf8(payload: bytes) -> bool:
    """Whether the FeatureExt block ([MS-TDS] 2.2.6.4) asks for UTF-8 text in UTF-8 collated columns."""
    if not payload[27] & _HAS_EXTENSION:
        return False
    extension_at = int.from_bytes(payload[56:58], "little")
    at = int.from_bytes(payload[extension_at : extension_at + 4], "little")
    while 0 < at < len(payload) and payload[at] != _FEATURES_END:
        if payload[at] == _UTF8_SUPPORT:
            return True
        at += 5 + int.from_bytes(payload[at + 1 : at + 5], "little")
    return False
