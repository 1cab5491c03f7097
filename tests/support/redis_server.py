"""A real Redis server of this machine, on a socket of its own, for one test module."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("redis_url",)

_MISSING = "redis-server is not installed: apt-get install redis-server"


@contextmanager
def redis_url() -> Iterator[str]:
    """
    Run a server for a `with` block, and give the URL of a client.

    Without the program the test is skipped; in CI, where nobody would see that, it
    fails.
    """
    program = shutil.which("redis-server")
    if program is None:
        (pytest.fail if _is_in_ci() else pytest.skip)(_MISSING)
    # The path of a socket has little room, less than pytest's folders take.
    with tempfile.TemporaryDirectory(prefix="redis") as folder:
        path = Path(folder) / "s"
        options = ["--port", "0", "--unixsocket", str(path), "--save", ""]
        server = subprocess.Popen(
            [program, *options, "--dir", folder], stdout=subprocess.DEVNULL
        )
        try:
            until(lambda: server.poll() is not None or _answers(path))
            assert server.poll() is None, "redis-server ended at once"
            yield f"unix://{path}"
        finally:
            server.terminate()
            server.wait(60)


def _is_in_ci() -> bool:
    return bool(os.environ.get("CI") or os.environ.get("CHECKS_LIMITED"))


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        client.sendall(b"PING\r\n")
        return client.recv(16).startswith(b"+PONG")
