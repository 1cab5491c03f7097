"""The content of an event: the members that the spec names, defaults left out."""

from __future__ import annotations

from typing import Any

import pytest

from chaukas.sdk.record import content

WHOLE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "data_access": (
        content.data_access("kb", document_ids=["d"], metadata={"count": 1}),
        {"data_access": {"datasource": "kb", "document_ids": ["d"],
                         "metadata": {"count": 1}}},
    ),
    "error": (
        content.error("no", "E", recoverable=True, recovery_action="told"),
        {"error": {"error_message": "no", "error_code": "E", "recoverable": True,
                   "recovery_action": "told"}},
    ),
    "handoff": (
        content.handoff(("a", "A"), ("b", "B"), reason="asked", data={"x": 1}),
        {"agent_handoff": {"from_agent_id": "a", "from_agent_name": "A",
                           "to_agent_id": "b", "to_agent_name": "B", "reason": "asked",
                           "handoff_type": "sequential", "handoff_data": {"x": 1}}},
    ),
    "message": (
        content.message("user", "", is_final=True),
        {"message": {"role": "user", "text": ""}, "is_final": True},
    ),
    "policy": (
        content.policy("p", "deny", rule_ids=["r"], rationale="so", metadata={"a": 1}),
        {"policy": {"policy_id": "p", "outcome": "deny", "rule_ids": ["r"],
                    "rationale": "so", "metadata": {"a": 1}}},
    ),
    "retry": (
        content.retry(attempt=1, backoff_ms=5, metadata={"layer": "x", "model": ""}),
        {"retry": {"attempt": 1, "backoff_ms": 5, "retryable": True,
                   "metadata": {"layer": "x"}}},
    ),
    "state_update": (content.state_update(a=1), {"state_update": {"a": 1}}),
    "tool_started": (
        content.tool_started("add", "c1", {"a": 1}, {"turn": 1}),
        {"tool_call": {"tool_name": "add", "tool_id": "c1", "arguments": {"a": 1},
                       "metadata": {"turn": 1}}},
    ),
    "tool_ended": (
        content.tool_ended("add", "c1", output={"output": 0}, http_status=0),
        {"tool_response": {"tool_name": "add", "tool_call_id": "c1",
                           "output": {"output": 0}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_a_content_holds_what_was_given_and_no_default(name: str) -> None:
    made, expected = WHOLE[name]
    assert made == expected


def test_every_content_is_here() -> None:
    # Those of model and MCP calls have tests beside what makes them.
    others = ("model_", "mcp_", "without_defaults")
    assert WHOLE.keys() == {n for n in content.__all__ if not n.startswith(others)}
