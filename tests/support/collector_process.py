"""
A collector as a process of its own, as people start it, and clients that are not ours.

A real process, since what matters of it shows only there: signals, files, sockets.
"""

from __future__ import annotations

import http.client
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, final
from urllib.parse import urlsplit

import orjson

from tests.support.samples import EVENTS
from tests.support.waiting import until

__all__ = (
    "BATCH",
    "JSON",
    "LINES",
    "PROTOBUF",
    "CollectorProcess",
    "command",
    "events",
    "ids_in",
    "known_key",
    "lines_of",
)

JSON = {"content-type": "application/json"}
LINES = {"content-type": "application/x-ndjson"}
PROTOBUF = {"content-type": "application/x-protobuf"}
BATCH = "/v1/events/batch"
ROOT = Path(__file__).resolve().parents[2]


@final
class CollectorProcess:
    """
    A running collector.

    Args:
        data: Its folder.
        *options: Further ones of the command line.
        env: Further variables.
        has_page: Whether the page is served, which is built first if need be.
        program: A file that starts the command line, in place of the module.
    """

    def __init__(
        self,
        data: Path,
        *options: str,
        env: dict[str, str] | None = None,
        has_page: bool = False,
        program: Path | None = None,
    ) -> None:
        self.data = data
        self._program = ["-m", "chaukas.cli"] if program is None else [str(program)]
        self._options = options if has_page else (*options, "--no-page")
        self._env = {**os.environ, **(env or {}), "PYTHONPATH": str(ROOT)}
        self._ports = ("0", "0")
        self.process: subprocess.Popen[bytes] | None = None
        # It is open as long as the process may run.
        self.log = tempfile.TemporaryFile()  # noqa: SIM115

    def __enter__(self) -> CollectorProcess:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.log.close()

    def start(self) -> CollectorProcess:
        """Start it, on the same ports as before if it was started before."""
        http_port, grpc_port = self._ports
        self.process = subprocess.Popen(
            [
                sys.executable, *self._program, "collector", "run", "--json",
                "--data", str(self.data), "--port", http_port,
                "--grpc-port", grpc_port, *self._options,
            ],
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=self._env,
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log_text()
        self.addresses: dict[str, str] = orjson.loads(line)
        self._ports = (str(self._port("http")), str(self._port("grpc")))
        return self

    def kill(self) -> None:
        """End it as `kill -9` does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def stop(self) -> int:
        """Ask it to end; return its exit code."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return code

    def _port(self, kind: str) -> int:
        port = urlsplit(self.addresses[kind]).port
        assert port is not None
        return port

    @property
    def http(self) -> str:
        """Address of the HTTP server."""
        return self.addresses["http"]

    @property
    def grpc(self) -> str:
        """Address of the gRPC server."""
        return self.addresses["grpc"]

    @property
    def place(self) -> str:
        """Host and port of the HTTP server."""
        return urlsplit(self.http).netloc

    def log_text(self) -> str:
        """All that it has written to its log."""
        self.log.seek(0)
        return self.log.read().decode()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        timeout_s: float = 60,
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the answer to one request."""
        client = http.client.HTTPConnection(self.place, timeout=timeout_s)
        try:
            client.request(method, path, body, headers or {})
            answer = client.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, named, answer.read()
        finally:
            client.close()

    def post(
        self,
        body: bytes,
        headers: dict[str, str] = LINES,
        path: str = BATCH,
        key: str = "",
    ) -> tuple[int, Any]:
        """Return status and decoded body of the answer to a batch."""
        more = {"authorization": f"Bearer {key}"} if key else {}
        status, _, answer = self.ask("POST", path, body, {**headers, **more})
        return status, orjson.loads(answer)

    def get(self, path: str, key: str = "") -> tuple[int, Any]:
        """Return status and decoded body of the answer to a question."""
        more = {"authorization": f"Bearer {key}"} if key else {}
        status, _, answer = self.ask("GET", path, headers=more)
        return status, orjson.loads(answer)

    def key(self, tenant: str, scope: str = "ingest,read", *options: str) -> str:
        """Make a key on the command line."""
        return command(
            "key", "create", "--data", str(self.data),
            "--tenant", tenant, "--scope", scope, *options,
        ).stdout.strip()  # fmt: skip

    def revoke(self, key: str) -> None:
        """Revoke a key on the command line."""
        done = command("key", "revoke", key.split("_")[1], "--data", str(self.data))
        assert done.returncode == 0, done.stderr


def known_key(
    running: CollectorProcess, tenant: str, scope: str = "ingest,read", *options: str
) -> str:
    """Make a key, and wait until the collector knows it."""
    key = running.key(tenant, scope, *options)
    sent = {"authorization": f"Bearer {key}"}
    wrong = {"authorization": "Bearer wrong"}
    until(lambda: running.ask("GET", "/v1/whoami", headers=wrong)[0] in (401, 429))
    until(lambda: running.ask("GET", "/v1/whoami", headers=sent)[0] == 200)
    return key


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `chaukas collector …` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "chaukas.cli", "collector", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def ids_in(folder: Path, name: str = "events.sqlite") -> list[str]:
    """Return the ids of all events of a store, in the order in which they came."""
    with closing(sqlite3.connect(folder / name)) as connection:
        rows = connection.execute("SELECT event_id FROM event ORDER BY id")
        return [one for (one,) in rows]


def events(number: int, tenant: str = "", start: int = 0) -> list[dict[str, Any]]:
    """Return events with ids of their own, of all types in turn."""
    kinds = list(EVENTS.values())
    made = []
    for index in range(start, start + number):
        one = {**kinds[index % len(kinds)], "event_id": f"event-{tenant}-{index}"}
        one.pop("content_hash", None)
        one.pop("hash_prev", None)
        one["tenant_id"] = tenant
        if not tenant:
            del one["tenant_id"]
        made.append(one)
    return made


def lines_of(made: list[dict[str, Any]]) -> bytes:
    """Return events as JSON lines."""
    return b"".join(orjson.dumps(each) + b"\n" for each in made)
