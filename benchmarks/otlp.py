"""
Measure how many spans a second the OTLP sink makes and sends, over the loopback.

Events as an agent run has them: two model calls with a growing conversation, two tools,
the agent. The receiver is a process of its own that reads and says yes.

    python benchmarks/otlp.py [--runs 2000] [--flavour both] [--no-network]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from typing import Any

import orjson

from chaukas.sdk.config import load
from chaukas.sdk.sinks.collector.responses import Action, Answer
from chaukas.sdk.sinks.otlp.factory import sink_of

__all__ = ("lines_of", "main")

_BATCH = 512
_SERVER = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *args):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def _event(kind: str, number: int, span: int, parent: int, **more: Any) -> bytes:
    metadata = {
        "chaukas": {"stream": "s", "seq": number, "sdk": "0"},
        "framework": "benchmark",
        "run_id": f"{span // 10 * 10 + 1:016x}",
        **more.pop("metadata", {}),
    }
    event = {
        "type": f"EVENT_TYPE_{kind}",
        "event_id": f"{number:032x}",
        "timestamp": f"2026-01-01T12:00:{number % 60:02d}.{number % 10**6:06d}Z",
        "tenant_id": "acme",
        "project_id": "shop",
        "session_id": "chat-42",
        "trace_id": f"{span // 10 + 1:032x}",
        "span_id": f"{span:016x}",
        "parent_span_id": f"{parent:016x}" if parent else "",
        "agent_id": "desk",
        "agent_name": "desk",
        "status": "EVENT_STATUS_COMPLETED",
        "metadata": metadata,
        **more,
    }
    return orjson.dumps(event) + b"\n"


def _model(items: list[Any], number: int, base: int) -> dict[str, Any]:
    request: dict[str, Any] = {
        "input": items,
        "input_count": base + len(items),
        "input_digest": f"i{number}",
        "input_digests": [f"d{number}-{n}" for n in range(len(items))],
        "system": "Answer in one sentence.",
        "system_hash": "h",
    }
    if base:
        request["input_base"] = {"count": base, "digest": f"i{number - 1}"}
    return {"provider": "openai", "model": "gpt-4o", "request": request}


def lines_of(runs: int) -> list[bytes]:
    """Return the events of so many runs; five spans each."""
    text = "The parcel left the depot on Monday and is due on Thursday. " * 8
    made: list[bytes] = []
    for run in range(runs):
        n, s = run * 14, run * 10 + 1
        ask = [{"role": "user", "content": text}]
        more = [
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": text},
        ]
        usage = {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150}
        call = {"tool_name": "look_up", "tool_id": "c", "arguments": {"q": text[:60]}}
        done = {"tool_name": "look_up", "tool_call_id": "c", "output": {"output": text}}
        asks = {"role": "user", "text": text}
        answer = {"response": {"text": text}, "finish_reason": "stop", **usage}
        rows: list[tuple[str, int, int, dict[str, Any]]] = [
            ("AGENT_START", s, 0, {}),
            ("INPUT_RECEIVED", s + 5, s, {"message": asks}),
            ("MODEL_INVOCATION_START", s + 1, s, {"llm_invocation": _model(ask, n, 0)}),
            ("MODEL_INVOCATION_END", s + 1, s, {"llm_invocation": answer}),
            ("TOOL_CALL_START", s + 2, s, {"tool_call": call}),
            ("TOOL_CALL_END", s + 2, s, {"tool_response": done}),
            ("TOOL_CALL_START", s + 3, s, {"tool_call": call}),
            ("TOOL_CALL_END", s + 3, s, {"tool_response": done}),
            (
                "MODEL_INVOCATION_START",
                s + 4,
                s,
                {"llm_invocation": _model(more, n + 1, 1)},
            ),
            ("MODEL_INVOCATION_END", s + 4, s, {"llm_invocation": answer}),
            ("OUTPUT_EMITTED", s + 6, s, {"message": {**asks, "role": "assistant"}}),
            ("AGENT_END", s, 0, {"metadata": {"usage": {"input_tokens": 240}}}),
        ]
        for index, (kind, span, parent, content) in enumerate(rows):
            made.append(_event(kind, n + index, span, parent, **dict(content)))
    return made


def main(arguments: list[str] | None = None) -> int:
    """Print spans a second, and their size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--flavour", default="both")
    parser.add_argument("--no-network", action="store_true", help="mapping alone")
    given = parser.parse_args(arguments)
    command = [sys.executable, "-c", _SERVER]
    # Our own interpreter, and the text above.
    server = subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        settings = {
            "output_mode": "otlp",
            "otlp_endpoint": f"http://127.0.0.1:{port}",
            "flavour": given.flavour,
        }
        sink: Any = sink_of(load(settings, None, {}).config, {})
        if given.no_network:
            sink.post = lambda *_: Answer(Action.ACKED)
        lines = lines_of(given.runs)
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        for start in range(0, len(lines), _BATCH):
            batch = lines[start : start + _BATCH]
            answer = sink.send_from("s", batch)
            assert answer.action is Action.ACKED, answer
            sink.settle("s", batch)
        took_s = time.perf_counter() - began_s
        cpu_s = time.process_time() - began_cpu_s
    finally:
        server.terminate()
        server.wait()
    print(
        f"{sink.sent} spans of {len(lines)} events in {took_s:.2f} s:"
        f" {sink.sent / took_s:,.0f} spans/s,"
        f" {cpu_s / sink.sent * 1e6:.0f} µs of CPU a span"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
