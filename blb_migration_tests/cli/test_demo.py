"""The first thing a newcomer runs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import blb_migration
from blb_migration.cli.main import main

TOP = Path(blb_migration.__file__).parent.parent


def test_the_demo_migrates_the_erp_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "42 tables" in captured.out
    assert "errors 0" in captured.out
    report = json.loads((tmp_path / ".blb" / "demo-report.json").read_text(encoding="utf-8"))
    assert str(tmp_path / ".blb" / "demo-report.json") in captured.out
    assert report["stats"]["tables_migrated"] == 42
    assert report["stats"]["errors"] == 0
    assert report["reconciliation"]["equal"]
    inventory = {metric["name"]: metric["match"] for metric in report["key_totals"]["inventory"]["metrics"]}
    assert inventory["sum(on_hand_quantity)"]


def ask(port: int, query: str) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": query}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["data"]


@pytest.mark.skipif(os.name == "nt", reason="sends the signal that a terminal sends for Ctrl-C")
def test_the_ui_opens_on_the_graph_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    program = "from blb_migration.cli.main import main; raise SystemExit(main())"
    command = [sys.executable, "-u", "-c", program, "demo", "--ui", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            output = ""
            for line in process.stdout:
                output += line
                if "Ctrl-C" in line:
                    break
            assert f"http://127.0.0.1:{port}/asset-groups" in output
            nodes = ask(port, "{ assetNodes { assetKey { path } jobNames } }")["assetNodes"]
            assert len(nodes) == 46
            assert all("rehearsal" in node["jobNames"] for node in nodes)
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
