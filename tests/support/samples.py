"""
One event of every type, as the recorder makes them.

Canonical on purpose: no defaults, times with six digits, whole numbers as int,
so that what comes back can be compared with `==`.
"""

from __future__ import annotations

import copy
from typing import Any

__all__ = ("EVENTS", "event", "linked")

Event = dict[str, Any]

_CONTENTS: dict[str, Event] = {
    "SESSION_START": {
        "session_start": {
            "session_name": "openai_agents_session",
            "metadata": {"first_agent_id": "assistant"},
        }
    },
    "SESSION_END": {"session_end": {"session_name": "openai_agents_session"}},
    "AGENT_START": {"metadata": {"model": "gpt-4o", "tools": ["add", "sub"]}},
    "AGENT_END": {
        "performance": {"duration_ms": 12.5},
        "metadata": {"turns": 2, "usage": {"input_tokens": 20, "output_tokens": 7}},
    },
    "AGENT_HANDOFF": {
        "agent_handoff": {
            "from_agent_id": "triage",
            "from_agent_name": "Triage",
            "to_agent_id": "weather",
            "to_agent_name": "Weather",
            "handoff_data": {"arguments": {"city": "Žilina"}},
            "reason": "asked",
            "handoff_type": "sequential",
        }
    },
    "MODEL_INVOCATION_START": {
        "llm_invocation": {
            "provider": "openai",
            "model": "gpt-4o",
            "request": {"input": [{"role": "user", "content": "hi"}], "count": 1},
            "temperature": 0.1,
            "top_p": 1,
            "max_tokens": 256,
            "start_time": "2026-01-01T12:00:00.000000Z",
        }
    },
    "MODEL_INVOCATION_END": {
        "llm_invocation": {
            "provider": "openai",
            "model": "gpt-4o",
            "response": {"text": "line\u2028sep", "tool_calls": [], "refusal": None},
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "end_time": "2026-01-01T12:00:01.000001Z",
            "duration_ms": 1000,
            "finish_reason": "stop",
            "cached_tokens": 4,
            "cache_write_tokens": 3,
            "reasoning_tokens": 2,
            "time_to_first_token_ms": 0.25,
            "chunk_count": 9,
            "metadata": {"attempts": 1},
        },
        "cost": {"total_cost": 1e-05, "currency": "USD"},
    },
    "TOOL_CALL_START": {
        "tool_call": {
            "tool_id": "call_1",
            "tool_name": "add",
            "arguments": {"a": 1, "b": -2.5, "deep": [[], {}, [None, True, {"x": ""}]]},
            "auth_required": True,
            "function_name": "add",
            "metadata": {"requested_by": "gpt-4o"},
        },
        "redaction": {"fields": ["tool_call.arguments.password"], "method": "mask"},
    },
    "TOOL_CALL_END": {
        "tool_response": {
            "tool_call_id": "call_1",
            "output": {"output": "3"},
            "error_message": "ValueError: \x1b[31mred",
            "execution_time_ms": 0.5,
            "http_status": 503,
            "tool_name": "add",
            "metadata": {"type": "function"},
        }
    },
    "MCP_CALL_START": {
        "mcp_call": {
            "server_name": "files",
            "server_url": "stdio://files",
            "operation": "tools/call",
            "method": "tools/call",
            "request": {"name": "read"},
        }
    },
    "MCP_CALL_END": {
        "mcp_call": {
            "server_name": "files",
            "operation": "tools/call",
            "response": {"content": []},
            "protocol_version": "2025-06-18",
            "execution_time_ms": 3,
            "is_error": True,
            "cached": True,
            "error_message": "no such file",
            "metadata": {},
        }
    },
    "INPUT_RECEIVED": {
        "message": {"role": "user", "text": 'He said "hi"\n\\ 👋', "metadata": {"n": 1}}
    },
    "OUTPUT_EMITTED": {
        "message": {"role": "assistant", "text": "done"},
        "is_final": True,
    },
    "ERROR": {
        "error": {
            "error_message": "boom",
            "error_code": "ValueError",
            "stack_trace": "Traceback …",
            "recoverable": True,
            "recovery_action": "retried",
            "metadata": {"status": 500},
        }
    },
    "RETRY": {
        "retry": {
            "attempt": 1,
            "strategy": "exponential",
            "backoff_ms": 1000,
            "max_attempts": 3,
            "error_message": "Rate limit exceeded",
            "retryable": True,
            "metadata": {"layer": "http"},
        }
    },
    "POLICY_DECISION": {
        "policy": {
            "policy_id": "no_secrets",
            "outcome": "deny",
            "rule_ids": ["r1", "r2"],
            "rationale": "a key was found",
            "metadata": {"stage": "input"},
        },
        "pii_categories": ["email"],
    },
    "DATA_ACCESS": {
        "data_access": {
            "datasource": "file_search",
            "document_ids": ["d1", "d2"],
            "chunk_ids": ["c1"],
            "pii_categories": ["name"],
            "metadata": {"query": "x"},
        }
    },
    "STATE_UPDATE": {"state_update": {"items": {"added": 2, "ratio": 1e300}}},
    "SYSTEM": {
        "infrastructure": {
            "resource_type": "process",
            "metrics": {"rss": 9007199254740992},
            "host": "box",
            "process_id": 4242,
            "thread_id": "1",
        },
        "tags": ["a", "b"],
        "branch": "main",
        "extensions": [{"@type": "type.example/x", "value": "AAEC"}],
    },
}


def event(name: str, number: int = 1, **fields: Any) -> Event:
    """Return an event of type `name`, the `number`th of its stream."""
    status = "STARTED" if name.endswith("_START") else "COMPLETED"
    content = copy.deepcopy(_CONTENTS[name])
    own = {"sdk": "0.2.0", "seq": number, "stream": "s1"}
    made: Event = {
        "event_id": f"0190a0b0-0000-7000-8000-{number:012d}",
        "type": f"EVENT_TYPE_{name}",
        "status": f"EVENT_STATUS_{status}",
        "severity": "SEVERITY_INFO",
        "author": "AUTHOR_SYSTEM",
        "timestamp": f"2026-01-01T12:00:00.{number:06d}Z",
        "tenant_id": "default",
        "project_id": "default",
        "session_id": "s-1",
        "trace_id": "a" * 32,
        "span_id": f"{number:016x}",
        **content,
    }
    made["metadata"] = {**content.get("metadata", {}), "chaukas": own}
    made.update(fields)
    return made


EVENTS: dict[str, Event] = {
    name: event(name, number) for number, name in enumerate(_CONTENTS, 1)
}
"""By the type's name without EVENT_TYPE_."""


def linked(events: list[Event]) -> list[bytes]:
    """Return the events' lines, each stream's chained in the given order."""
    # Not above: samples are also used where no hash is.
    from chaukas.sdk import integrity

    heads: dict[str, str] = {}
    lines = []
    for one in events:
        stream = one["metadata"]["chaukas"]["stream"]
        encoded = integrity.canonical(one)
        line, heads[stream] = integrity.link(encoded, heads.get(stream, ""))
        lines.append(line)
    return lines
