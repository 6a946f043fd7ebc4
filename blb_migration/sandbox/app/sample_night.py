"""The files of a whole night on this machine: both folders, their .env, cutover.yaml, the smoke tests.

The smoke tests are the project's own, but for where the application answers.
"""

from __future__ import annotations

import re
import secrets
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
import yaml

from blb_migration.sandbox.app.app_process import STOP_SECONDS, build_command, stop
from blb_migration.sandbox.app.erp_statements import ErpDatabase, add_person, find_product

_PERSON = "operator@example.com"
_COPIED = ("decisions.yaml", "catalog.json")
_START_SECONDS = 30
_ASK_SECONDS = 10


@dataclass
class SampleNight:
    """Where everything is. ``settings`` is cutover.yaml, which ``write`` writes; ``variables`` are what it,
    the smoke tests and the application's own log-in refer to.
    """

    root: Path
    port: int
    test_port: int
    owner: int
    variables: Mapping[str, str] = field(repr=False)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        """The project folder."""
        return self.root / "project"

    @property
    def production(self) -> Path:
        """The folder that the application runs in."""
        return self.root / "BLB3D_Production"

    @property
    def new(self) -> Path:
        """The folder with the application that is to run on PostgreSQL."""
        return self.root / "BLB3D_Dev"

    @property
    def records(self) -> Path:
        """Where the night's journal, reports and saved rows go."""
        return self.root / "records"

    def write(self) -> None:
        """Write cutover.yaml as ``settings`` are now."""
        text = yaml.safe_dump(self.settings, sort_keys=False)
        (self.project / "cutover.yaml").write_text(text, encoding="utf-8")

    def start(self) -> None:
        """Start production, as people find it in the evening. Raises TimeoutError."""
        subprocess.run(build_command("start", self.production, self.port, self.owner), check=True)
        ends_at = time.monotonic() + _START_SECONDS
        while self.name_database() is None:
            if time.monotonic() > ends_at:
                said = "".join(log.read_text()[-300:] for log in self.production.glob("logs/*.log"))
                raise TimeoutError(f"the sample application does not answer: {said}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End whatever of the application runs."""
        for folder in self.root.iterdir():
            for port in (self.port, self.test_port):
                stop(folder, port)

    def name_database(self) -> str | None:
        """Ask production which database it uses; None where it does not answer."""
        with suppress(requests.RequestException, KeyError):
            answer = requests.get(f"http://127.0.0.1:{self.port}/health", timeout=_ASK_SECONDS)
            return str(answer.json()["database"])
        return None

    def create_orders(self, count: int) -> list[str]:
        """Create production orders through production's own calls; returns their codes."""
        base = f"http://127.0.0.1:{self.port}/api/v1"
        form = {"username": self.variables["ERP_USER"], "password": self.variables["ERP_PASSWORD"]}
        codes = []
        with requests.Session() as http:
            answer = http.post(f"{base}/auth/login", data=form, timeout=_ASK_SECONDS)
            answer.raise_for_status()
            http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            for number in range(count):
                body = {
                    "product_id": self.variables["ERP_PRODUCT"],
                    "quantity_ordered": str(number + 1),
                    "notes": "written between live and rollback",
                }
                made = http.post(f"{base}/production-orders/", json=body, timeout=_ASK_SECONDS)
                made.raise_for_status()
                codes.append(str(made.json()["code"]))
        return codes


def build_sample_night(
    root: Path, source_url: str, target_url: str, project: Path, owner: int
) -> SampleNight:
    """Make folders and files below ``root``, and a person who may log in. Files of ``project`` are copied."""
    source, target = _build_settings("sqlserver", source_url), _build_settings("postgresql", target_url)
    password = secrets.token_urlsafe(12)
    with ErpDatabase(source).open_cursor() as cursor:
        add_person(cursor, _PERSON, password)
        product = find_product(cursor)
    variables = {
        **{name.replace("DB_", "NEW_DB_", 1): value for name, value in target.items()},
        "ERP_USER": _PERSON,
        "ERP_PASSWORD": password,
        "ERP_PRODUCT": str(product),
    }
    night = SampleNight(root, _find_port(), _find_port(), owner, variables)
    key = secrets.token_hex(16)
    for folder, name in ((night.production, "production"), (night.new, "dev")):
        folder.mkdir(parents=True)
        lines = [
            f"# {name}",
            *(f"{entry}={_quote(value)}" for entry, value in source.items()),
            f"SECRET_KEY={key}",
        ]
        (folder / ".env").write_text("\n".join(lines) + "\n", encoding="utf-8")
    night.project.mkdir()
    for name in _COPIED:
        (night.project / name).write_bytes((project / name).read_bytes())
    for name, port in (("smoke.yaml", night.test_port), ("live.yaml", night.port)):
        text = (project / name).read_text(encoding="utf-8")
        text = re.sub(r"(?m)^base: http://[^/\s]+", f"base: http://127.0.0.1:{port}", text)
        (night.project / name).write_text(text, encoding="utf-8")
    night.settings = _build_cutover(night, [*target])
    night.write()
    return night


def _build_cutover(night: SampleNight, keys: list[str]) -> dict[str, Any]:
    health = f"http://127.0.0.1:{night.port}/health"
    return {
        "records": str(night.records),
        "services": [_build_service("backend", night.production, night.port, night.owner)],
        "ready": {"free_megabytes": "1"},
        "freeze": {"wait_seconds": "20"},
        "backup": {"command": build_command("backup", night.production, night.port)},
        "configure": {
            "files": [{"file": str(night.new / ".env"), "set": {key: _refer(key) for key in keys}}]
        },
        "smoke": {
            "service": _build_service("backend beside production", night.new, night.test_port, night.owner)
        },
        "switch": {
            "production": str(night.production),
            "new": str(night.new),
            "kept_as": "{name}_SQLSERVER_{time}",
        },
        "live": {
            "health": health,
            "within_seconds": "20",
            "seen": {"file": "live.yaml", "table": "refresh_tokens"},
        },
        "watch": {"hours": "0", "logs": [{"file": str(night.production / "logs" / "app.log")}]},
    }


def _refer(key: str) -> str:
    return "${" + key.replace("DB_", "NEW_DB_", 1) + "}"


def _build_service(name: str, folder: Path, port: int, owner: int) -> dict[str, Any]:
    return {
        "name": name,
        "stop": build_command("stop", folder, port),
        "start": build_command("start", folder, port, owner),
        "answers": f"http://127.0.0.1:{port}/health",
        "within_seconds": str(_START_SECONDS + STOP_SECONDS),
    }


def _build_settings(kind: str, url: str) -> dict[str, str]:
    """Return what the application's .env says of a database."""
    parts = urlsplit(url)
    return {
        "DB_TYPE": kind,
        "DB_HOST": parts.hostname or "127.0.0.1",
        "DB_PORT": str(parts.port),
        "DB_NAME": parts.path.removeprefix("/"),
        "DB_USER": unquote(parts.username or ""),
        "DB_PASSWORD": unquote(parts.password or ""),
    }


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _find_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
