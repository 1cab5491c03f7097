"""
A recorder that does the least: what it costs is what no recorder can save.

The host's thread notes the time and references; a thread of its own makes lines of
JSON and digests of them, in batches. Nothing is bounded, hidden, placed or checked.
"""

from __future__ import annotations

import hashlib
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import orjson
from agents import set_trace_processors
from agents.tracing import TracingProcessor

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("Notes",)

_PAUSE_S = 0.05


class Notes(TracingProcessor):
    """
    Notes of the SDK's spans, and the thread that writes them.

    Args:
        file: Where the lines go.
    """

    def __init__(self, file: Path) -> None:
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self._output = file.open("ab")
        set_trace_processors([self])
        threading.Thread(target=self._write, daemon=True).start()

    def on_trace_start(self, trace: Any) -> None:
        """Note a trace."""
        self._queue.put(("start", time.time_ns(), trace.trace_id, None, None))

    def on_trace_end(self, trace: Any) -> None:
        """Note its end."""
        self._queue.put(("end", time.time_ns(), trace.trace_id, None, None))

    def on_span_start(self, span: Any) -> None:
        """Note a span."""
        self._queue.put(("start", time.time_ns(), span.span_id, span.parent_id, None))

    def on_span_end(self, span: Any) -> None:
        """Note its end, with its data."""
        data = span.span_data
        self._queue.put(("end", time.time_ns(), span.span_id, span.parent_id, data))

    def shutdown(self) -> None:
        """Have all written."""
        self.flush()

    def force_flush(self) -> None:
        """Have all written."""
        self.flush()

    def flush(self) -> None:
        """Wait until all that was noted is written."""
        done = threading.Event()
        self._queue.put(done)
        done.wait(30.0)

    def _write(self) -> None:
        while True:
            waiting, notes = None, [self._queue.get()]
            if type(notes[0]) is tuple:
                time.sleep(_PAUSE_S)
            try:
                while True:
                    notes.append(self._queue.get_nowait())
            except Empty:
                pass
            lines = []
            for note in notes:
                if type(note) is not tuple:
                    waiting = note
                    continue
                line = orjson.dumps(_tree(note), default=_shown)
                lines.append(line + hashlib.sha256(line).hexdigest().encode() + b"\n")
            self._output.write(b"".join(lines))
            self._output.flush()
            if waiting is not None:
                waiting.set()


def _tree(note: Any) -> dict[str, Any]:
    kind, at_ns, span_id, parent_id, data = note
    tree = {"kind": kind, "at": at_ns, "span": span_id, "parent": parent_id}
    if data is not None:
        tree["data"] = {
            name: getattr(data, name, None)
            for name in ("type", "name", "input", "output", "response", "usage")
        }
    return tree


def _shown(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if dump else str(value)
