"""The UI as the command opens it, on a free port, until Ctrl-C; and asked as its pages ask it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blb_migration_tests.cli.servers import Shop

_PROGRAM = "from blb_migration.cli.main import main; raise SystemExit(main())"


LAUNCH = """
mutation ($repository: String!, $job: String!, $assets: [AssetKeyInput!]) {
  launchPipelineExecution(executionParams: {selector: {
    repositoryLocationName: "blb_migration", repositoryName: $repository,
    pipelineName: $job, assetSelection: $assets}}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""
LAUNCH_AGAIN = """
mutation ($parent: String!) {
  launchPipelineReexecution(reexecutionParams: {parentRunId: $parent, strategy: FROM_FAILURE}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""
FAILURES = """
query ($id: ID!) { runOrError(runId: $id) { ... on Run { eventConnection { events {
  ... on ExecutionStepFailureEvent { failureMetadata { description } } } } } } }
"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
JOBS = "{ repositoriesOrError { ... on RepositoryConnection { nodes { jobs { name } } } } }"
OVER = ("SUCCESS", "FAILURE", "CANCELED")
RUN_SECONDS = 120
LOADING_SECONDS = 60
THE_ONE = "__repository__"  # as Dagster names the repository of a location that has no other


@dataclass(frozen=True)
class Ui:
    """The web server, asked as its own pages ask it; ``headers`` go with every request."""

    port: int
    host: str = "127.0.0.1"
    headers: Mapping[str, str] = field(default_factory=dict)
    answer_seconds: float = 60

    def ask(self, query: str, **variables: Any) -> Any:
        """Return what the server answers a GraphQL query; an answer with errors is a failure."""
        with self._connecting() as connection:
            body = json.dumps({"query": query, "variables": variables})
            kind = {"Content-Type": "application/json"}
            connection.request("POST", "/graphql", body, {**self.headers, **kind})
            answer = json.loads(connection.getresponse().read())
        assert "errors" not in answer, answer
        return answer["data"]

    def get(self, path: str) -> tuple[int, bytes, str]:
        """Return a page's code, content and type."""
        with self._connecting() as connection:
            connection.request("GET", path, headers=dict(self.headers))
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers["Content-Type"]

    def _connecting(self) -> contextlib.closing[http.client.HTTPConnection]:
        return contextlib.closing(
            http.client.HTTPConnection(self.host, self.port, timeout=self.answer_seconds)
        )

    def await_jobs(self) -> set[str]:
        """Wait until the code location is loaded, as the server does not; return the names of its jobs."""
        deadline = time.monotonic() + LOADING_SECONDS
        while not (found := self.ask(JOBS)["repositoriesOrError"].get("nodes")):
            assert time.monotonic() < deadline
            time.sleep(0.3)
        return {job["name"] for repository in found for job in repository["jobs"]}

    def launch(self, job: str, repository: str = THE_ONE, assets: Sequence[str] = ()) -> str:
        """Launch a job as its page does, or some of its assets; return the run's id."""
        keys = [{"path": [name]} for name in assets]
        return self._launch(LAUNCH, job=job, repository=repository, assets=keys)

    def launch_again(self, parent_run_id: str) -> str:
        """Launch what failed in a run and what was not reached, as its page's "Re-execute" does."""
        return self._launch(LAUNCH_AGAIN, parent=parent_run_id)

    def _launch(self, mutation: str, **variables: Any) -> str:
        [launched] = self.ask(mutation, **variables).values()
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def read_failures(self, run_id: str) -> str:
        """Return what the run's failed steps say."""
        events = self.ask(FAILURES, id=run_id)["runOrError"]["eventConnection"]["events"]
        told = [event["failureMetadata"]["description"] for event in events if event.get("failureMetadata")]
        return "\n".join(filter(None, told))

    def await_end(self, run_id: str) -> str:
        """Wait until the run is over; return how it ended."""
        deadline = time.monotonic() + RUN_SECONDS
        while (status := str(self.ask(STATUS, id=run_id)["runOrError"]["status"])) not in OVER:
            assert time.monotonic() < deadline, status
            time.sleep(0.3)
        return status

    def run(self, job: str, repository: str = THE_ONE) -> str:
        """Launch a job and wait until it is over; return the run's id."""
        run_id = self.launch(job, repository)
        self.await_end(run_id)
        return run_id

    def url(self, path: str) -> str:
        """Return the address of one of its pages."""
        return f"http://{self.host}:{self.port}{path}"


@contextlib.contextmanager
def serving_ui(
    *words: str, folder: Path | None = None, variables: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """Run the command in ``folder`` until it says how to end it; yield its process, output and port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-u", "-c", _PROGRAM, *words, "--port", str(port)],
        cwd=folder,
        env=os.environ | (variables or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            output = ""
            for line in process.stdout:
                output += line
                if "Ctrl-C" in line:
                    break
            yield process, output, port
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(90)


@contextlib.contextmanager
def open_ui(shop: Shop, home: Path, project: Path | None = None) -> Iterator[Ui]:
    """Open it on a shop, with a Dagster home and, where given, a project folder of somebody else's."""
    variables = {"BLB_SOURCE_CONN": shop.source_url, "BLB_TARGET_CONN": shop.target_url}
    variables["DAGSTER_HOME"] = str(home)
    folder = str(project or shop.folder)
    with serving_ui("ui", "--project", folder, variables=variables) as (_, output, port):
        assert "Ctrl-C" in output, output
        opened = Ui(port)
        opened.await_jobs()
        yield opened
