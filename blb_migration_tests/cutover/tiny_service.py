"""A backend for tests: started and stopped by commands, it reads its folder's .env and answers over HTTP.

``start PORT FOLDER`` leaves it running, ``stop FOLDER`` ends it. GET /health, /who (its DB_TYPE), POST /items
(writes to the target of its DB_URL), DELETE /items/ID, POST /login. Files in the folder break it: ``broken``,
``no_login``, ``slow``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

PID_FILE = "service.pid"
SLOW_SECONDS = 7.0


def read_env(folder: Path) -> dict[str, str]:
    lines = (
        (folder / ".env").read_text(encoding="utf-8-sig").splitlines() if (folder / ".env").exists() else []
    )
    pairs = [line.removeprefix("export ").split("=", 1) for line in lines if "=" in line and line[0] != "#"]
    return {name.strip(): value.strip().strip("'\"") for name, value in pairs}


class Handler(BaseHTTPRequestHandler):
    folder = Path()

    def do_GET(self) -> None:
        env = read_env(self.folder)
        broken = (self.folder / "broken").exists()
        self.answer(500 if broken else 200, {"db_type": env.get("DB_TYPE"), "ok": not broken})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/login":
            self.sql("UPDATE customers SET name = name || '!' WHERE id = 1")
            is_noted = self.note_log_in() and not (self.folder / "no_login").exists()
            self.answer(200 if is_noted else 500, {"access_token": "tok-1"})
            return
        if self.headers.get("Authorization") != "Bearer tok-1":
            self.answer(401, {"detail": "who are you"})
            return
        self.sql("INSERT INTO articles (id, name) SELECT max(id) + 1, 'test' FROM articles")
        self.answer(201, {"id": self.sql("SELECT max(id) FROM articles")[0][0], "name": "test"})

    def do_DELETE(self) -> None:
        self.sql("DELETE FROM articles WHERE id = %s", int(self.path.rsplit("/", 1)[1]))
        self.answer(204, None)

    def note_log_in(self) -> bool:
        """Add a row to log_ins where there is such a table; False where the server takes none."""
        import psycopg

        if self.sql("SELECT to_regclass('log_ins') IS NULL") == [(True,)]:
            return True
        try:
            self.sql("INSERT INTO log_ins DEFAULT VALUES")
        except psycopg.Error:
            return False
        return True

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(read_env(self.folder)["DB_URL"], autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def answer(self, status: int, document: object) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        with (self.folder / "service.log").open("a") as log:
            log.write(format % args + "\n")


def main(verb: str, *rest: str) -> None:
    if verb == "start":
        port, folder = rest
        process = subprocess.Popen(
            [sys.executable, __file__, "serve", port, folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        (Path(folder) / PID_FILE).write_text(str(process.pid))
    elif verb == "serve":
        Handler.folder = Path(rest[1])
        if (Handler.folder / "slow").exists():
            time.sleep(SLOW_SECONDS)
        HTTPServer.allow_reuse_address = True
        HTTPServer(("127.0.0.1", int(rest[0])), Handler).serve_forever()
    elif verb == "stop":
        pid = int((Path(rest[0]) / PID_FILE).read_text())
        try:
            os.kill(pid, 15)
        except ProcessLookupError:
            return
        time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
