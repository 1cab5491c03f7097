"""
A folder, a collector, and programs that end badly, for one check of faults.

All of it is the doctor's own and goes away afterwards; nothing of the user's is
touched, neither events nor settings.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from chaukas.sdk.config import load
from chaukas.sdk.maintenance import Delivered, deliver
from chaukas.sdk.testing import FakeCollector

from .child import LATE, NAME

if TYPE_CHECKING:
    from chaukas.sdk.typing import Event

__all__ = ("LateError", "Scenario", "ScenarioError")

_DEADLINE_S: Final = 180.0
_DELIVERY_S: Final = 60.0
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy")
_LOOK_AGAIN_S: Final = 0.005


class ScenarioError(Exception):
    """A program did not do what it should have done; the text says which."""


class LateError(Exception):
    """The machine was too slow to say whether anything is lost; the text says where."""


@final
class Scenario(ExitStack):
    """
    One folder with a spool, one collector, and the programs of one check.

    At its end all programs are ended, and collector and folder are gone.

    Args:
        above: Folder in which the folder of this check is made.
    """

    def __init__(self, above: Path) -> None:
        super().__init__()
        self._above = above
        self.folder = above
        """Folder of this check, while it is entered."""
        self.collector = FakeCollector()

    def __enter__(self) -> Scenario:
        """Make the folder, and start the collector."""
        made = tempfile.TemporaryDirectory(dir=self._above)
        self.folder = Path(self.enter_context(made))
        self.collector.start()
        self.callback(self.collector.stop)
        return self

    @property
    def spool_dir(self) -> Path:
        """The spool folder of all programs of this check."""
        return self.folder / "spool"

    def start(
        self, program: str, *arguments: object, **settings: str
    ) -> subprocess.Popen[str]:
        """
        Start a program of `_fault_child`.

        Args:
            program: Its name.
            *arguments: Its arguments.
            **settings: Environment variables besides the usual.
        """
        taken_out = ("CHAUKAS_", "OTEL_")
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(taken_out) and name.lower() not in _PROXIES
        }
        environ.update(
            CHAUKAS_ENDPOINT=self.collector.endpoint,
            CHAUKAS_SPOOL_DIR=str(self.spool_dir),
            SPOOL=str(self.spool_dir),
            PYTHONPATH=os.pathsep.join(path for path in sys.path if path),
            **settings,
        )
        process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [sys.executable, "-m", _CHILD, program, *map(str, arguments)],
            cwd=self.folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.callback(_end, process)
        return process

    def first_line(self, process: subprocess.Popen[str]) -> str:
        """
        Return the first line that a program prints.

        Raises:
            ScenarioError: It ended before.
        """
        assert process.stdout is not None  # noqa: S101 - for the type checker
        line = process.stdout.readline()
        if not line:
            raise ScenarioError(_complaint(process))
        return line.strip()

    def lines(self, process: subprocess.Popen[str]) -> list[str]:
        """
        Wait for a program's end, and return what it printed.

        Raises:
            ScenarioError: It did not end well, or not at all.
            LateError: It could not store its events in time.
        """
        try:
            out, error = process.communicate(timeout=_DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise ScenarioError("a program did not end in time") from None
        if process.returncode == LATE:
            raise LateError("events still waited in memory")
        if process.returncode:
            ended = f"a program ended with {process.returncode}"
            raise ScenarioError(f"{ended}: {error[-300:]}")
        return out.splitlines()

    def stats(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        """Wait for a program's end, and return the counts that it printed last."""
        lines = self.lines(process)
        if not lines:
            raise ScenarioError("a program printed nothing")
        counts: dict[str, Any] = json.loads(lines[-1])
        return counts

    def deliver(self) -> Delivered:
        """
        Do what `chaukas spool flush` does, to the collector of this check.

        Raises:
            LateError: Not all was delivered in time.
        """
        settings = {
            "endpoint": self.collector.endpoint,
            "spool_dir": str(self.spool_dir),
        }
        done = deliver(load(settings, None, {}).config, _DELIVERY_S)
        if done.left:
            raise LateError("events still waited on the disk")
        return done

    def arrived(self) -> list[Event]:
        """Return the events of the programs that the collector has."""
        return [
            event
            for event in self.collector.events
            if event.get("metadata", {}).get("name") == NAME
        ]

    def streams(self) -> set[str]:
        """Return the streams of the programs that recorded anything that arrived."""
        return {_stream_of(event) for event in self.arrived()}

    def all_arrived(self) -> set[str]:
        """Return the ids of all events of those streams, those of chaukas included."""
        streams = self.streams()
        return {
            event["event_id"]
            for event in self.collector.events
            if _stream_of(event) in streams
        }

    def numbers(self) -> set[int]:
        """Return their numbers."""
        return {event["metadata"]["data"]["n"] for event in self.arrived()}

    def until_gone(self, process: subprocess.Popen[str]) -> float:
        """Wait for a program's end, and return the monotonic time of it."""
        end_s = time.monotonic() + _DEADLINE_S
        while process.poll() is None:
            if time.monotonic() > end_s:
                raise ScenarioError("a program did not end in time")
            time.sleep(_LOOK_AGAIN_S)
        return time.monotonic()


def _stream_of(event: Event) -> str:
    return str(event.get("metadata", {}).get("chaukas", {}).get("stream"))


_CHILD: Final = "chaukas.cli.faults.child"


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()


def _complaint(process: subprocess.Popen[str]) -> str:
    _, error = process.communicate()
    last = error.strip().splitlines()[-1:] or ["without a word"]
    return f"a program ended early: {last[0][:300]}"
