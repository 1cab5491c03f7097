"""
Spans in servers that we did not write: Phoenix, and the collector rotel.

    python tests/backends/environment.py

Phoenix is started for the test, and its API asked what it shows, beside what
OpenInference's own instrumentation told it of the same runs. `-s` prints the table that
stands in docs/OPENTELEMETRY.md.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.sdk.config import load
from chaukas.sdk.maintenance import deliver
from loopback.otlp import SpanReceiver
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("phoenix") is None,
        reason="run by tests/backends/environment.py",
    ),
]

ROOT = Path(__file__).parents[2]
QUERY = """
{projects{edges{node{name tokenCountTotal costSummary{total{cost}}
 sessions(first:20){edges{node{sessionId numTraces tokenUsage{total}
 costSummary{total{cost}}}}}}}}}
"""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def asked(url: str, body: bytes | None = None) -> Any:
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@dataclass(frozen=True)
class Phoenix:
    """A running server."""

    endpoint: str

    def spans(self, project: str) -> list[dict[str, Any]]:
        """Return the spans of a project; none while there is no such project."""
        url = f"{self.endpoint}/v1/projects/{project}/spans?limit=500"
        try:
            found: list[dict[str, Any]] = asked(url)["data"]
        except urllib.error.HTTPError:
            return []
        return found

    def project(self, name: str) -> dict[str, Any]:
        """Return what the pages of a project show."""
        body = json.dumps({"query": QUERY}).encode()
        edges = asked(f"{self.endpoint}/graphql", body)["data"]["projects"]["edges"]
        found: dict[str, Any] = next(
            edge["node"] for edge in edges if edge["node"]["name"] == name
        )
        return found


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phoenix]:
    port = free_port()
    environ = {
        **os.environ,
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_WORKING_DIR": str(tmp_path_factory.mktemp("phoenix")),
    }
    command = [str(Path(sys.executable).with_name("phoenix")), "serve"]
    server = subprocess.Popen(
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    running = Phoenix(f"http://127.0.0.1:{port}")
    try:
        until(lambda: is_there(port))
        yield running
    finally:
        server.terminate()
        server.wait(30)


def is_there(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def play(teller: str, endpoint: str, folder: Path, *further: str) -> None:
    project = f"by-{teller}" + "-died" * bool(further)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.backends.runs", teller, endpoint),
            *(project, str(folder), *further),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'examples'}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == (-signal.SIGKILL if further else 0), done.stderr


@pytest.fixture(scope="module")
def told(
    phoenix: Phoenix, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[dict[str, Any]]]:
    """The spans of the same runs, by project: who told of them, and of which."""
    folder = tmp_path_factory.mktemp("spool")
    for teller in ("chaukas", "openinference"):
        play(teller, phoenix.endpoint, folder)
        play(teller, phoenix.endpoint, folder, "die")
    settings = {
        "output_mode": "otlp",
        "otlp_endpoint": phoenix.endpoint,
        "project_id": "by-chaukas-died",
        "spool_dir": folder,
    }
    deliver(load(settings, None, {}).config, 60.0)
    until(lambda: sum(map(is_dead, phoenix.spans("by-chaukas-died"))) >= 2)
    until(lambda: len(phoenix.spans("by-openinference")) >= 20)
    projects = ("by-chaukas", "by-openinference", *DIED)
    return {name: phoenix.spans(name) for name in projects}


DIED = ("by-chaukas-died", "by-openinference-died")


def is_dead(span: dict[str, Any]) -> bool:
    return bool(span["attributes"].get("chaukas.incomplete"))


def kinds(spans: list[dict[str, Any]]) -> Counter[str]:
    return Counter(span["span_kind"] for span in spans)


AGENTS = frozenset(
    f"{prefix}{name}"
    for prefix in ("", "invoke_agent ")
    for name in ("front desk", "forecaster", "cashier")
)


def rows_of(spans: list[dict[str, Any]]) -> dict[str, int | str]:
    """Return the rows of the table in the documents."""
    names = [span["name"] for span in spans]
    attributes = [span["attributes"] for span in spans]
    events = [event for span in spans for event in span.get("events", ())]
    cost = sum(each.get("llm.cost.total", 0) for each in attributes)
    counted = kinds(spans)
    return {
        "agents": sum(name in AGENTS for name in names),
        "model calls": counted["LLM"],
        "tools and handoffs": counted["TOOL"],
        "guardrails": sum("guardrail" in n or n == "polite" for n in names),
        "approvals": sum(name.startswith("approval") for name in names),
        "retries": sum(each["name"] == "chaukas.retry" for each in events),
        "calls to MCP servers": sum("/" in n or n == "initialize" for n in names),
        "uses of the session store": sum(
            each["name"] in ("chaukas.state_update", "chaukas.data_access")
            for each in events
        ),
        "spans with a session": sum("session.id" in each for each in attributes),
        "input tokens": sum(
            each.get("llm.token_count.prompt", 0) for each in attributes
        ),
        "cost, USD": f"{cost:.6f}",
    }


def test_phoenix_shows_at_least_what_its_own_instrumentation_tells(
    told: dict[str, list[dict[str, Any]]],
) -> None:
    ours, theirs = rows_of(told["by-chaukas"]), rows_of(told["by-openinference"])
    for rows, died in ((ours, told[DIED[0]]), (theirs, told[DIED[1]])):
        rows["spans of the same, killed in one run more"] = len(died)
    for name, value in ours.items():
        sys.stdout.write(f"| {name} | {value} | {theirs[name]} |\n")
    for name in ("agents", "model calls", "tools and handoffs", "guardrails"):
        assert int(ours[name]) >= int(theirs[name]), name
    for name in ("approvals", "retries", "uses of the session store"):
        assert int(ours[name]) > 0, name
    assert sum(map(is_dead, told[DIED[0]])) == 2
    assert float(ours["cost, USD"]) > 0


def test_phoenix_knows_the_kind_of_each_span(
    told: dict[str, list[dict[str, Any]]],
) -> None:
    assert "UNKNOWN" not in kinds(told["by-chaukas"])
    assert all(span["span_kind"] for span in told["by-chaukas"])


def test_phoenix_counts_tokens_and_cost_once(
    phoenix: Phoenix, told: dict[str, list[dict[str, Any]]]
) -> None:
    attributes = [span["attributes"] for span in told["by-chaukas"]]
    tokens = sum(each.get("llm.token_count.total", 0) for each in attributes)
    cost = sum(each.get("llm.cost.total", 0.0) for each in attributes)
    shown = phoenix.project("by-chaukas")
    assert shown["tokenCountTotal"] == tokens > 0
    assert shown["costSummary"]["total"]["cost"] == pytest.approx(cost)


def test_phoenix_has_the_sessions(
    phoenix: Phoenix, told: dict[str, list[dict[str, Any]]]
) -> None:
    shown = phoenix.project("by-chaukas")["sessions"]["edges"]
    sessions = {edge["node"]["sessionId"]: edge["node"] for edge in shown}
    expected = {span["attributes"]["session.id"] for span in told["by-chaukas"]}
    assert sessions.keys() == expected
    assert sessions["chat-42"]["tokenUsage"]["total"] > 0


def test_a_collector_that_we_did_not_write_hands_spans_on(tmp_path: Path) -> None:
    import rotel

    agent = Path(rotel.__file__).with_name("rotel-agent")
    http, grpc = free_port(), free_port()
    with SpanReceiver() as receiver:
        server = subprocess.Popen(
            [
                *(str(agent), "start", "--otlp-http-endpoint", f"127.0.0.1:{http}"),
                *("--otlp-grpc-endpoint", f"127.0.0.1:{grpc}", "--exporter", "otlp"),
                *("--otlp-exporter-protocol", "http"),
                *("--otlp-exporter-endpoint", receiver.endpoint),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until(lambda: is_there(http))
            until(lambda: is_there(grpc))
            for number, endpoint in enumerate(
                (f"http://127.0.0.1:{http}", f"grpc://127.0.0.1:{grpc}")
            ):
                play("chaukas", endpoint, tmp_path / str(number))
            until(lambda: len(receiver.spans) >= 2 * 20)
        finally:
            server.terminate()
            server.wait(30)
    names = Counter(span.name for span in receiver.spans)
    assert all(count % 2 == 0 for count in names.values())
    assert names["execute_tool weather"] == 2
