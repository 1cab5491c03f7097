"""Small events of a record, as the readers of records are tested with them."""

from __future__ import annotations

import json
from typing import Any

__all__ = ("event", "line", "lines", "run")

BEGIN_S = 1_767_268_800


def event(kind: str, at: float = 0.0, **fields: Any) -> dict[str, Any]:
    """Return an event, `at` that many seconds after noon of the first of January."""
    micros = round(at * 1_000_000)
    seconds, micros = divmod(micros, 1_000_000)
    clock = f"{12 + seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    status = "STARTED" if kind.endswith("_START") else "COMPLETED"
    made: dict[str, Any] = {
        "type": f"EVENT_TYPE_{kind}",
        "status": f"EVENT_STATUS_{fields.pop('status', status)}",
        "event_id": fields.pop("id", f"{kind}-{at}-{fields.get('span_id', '')}"),
        "timestamp": f"2026-01-01T{clock}.{micros:06d}Z",
        "tenant_id": "acme",
        "project_id": "default",
    }
    metadata = {"chaukas": {"stream": fields.pop("stream", "s1")}}
    if "seq" in fields:
        metadata["chaukas"]["seq"] = fields.pop("seq")
    made["metadata"] = {**metadata, **fields.pop("metadata", {})}
    made.update({name: value for name, value in fields.items() if value is not None})
    return made


def run(trace: str, at: float = 0.0, **about: Any) -> list[dict[str, Any]]:
    """Return a run: a question, a model call, a tool call, an answer; one second."""
    outcome = about.get("outcome", "completed")
    agent = about.get("agent", "desk")
    place = {
        "trace_id": trace,
        "session_id": about.get("session", "chat"),
        "agent_id": agent,
        "agent_name": agent,
        "tenant_id": about.get("tenant", "acme"),
        "stream": about.get("stream", "s1"),
    }
    meta = {"run_id": f"{trace}a", "framework": "openai_agents"}
    below = {**place, "parent_span_id": f"{trace}a", "metadata": meta}
    model = about.get("model", "gpt-4o")
    tool = about.get("tool", "lookup")
    cost = about.get("cost", 0.001)
    said = about.get("input", "Where is my order?")
    answer = about.get("output", "It is on its way.")
    call = {"model": model, "provider": "openai"}
    asked = {"input": [{"role": "user", "content": said}], "input_count": 1}
    return [
        event("AGENT_START", at, span_id=f"{trace}a", metadata=meta, **place),
        event("INPUT_RECEIVED", at + 0.1, span_id=f"{trace}i", **below,
              message={"role": "user", "text": said}),
        event("MODEL_INVOCATION_START", at + 0.2, span_id=f"{trace}m", **below,
              llm_invocation={**call, "request": asked}),
        event("MODEL_INVOCATION_END", at + 0.4, span_id=f"{trace}m", **below,
              llm_invocation={**call, "prompt_tokens": 100, "completion_tokens": 10,
                              "response": {"tool_calls": [
                                  {"name": tool, "arguments": {"n": 1}}]}},
              cost=None if cost is None else {"total_cost": cost, "currency": "USD"},
              performance={"duration_ms": 200}),
        event("TOOL_CALL_START", at + 0.5, span_id=f"{trace}t", **below,
              tool_call={"tool_name": tool, "tool_id": "c1", "arguments": {"n": 1}}),
        event("TOOL_CALL_END", at + 0.8, span_id=f"{trace}t", **below,
              tool_response={"tool_name": tool, "tool_call_id": "c1",
                             "output": {"output": about.get("result", "shipped")}},
              performance={"duration_ms": about.get("tool_ms", 300)}),
        event("OUTPUT_EMITTED", at + 0.9, span_id=f"{trace}o", **below,
              message={"role": "assistant", "text": answer}),
        event("AGENT_END", at + 1.0, span_id=f"{trace}a", **place,
              status="COMPLETED" if outcome == "waiting" else outcome.upper(),
              performance={"duration_ms": 1000},
              metadata={**meta, "run": {"outcome": outcome, "duration_ms": 1000}}),
    ]  # fmt: skip


def line(event_: dict[str, Any]) -> bytes:
    """Return an event as a line."""
    return json.dumps(event_).encode() + b"\n"


def lines(events: list[dict[str, Any]]) -> list[bytes]:
    """Return events as lines."""
    return [line(one) for one in events]
