"""One fault for each step of the night, as people meet it; ``demo --cutover --fail-at`` shows the way back.

Each is planted before the night begins and gone after the block.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from decimal import Decimal

from dotenv import dotenv_values

from blb_migration.sandbox.app.erp_statements import ErpDatabase, create_order
from blb_migration.sandbox.app.sample_night import SampleNight

_IN_THE_WAY = "import time; time.sleep(3600)"
_LOOK_SECONDS = 0.1


@contextmanager
def _old_rehearsal(night: SampleNight) -> Iterator[str]:
    night.settings["ready"]["rehearsed_within_hours"] = "0.000001"
    yield "the last rehearsal is older than cutover.yaml allows"


@contextmanager
def _session_on_the_source(night: SampleNight) -> Iterator[str]:
    night.settings["freeze"]["wait_seconds"] = "2"
    with ErpDatabase(dotenv_values(night.production / ".env")).open_cursor():
        yield "somebody's session stays on the source"


@contextmanager
def _no_backup(night: SampleNight) -> Iterator[str]:
    night.settings["backup"] = {"wait_seconds": "1"}
    yield "nobody takes a backup"


@contextmanager
def _other_schema_version(night: SampleNight) -> Iterator[str]:
    night.settings["target_schema"] = {
        "version": {"command": [sys.executable, "-c", "print('a41')"], "expected": "b07"}
    }
    yield "the target has the application's schema version a41, the new application wants b07"


@contextmanager
def _order_on_the_target(night: SampleNight) -> Iterator[str]:
    with ErpDatabase(_read_target(night)).open_cursor() as cursor:
        cursor.change(
            "UPDATE production_orders SET notes = 'by hand'"
            " WHERE id = (SELECT MIN(id) FROM production_orders)"
        )
    yield "somebody has changed an order on the target since the rehearsal"


@contextmanager
def _write_after_the_load(night: SampleNight) -> Iterator[str]:
    is_over = threading.Event()

    def write() -> None:
        while not is_over.wait(_LOOK_SECONDS):
            if _is_loaded(night):
                with ErpDatabase(dotenv_values(night.production / ".env")).open_cursor() as cursor:
                    create_order(cursor, int(night.variables["ERP_PRODUCT"]), Decimal(1), "too late")
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield "somebody writes an order to the source as soon as it is loaded"
    finally:
        is_over.set()
        writer.join()


def _is_loaded(night: SampleNight) -> bool:
    with suppress(OSError):
        lines = (night.records / "journal.jsonl").read_text(encoding="utf-8").splitlines()
        return any('"step": "migrate"' in line and '"event": "closed"' in line for line in lines)
    return False


@contextmanager
def _no_configuration(night: SampleNight) -> Iterator[str]:
    night.settings["configure"]["files"][0]["file"] = str(night.new / "settings" / ".env")
    yield "the new application's .env is not where cutover.yaml says"


@contextmanager
def _used_port(night: SampleNight) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", night.test_port)):
        yield f"another program listens on port {night.test_port}, where the new backend is to be tried"


@contextmanager
def _held_folder(night: SampleNight) -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-c", _IN_THE_WAY], cwd=night.new) as process:
        try:
            yield f"a program (process {process.pid}) works in {night.new.name}"
        finally:
            process.kill()


@contextmanager
def _wrong_health(night: SampleNight) -> Iterator[str]:
    night.settings["live"] |= {"health": f"http://127.0.0.1:{night.port}/ready", "within_seconds": "2"}
    yield "the application has no such page as cutover.yaml asks for its health"


FAULTS: dict[str, Callable[[SampleNight], AbstractContextManager[str]]] = {
    "ready": _old_rehearsal,
    "freeze": _session_on_the_source,
    "backup": _no_backup,
    "target_schema": _other_schema_version,
    "migrate": _order_on_the_target,
    "prove": _write_after_the_load,
    "configure": _no_configuration,
    "smoke": _used_port,
    "switch": _held_folder,
    "live": _wrong_health,
}


def _read_target(night: SampleNight) -> dict[str, str | None]:
    return {
        name.removeprefix("NEW_"): value
        for name, value in night.variables.items()
        if name.startswith("NEW_DB_")
    }
