"""A Redis server for the tour: a real one, which ends with its section."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("redis_url",)

_DEADLINE_S = 10.0


@contextmanager
def redis_url() -> Iterator[str]:
    """
    Run a server on a socket of its own, and yield the URL of a client.

    Raises:
        ImportError: The program `redis-server` is not installed.
    """
    program = shutil.which("redis-server")
    if program is None:
        raise ImportError("the program redis-server is not installed")
    with TemporaryDirectory(prefix="redis") as folder:
        path = Path(folder) / "s"
        options = ["--port", "0", "--unixsocket", str(path), "--save", ""]
        # A program of this machine, found by its name alone.
        server = subprocess.Popen(  # noqa: S603
            [program, *options, "--dir", folder], stdout=subprocess.DEVNULL
        )
        try:
            _wait_for(path)
            yield f"unix://{path}"
        finally:
            server.terminate()
            server.wait(_DEADLINE_S)


def _wait_for(path: Path) -> None:
    until = time.monotonic() + _DEADLINE_S
    with socket.socket(socket.AF_UNIX) as client:
        while client.connect_ex(str(path)) != 0:
            if time.monotonic() > until:
                raise TimeoutError(f"no answer of the Redis server at {path}")
            time.sleep(0.005)
