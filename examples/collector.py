"""
A collector: several tenants' runs are sent to it, and it is asked about them.

    python examples/collector.py

It starts `chaukas collector run` on free ports with a folder of its own, lets the runs
of multi_tenant_sessions.py be streamed to it, asks questions, and ends it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import chaukas
from loopback import model_for_example
from multi_tenant_sessions import TENANTS, reply, serve

if TYPE_CHECKING:
    from collections.abc import Iterator


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "chaukas.cli", "collector", *arguments]


@contextmanager
def running(data: Path) -> Iterator[str]:
    """Run a collector; give its address."""
    options = ["--json", "--log-level", "warning", "--port", "0", "--grpc-port", "0"]
    options.append("--no-page")
    with subprocess.Popen(
        command("run", "--data", str(data), *options), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["http"]
        process.terminate()


def key_of(data: Path, tenant: str, scope: str) -> str:
    """Make a key, as an administrator does."""
    options = ["--data", str(data), "--tenant", tenant, "--scope", scope]
    return subprocess.check_output(
        command("key", "create", *options), text=True
    ).strip()


def ask(address: str, question: str, key: str) -> Any:
    request = Request(address + question, headers={"authorization": f"Bearer {key}"})
    with urlopen(request, timeout=10) as answer:
        return json.load(answer)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "collector"
        # The application serves all tenants; each tenant reads its own events only.
        sender = key_of(data, "*", "ingest")
        readers = {tenant: key_of(data, tenant, "read") for tenant in TENANTS}
        with running(data) as address:
            chaukas.enable_chaukas(
                endpoint=address, api_key=sender, spool_dir=Path(folder) / "spool"
            )
            with model_for_example(reply):
                asyncio.run(serve())
            print("all acknowledged:", chaukas.flush(10))
            chaukas.disable_chaukas()

            for tenant, key in readers.items():
                runs = ask(address, "/api/runs?sort=time", key)["items"]
                for run in runs:
                    print(f"{tenant:8} {run['status']}: {run['input']!r}")
            hits = ask(address, f"/api/search?text={quote('goodbye')}", readers["acme"])
            print("acme finds 'goodbye' in", len(hits["items"]), "events of its own")
        check = subprocess.run(
            command("check", "--data", str(data)), capture_output=True, check=False
        )
        print("nothing altered, missing or moved:", check.returncode == 0)


if __name__ == "__main__":
    main()
