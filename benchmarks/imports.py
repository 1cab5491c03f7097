"""
Measure how long an import takes, each time in a fresh interpreter.

An import happens once per process, so only a fresh process can tell; the best of
many is the cost of the code, the median what a user sees on this machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("Imported", "imported", "main")

_HEAVY = ("grpc", "google.protobuf", "asyncio", "opentelemetry.sdk", "sqlite3")
_NS_PER_MS = 1e6
_CHILD = """
import json, sys, time
before, *names = sys.argv[1:]
if before:
    __import__(before)
known = set(sys.modules)
start_ns = time.perf_counter_ns()
for name in names:
    __import__(name)
took_ns = time.perf_counter_ns() - start_ns
print(json.dumps([took_ns, sorted(set(sys.modules) - known)]))
"""


@dataclass(frozen=True, slots=True)
class Imported:
    """
    One import in one fresh interpreter.

    Args:
        took_ms: Wall time of the import statement, in milliseconds.
        modules: The modules that it loaded.
    """

    took_ms: float
    modules: tuple[str, ...]


def imported(name: str, *, after: str = "") -> Imported:
    """
    Import a module in a fresh interpreter.

    Args:
        name: The module.
        after: A module that is there already and not counted.

    Raises:
        subprocess.CalledProcessError: The import fails; its error is on stderr.
    """
    command = [sys.executable, "-c", _CHILD, after, name]
    # Our own program and module names from the command line, no shell.
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603
    took_ns, modules = json.loads(done.stdout)
    return Imported(took_ns / _NS_PER_MS, tuple(modules))


def _report(name: str, after: str, count: int) -> None:
    try:
        all_of_them = [imported(name, after=after) for _ in range(count)]
    except subprocess.CalledProcessError:
        print(f"{name}: cannot be imported, see above")
        return
    times = [one.took_ms for one in all_of_them]
    modules = all_of_them[0].modules
    heavy = [module for module in _HEAVY if module in modules]
    label = f"{name} after {after}" if after else name
    print(
        f"{label:<30} best {min(times):7.1f} ms   "
        f"median {statistics.median(times):7.1f} ms   {len(modules):>5} modules"
        + (f"   loads {', '.join(heavy)}" if heavy else "")
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure importing chaukas, and the agents SDK to compare with, and print both."""
    parser = argparse.ArgumentParser(description="import time in fresh interpreters")
    parser.add_argument("--without", action="store_true", help="leave chaukas out")
    parser.add_argument("--count", type=int, default=20, help="interpreters each")
    parser.add_argument("names", nargs="*", help="modules to import instead")
    options = parser.parse_args(arguments)
    chosen = [(name, "") for name in options.names]
    if not chosen:
        ours = [("chaukas.sdk", ""), ("chaukas.sdk", "agents")]
        chosen = [] if options.without else ours
        chosen.append(("agents", ""))
    for name, after in chosen:
        _report(name, after, options.count)
    return 0


if __name__ == "__main__":
    sys.exit(main())
