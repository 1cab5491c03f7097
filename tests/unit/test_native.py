"""Native threads stay native under gevent."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import pytest

from chaukas.sdk.system import threads

ROOT = Path(__file__).parents[2]

UNDER_GEVENT = """
{imports}
from chaukas.sdk.delivery.factory import pipeline_of
from chaukas.sdk.pipeline import Pipeline
from chaukas.sdk.sinks.memory import MemorySink
import _thread, threading, time
sink = MemorySink()
pipe = pipeline_of(sink, stream="s", memory_limit_bytes=1 << 20)
pipe.put(b'{{"n":1}}')
# A busy loop never yields: only a real thread can write meanwhile.
end = time.monotonic() + 10
while not sink.lines and time.monotonic() < end:
    pass
assert len(sink.lines) == 1, "the writer is a greenlet"
assert pipe.flush(60.0) and pipe.close(5)
print("native")
"""


def test_gevent_is_asked_for_the_originals_when_it_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkey = types.ModuleType("gevent.monkey")
    monkey.get_original = lambda module, name: (module, name)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gevent.monkey", monkey)
    assert threads.original("time", "sleep") == ("time", "sleep")


def test_gevent_is_not_imported_by_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "gevent.monkey", raising=False)
    assert threads.original("time", "sleep") is time.sleep
    assert "gevent.monkey" not in sys.modules


def test_a_started_thread_is_a_thread_of_its_own() -> None:
    done, seen = threading.Event(), []

    def run() -> None:
        seen.append(threads.get_ident())
        done.set()

    threads.start_thread(run, ())
    assert done.wait(60)
    assert seen != [threads.get_ident()]


@pytest.mark.parametrize(
    "imports",
    [
        "from gevent import monkey; monkey.patch_all()",
        (
            "import chaukas.sdk.system.threads\n"
            "from gevent import monkey; monkey.patch_all()"
        ),
    ],
    ids=["patched before", "patched after"],
)
def test_the_writer_is_a_real_thread_under_gevent(imports: str) -> None:
    pytest.importorskip("gevent")
    done = subprocess.run(
        [sys.executable, "-c", UNDER_GEVENT.format(imports=imports)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == b"native\n", done.stderr
