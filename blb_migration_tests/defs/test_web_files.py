"""The files of runs are served beside Dagster's pages; no other file is, whatever the name."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from blb_migration.defs.files_offered import build_link
from blb_migration.defs.internals import web_server
from blb_migration.defs.web_files import add_files

OUTSIDE = "not for the UI"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of reports with one run's page in it, and files around it that are none of its."""
    reports = tmp_path / "files" / "reports"
    (reports / "run 1").mkdir(parents=True)
    (reports / "run 1" / "report.html").write_text("the page", encoding="utf-8")
    (reports / "run 1" / "notes.txt").write_text(OUTSIDE, encoding="utf-8")
    (reports / "loose.html").write_text(OUTSIDE, encoding="utf-8")
    (tmp_path / "files" / "above.html").write_text(OUTSIDE, encoding="utf-8")
    monkeypatch.setenv("BLB_REPORTS", str(reports))
    monkeypatch.setenv("BLB_DIFFERENCES", str(tmp_path / "nowhere"))
    return reports


def ask(path: str, method: str = "GET", prefix: str = "") -> tuple[int, str, dict[str, str]]:
    async def answer(_request: Any) -> PlainTextResponse:
        return PlainTextResponse("Dagster's own page")

    app = Starlette(routes=[Route("/{path:path}", answer)])
    add_files(app, prefix)
    sent: list[dict[str, Any]] = []
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": []}

    requests = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        while not requests:  # the client goes on listening
            await asyncio.sleep(3600)
        return requests.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    text = b"".join(message.get("body", b"") for message in sent[1:]).decode()
    return sent[0]["status"], text, {name.decode(): value.decode() for name, value in sent[0]["headers"]}


@pytest.mark.usefixtures("folder")
def test_a_runs_report_is_shown() -> None:
    assert build_link("reports", "run 1", "report.html") == "/blb/files/reports/run%201/report.html"
    status, text, headers = ask("/blb/files/reports/run 1/report.html")
    assert (status, text) == (200, "the page")
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["x-content-type-options"] == "nosniff"
    assert ask("/assets")[1] == "Dagster's own page"


@pytest.mark.usefixtures("folder")
def test_under_a_path_prefix_the_link_leads_to_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLB_UI_URL", "https://erp.example/migration/")
    link = build_link("reports", "run 1", "report.html")
    assert link == "https://erp.example/migration/blb/files/reports/run%201/report.html"
    path = unquote(link.removeprefix("https://erp.example"))
    assert ask(path, prefix="/migration")[:2] == (200, "the page")
    assert ask("/blb/files/reports/run 1/report.html", prefix="/migration")[:2] == (200, "the page")
    assert OUTSIDE not in ask("/migration/blb/files/reports/../above.html", prefix="/migration")[1]


def test_the_web_server_hands_its_path_prefix_on(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[Any, ...]] = []

    def make(*given: Any) -> Starlette:
        made.append(given)
        return Starlette()

    monkeypatch.setattr(web_server, "_make_app", make)
    app = web_server.make_guarded_app("context", "/migration", 2000)
    assert made == [("context", "/migration", 2000)]
    paths = {getattr(route, "path", "") for route in app.router.routes}
    assert {"/migration/blb/files/{kind}/{run_id}/{name}", "/blb/files/{kind}/{run_id}/{name}"} <= paths


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "path",
    [
        "/blb/files/reports/../above.html",
        "/blb/files/reports/./loose.html",
        "/blb/files/reports//loose.html",
        "/blb/files/reports/run 1/../../above.html",
        "/blb/files/reports/run 1/notes.txt",
        "/blb/files/../files/above.html",
        "/blb/files/differences/run 1/report.html",
        "/blb/files/reports/run 1",
    ],
)
def test_nothing_else_is(path: str) -> None:
    status, text, _ = ask(path)
    assert OUTSIDE not in text
    assert status == 404 or text == "Dagster's own page"


@pytest.mark.usefixtures("folder")
def test_nothing_is_written() -> None:
    assert ask("/blb/files/reports/run 1/report.html", "POST")[0] == 405
