"""Beyond loopback the web server answers a known name, with the password."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from blb_migration.defs.web_guard import guard_app

STRANGER, OURSELVES = "192.0.2.7", "127.0.0.1"


def ask(client: str, path: str = "/", **headers: str) -> tuple[int, dict[str, str]]:
    """Send one request through the guard as the server would, from ``client``."""

    async def answer(_request: Any) -> PlainTextResponse:
        return PlainTextResponse("the app")

    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    guard_app(app)
    sent: list[dict[str, Any]] = []
    named = {"host": "localhost:3000"} | {name.replace("_", "-"): text for name, text in headers.items()}
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "scheme": "http",
        "server": ("192.0.2.1", 3000),
        "client": (client, 50000),
        "headers": [(name.encode(), text.encode("latin-1")) for name, text in named.items()],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    got = {name.decode(): text.decode() for name, text in sent[0]["headers"]}
    return sent[0]["status"], got


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


def test_without_a_password_only_its_own_machine_is_answered() -> None:
    assert ask(OURSELVES)[0] == 200
    assert ask(STRANGER)[0] == 403
    assert ask(STRANGER, authorization=basic(""))[0] == 403


def test_with_a_password_everybody_is_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLB_UI_PASSWORD", "geheim: ä")
    for client in (OURSELVES, STRANGER):
        status, headers = ask(client)
        assert (status, headers["www-authenticate"][:5]) == (401, "Basic")
        assert ask(client, authorization=basic("geheim: ä"))[0] == 200
        for wrong in (basic("geheim: a"), basic(""), "Basic !", "Basic", "Bearer geheim: ae", ""):
            assert ask(client, authorization=wrong)[0] == 401
        assert ask(client, "/server_info")[0] == 200  # a health check


def test_a_name_that_was_declared_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(OURSELVES, host="erp-move.example")[0] == 400
    monkeypatch.setenv("BLB_UI_HOSTS", "erp-move.example, other.example")
    assert ask(OURSELVES, host="erp-move.example")[0] == 200
    assert ask(OURSELVES, host="erp-move.example", origin="https://erp-move.example")[0] == 200
    assert ask(OURSELVES, host="erp-move.example", origin="https://other.example")[0] == 403
    assert ask(OURSELVES, host="third.example")[0] == 400
