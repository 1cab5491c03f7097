"""A collector with other limits than usual, and how much memory one takes."""

from __future__ import annotations

from pathlib import Path

from tests.support.collector_process import CollectorProcess

__all__ = ("limited", "memory_of")

_LIMITED = """
from chaukas.collector import server
from chaukas.collector.limits import Limits

server.Limits = lambda: Limits({limits})
from chaukas.cli import main
main()
"""


def limited(tmp_path: Path, limits: str, *options: str) -> CollectorProcess:
    """Return a collector with other limits than usual, not yet started."""
    program = tmp_path / "limited.py"
    program.write_text(_LIMITED.format(limits=limits))
    return CollectorProcess(tmp_path / "data", *options, program=program)


def memory_of(collector: CollectorProcess, what: str = "VmHWM") -> int:
    """Return a line of the process's status, by default the most that it took."""
    assert collector.process is not None
    text = Path(f"/proc/{collector.process.pid}/status").read_text()
    line = next(line for line in text.splitlines() if line.startswith(what))
    return int(line.split()[1]) * 1024
