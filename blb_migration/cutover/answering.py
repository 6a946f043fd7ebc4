"""Whether something answers: a URL or a port. Starts and stops services by that, not by exit codes."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from blb_migration.cutover.commands import CommandFailed, run_command, show_command
from blb_migration.cutover.http_request import NoAnswer, send_request
from blb_migration.cutover.night import Night
from blb_migration.cutover.night_models import Service
from blb_migration.cutover.step import StepFailed
from blb_migration.retries import becomes_true

_ANSWER_SECONDS = 5.0
_PAUSE_SECONDS = 0.2
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Reply:
    """Whether it answered, and how, in words."""

    is_there: bool
    found: str


def ask(address: str) -> Reply:
    """Ask a URL, which must answer with a status below 400, or host:port, which must take a connection."""
    if "://" not in address:
        return _ask_port(address)
    try:
        answer = send_request("GET", address, _ANSWER_SECONDS, reads_body=False)
    except NoAnswer as error:
        return Reply(False, f"{address} does not answer ({error.cause})")
    return Reply(answer.status < 400, f"{address} answers {answer.status}")


def is_silent(address: str) -> bool:
    """Whether nothing at all listens there: a service that answers 500, or hangs up, is not stopped.

    A host that does not even refuse is not called silent: nobody knows what is behind it.
    """
    host, port = _split_address(address)
    try:
        socket.create_connection((host, port), timeout=_ANSWER_SECONDS).close()
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


def stop_service(night: Night, service: Service, *, may_be_starting: bool = False) -> str:
    """Stop it unless it is silent, and wait until it is. Returns what was seen. Raises StepFailed.

    With ``may_be_starting`` the command is run all the same: what was started and does not answer yet would
    come up later. How it ends then says nothing.
    """
    assert service.stop is not None
    about, folder = f"stopping service {service.name}", night.file.path.parent
    if is_silent(service.answers):
        if may_be_starting:
            with suppress(CommandFailed):
                run_command(service.stop, night.mask, about, folder)
        if is_silent(service.answers):
            return f"{service.name} was not running: {service.answers} does not answer"
    night.tell(f"stopping {service.name}: {night.mask(show_command(service.stop))}")
    run_command(service.stop, night.mask, about, folder)
    if becomes_true(
        lambda: is_silent(service.answers),
        within_seconds=service.within_seconds,
        pause_seconds=_PAUSE_SECONDS,
    ):
        return f"{service.name} stopped: {service.answers} does not answer any more"
    raise StepFailed(
        f"service {service.name}",
        found=f"{service.answers} still answers {service.within_seconds:g} s after its stop command",
        expected="nothing that answers there",
        next_act="See what holds the port, end it, then run again",
    )


def start_service(night: Night, service: Service) -> str:
    """Start it unless it answers, and wait until it does. Returns what was seen. Raises StepFailed."""
    if ask(service.answers).is_there:
        return f"{service.name} runs: {ask(service.answers).found}"
    assert service.start is not None
    night.tell(f"starting {service.name}: {night.mask(show_command(service.start))}")
    run_command(service.start, night.mask, f"starting service {service.name}", night.file.path.parent)
    if becomes_true(
        lambda: ask(service.answers).is_there,
        within_seconds=service.within_seconds,
        pause_seconds=_PAUSE_SECONDS,
    ):
        return f"{service.name} started: {ask(service.answers).found}"
    raise StepFailed(
        f"service {service.name}",
        found=f"{ask(service.answers).found}, {service.within_seconds:g} s after its start command",
        expected=f"{service.answers} to answer",
        next_act="Read the service's log, then run again; within_seconds gives it more time",
    )


def stop_services(night: Night, services: Sequence[Service], *, may_be_starting: bool = False) -> list[str]:
    """Stop services in their order. Returns what was seen of each."""
    return [stop_service(night, service, may_be_starting=may_be_starting) for service in services]


def start_services(night: Night, services: Sequence[Service]) -> list[str]:
    """Start services, the last one first. Returns what was seen of each."""
    return [start_service(night, service) for service in reversed(services)]


def _ask_port(address: str) -> Reply:
    try:
        socket.create_connection(_split_address(address), timeout=_ANSWER_SECONDS).close()
    except OSError as error:
        return Reply(False, f"{address} does not answer ({error.strerror or error})")
    return Reply(True, f"{address} answers")


def _split_address(address: str) -> tuple[str, int]:
    """Return host and port of a URL or of host:port."""
    if "://" not in address:
        host, _, port = address.rpartition(":")
        return host, int(port)
    parts = urlsplit(address)
    return parts.hostname or "", parts.port or _PORTS[parts.scheme]
