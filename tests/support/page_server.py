"""The page's server, started in a process of its own as `chaukas view` does."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.example_runs import run_example
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ("ROOT", "Answer", "Served", "recorded", "served", "wait_until_read")

ROOT = Path(__file__).resolve().parents[2]
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/open/([\w-]+)")
# The command may build the page first.
_DEADLINE_S = 600
_RECORDED = (
    "handoffs",
    "tools",
    "guardrails",
    "streaming",
    "openai_retry_example",
    "tawk_style_platform",
    "multi_tenant_sessions",
)
# Without the command, which builds the page first where it is not built.
_SERVE = """
import sys
from chaukas.query import open_source
from chaukas.viewer.serve import serve
serve(open_source(sys.argv[1:]), port=0, opens_browser=False,
      say=lambda line: print(line, flush=True))
"""


def recorded(folder: Path) -> Path:
    """Run several examples; return the folder with their records."""
    records = folder / "records"
    records.mkdir()
    for name in _RECORDED:
        own = folder / name
        own.mkdir()
        file = run_example(name, own).file
        file.rename(records / file.name)
    return records


def wait_until_read(server: Served) -> None:
    """Return once the record is indexed."""
    until(lambda: json.loads(server.ask("/api/status").body)["state"] != "reading")


@dataclass(frozen=True)
class Answer:
    """What the server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Served:
    """A server that runs, and what it printed."""

    process: subprocess.Popen[str]
    address: str
    port: int
    token: str
    printed: list[str] = field(default_factory=list)
    cookie: str = ""

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        is_known: bool = True,
        body: bytes | None = None,
    ) -> Answer:
        """Send one request, with the cookie unless told otherwise."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        given = dict(headers or {})
        if is_known and self.cookie:
            given.setdefault("Cookie", self.cookie)
        try:
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    def enter(self) -> Answer:
        """Exchange the token for the cookie."""
        answer = self.ask(f"/open/{self.token}")
        self.cookie = answer.headers.get("set-cookie", "").partition(";")[0]
        return answer

    def end(self) -> int:
        """Press Ctrl-C, and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@contextmanager
def served(
    files: Sequence[Path], cache: Path, *, command: Sequence[str] | None = None
) -> Iterator[Served]:
    """Serve files until the block ends; *cache* is where their index is kept."""
    # A shell that starts pytest in the background has programs ignore Ctrl-C.
    process = subprocess.Popen(
        [*(command or [sys.executable, "-c", _SERVE]), *map(str, files)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cache,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "XDG_CACHE_HOME": str(cache),
            "PYTHONUTF8": "1",
        },
    )
    assert process.stdout is not None
    late = threading.Timer(_DEADLINE_S, process.kill)
    late.start()
    printed: list[str] = []
    try:
        for line in process.stdout:
            printed.append(line)
            if found := _ADDRESS.search(line):
                break
        else:
            raise AssertionError("".join(printed))
        late.cancel()
        port, token = int(found[1]), found[2]
        with process:
            reader = threading.Thread(
                target=lambda: printed.extend(process.stdout or ()), daemon=True
            )
            reader.start()
            try:
                yield Served(process, found[0], port, token, printed)
            finally:
                process.terminate()
                process.wait(30)
                reader.join(60)
    finally:
        late.cancel()
        if process.poll() is None:
            process.kill()
            process.wait()
