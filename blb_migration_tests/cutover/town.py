"""A shop with an application: services that really run, folders, and a cutover.yaml for its night."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests
import yaml

from blb_migration.retries import becomes_true
from blb_migration_tests.cli.servers import Answer, Shop
from blb_migration_tests.cutover import tiny_service

SCRIPT = tiny_service.__file__
SMOKE = """\
base: http://127.0.0.1:{port}
headers: {{Authorization: 'Bearer {{token}}'}}
steps:
  - name: log in
    log_in: true
    request: {{method: POST, path: /login, form: {{username: a, password: b}}}}
    keep: {{token: access_token}}
  - name: create an article
    request: {{method: POST, path: /items, body: {{name: test}}, status: [201]}}
    expect: ["name == 'test'"]
    keep: {{id: id}}
    undo: {{method: DELETE, path: '/items/{{id}}', status: [204]}}
  - name: a command
    command: [{python}, -c, 'print(1)']
"""


def find_port() -> int:
    """Find a port that no system gives away by itself, which another program could have by the time."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


@dataclass
class Town:
    """A shop, its production and its new backend, and the file that describes the night between them."""

    shop: Shop
    production: Path
    new: Path
    port: int
    test_port: int
    settings: dict[str, Any] = field(default_factory=dict)

    def write(self) -> None:
        """Write cutover.yaml as ``settings`` have it now."""
        text = yaml.safe_dump(self.settings, sort_keys=False)
        (self.shop.folder / "cutover.yaml").write_text(text, encoding="utf-8")

    def run(self, *arguments: str) -> Answer:
        """Run a subcommand on this shop."""
        self.write()
        return self.shop.run(*arguments)

    def start(self) -> None:
        """Start production as people find it in the evening."""
        subprocess.run(
            [sys.executable, SCRIPT, "start", str(self.port), str(self.production)], check=True, timeout=30
        )
        self.wait(self.port)

    def who(self) -> str | None:
        """Ask production which database it uses; None where it does not answer."""
        with suppress(requests.RequestException):
            answer: dict[str, str] = requests.get(f"http://127.0.0.1:{self.port}/who", timeout=5).json()
            return answer["db_type"]
        return None

    @staticmethod
    def wait(port: int) -> None:
        assert becomes_true(lambda: answers(port), within_seconds=60, pause_seconds=0.02), port


def answers(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


def build_service(name: str, port: int, folder: Path) -> dict[str, Any]:
    return {
        "name": name,
        "stop": [sys.executable, SCRIPT, "stop", str(folder)],
        "start": [sys.executable, SCRIPT, "start", str(port), str(folder)],
        "answers": f"http://127.0.0.1:{port}/health",
        "within_seconds": "10",
    }


def build_town(shop: Shop, folder: Path) -> Town:
    """Make both folders and the beginning of cutover.yaml."""
    apps = folder / "apps"
    production, new = apps / "Shop_Production", apps / "Shop_Dev"
    for place in (production, new):
        place.mkdir(parents=True)
        text = "# which database\nDB_TYPE=sqlserver\nDB_URL=none\n"
        (place / ".env").write_text(text, encoding="utf-8")
    town = Town(shop, production, new, find_port(), find_port())
    town.settings = {
        "records": str(folder / "records"),
        "services": [build_service("backend", town.port, production)],
        "freeze": {"wait_seconds": "2"},
        "ready": {"free_megabytes": "1"},
    }
    return town


def prepare_night(town: Town) -> Town:
    """Let cutover.yaml describe a whole night."""
    for name, port in (("smoke.yaml", town.test_port), ("seen.yaml", town.port)):
        text = SMOKE.format(port=port, python=sys.executable)
        (town.shop.folder / name).write_text(text, encoding="utf-8")
    values = {"DB_TYPE": "postgresql", "DB_URL": "${SHOP_TARGET}"}
    town.settings |= {
        "backup": {"skip": "tested elsewhere"},
        "configure": {"files": [{"file": str(town.new / ".env"), "set": values}]},
        "smoke": {"service": build_service("test backend", town.test_port, town.new)},
        "switch": {"production": str(town.production), "new": str(town.new)},
        "live": {
            "health": f"http://127.0.0.1:{town.port}/health",
            "seen": {"file": "seen.yaml", "table": "customers"},
        },
        "watch": {"hours": "0", "every_seconds": "1"},
    }
    return town


def end_services(town: Town) -> None:
    """End whatever of the application still runs."""
    for folder in town.production.parent.iterdir():
        with suppress(OSError, ValueError, psutil.Error):
            process = psutil.Process(int((folder / tiny_service.PID_FILE).read_text()))
            if SCRIPT in process.cmdline():
                process.kill()
                process.wait(5)
