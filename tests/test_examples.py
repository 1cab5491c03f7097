"""
The examples: each runs as a user would run it, and records exactly what it shows.

In processes of their own, with no key in sight: what they need beyond this
repository would show as a failure here.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.example_runs import EXAMPLES, Ran, run_example
from tests.support.trees import named, tree, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable


TENANTS = {"acme", "globex", "initech"}

_HANDED_OVER = """
    SESSION
      AGENT reception
        INPUT
        DATA_ACCESS @
        STATE_UPDATE add_items @
        MODEL
        HANDOFF reception -> billing
      AGENT billing
        DATA_ACCESS @
        STATE_UPDATE add_items @
        MODEL
        STATE_UPDATE add_items @
        OUTPUT
"""

TREES = {
    "quickstart": """
        SESSION
          AGENT assistant
            INPUT
            MODEL
            TOOL weather
            MODEL
            OUTPUT
    """,
    "openai_client": """
        SESSION
          MODEL
          MODEL
            RETRY http 1/2
          MODEL
    """,
    "tools": """
        SESSION
          AGENT shop
            INPUT
            MODEL
            TOOL sign_in
            TOOL price_of FAILED
              ERROR LookupError recoverable
            TOOL search_manual
              DATA_ACCESS search_manual
            MODEL
            OUTPUT
    """,
    "handoffs": """
        SESSION
          AGENT reception
            INPUT
            MODEL
            HANDOFF reception -> billing
          AGENT billing
            MODEL
            TOOL ask_accountant
              AGENT accountant
                MODEL
            MODEL
            OUTPUT
    """,
    "otlp": """
        SESSION
          AGENT front desk
            INPUT
            MODEL
            HANDOFF front desk -> forecaster
          AGENT forecaster
            MODEL
            TOOL weather
            MODEL
            OUTPUT
    """,
    "streaming": """
        SESSION
          AGENT poet
            INPUT
            MODEL
            OUTPUT
    """,
    "guardrails": """
        SESSION
          AGENT porter
            INPUT
            POLICY no_override allow
            MODEL
            POLICY no_codes allow
            OUTPUT
          AGENT porter FAILED
            INPUT
            POLICY no_override deny
            ERROR InputGuardrailTripwireTriggered
          AGENT porter FAILED
            INPUT
            POLICY no_override allow
            MODEL
            POLICY no_codes deny
            ERROR OutputGuardrailTripwireTriggered
    """,
    "mcp_client": """
        SESSION
          MCP initialize
          MCP tools/list
          MCP resources/read
            DATA_ACCESS warehouse
          MCP tools/call
          MCP tools/call FAILED
            ERROR MCPToolError recoverable
          MCP server/discover
          MCP tools/call
            MCP tools/call
            MCP tools/list
    """,
    "multi_tenant_sessions": """
        SESSION x3
          AGENT support x2
            INPUT
            MODEL
            OUTPUT
    """,
    "openai_retry_example": """
        SESSION
          AGENT travel desk
            INPUT
            MODEL
              RETRY http 1/2
              RETRY http 2/2
            TOOL weather
            TOOL find_flight FAILED
              ERROR TimeoutError recoverable
            TOOL find_hotel FAILED
              ERROR LookupError recoverable
            MODEL
            OUTPUT
          AGENT travel desk
            INPUT x2
            MODEL
            TOOL weather
            TOOL find_flight FAILED
              ERROR TimeoutError recoverable
            MODEL
              RETRY http 1/2
            OUTPUT
    """,
    "tawk_style_platform": """
        SESSION
          AGENT front desk
            INPUT
            MODEL
              OUTPUT IN_PROGRESS
            HANDOFF front desk -> billing
          AGENT billing
            MODEL
              OUTPUT IN_PROGRESS
            OUTPUT
        SESSION
          AGENT memory
            INPUT
            STATE_UPDATE conversation_id
            DATA_ACCESS session://OpenAIConversationsSession/conv_1
            STATE_UPDATE add_items session://OpenAIConversationsSession/conv_1
            MODEL
            STATE_UPDATE add_items session://OpenAIConversationsSession/conv_1
            OUTPUT
          AGENT memory
            INPUT
            DATA_ACCESS session://OpenAIConversationsSession/conv_1
            STATE_UPDATE add_items session://OpenAIConversationsSession/conv_1
            MODEL
            STATE_UPDATE add_items session://OpenAIConversationsSession/conv_1
            OUTPUT
          AGENT memory
            INPUT
            MODEL
            STATE_UPDATE previous_response_id
            OUTPUT
        SESSION
          AGENT cashier waiting
            INPUT
            MODEL
            POLICY tool_approval allow
            TOOL refund
            POLICY tool_approval review x2
          STATE_UPDATE x2
          POLICY tool_approval allow
          POLICY tool_approval deny
          AGENT cashier
            TOOL refund
            MODEL
            OUTPUT
        SESSION
          MCP initialize
          MCP prompts/get
          MCP resources/read
            DATA_ACCESS office
          AGENT clerk
            INPUT
            MCP tools/list
            MODEL
            TOOL opening_hours
              MCP tools/call
            MCP tools/list
            MODEL
            OUTPUT
          MCP shutdown
        SESSION
          AGENT host
            INPUT
            MODEL
            OUTPUT
        SESSION
          AGENT helper x2
            INPUT
            DATA_ACCESS session://SQLiteSession/ticket-desk
            STATE_UPDATE add_items session://SQLiteSession/ticket-desk
            MODEL
            STATE_UPDATE add_items session://SQLiteSession/ticket-desk
            OUTPUT
    """,
}

# Of the assistant, whose requests run at once: one for each chat.
CHATS = {
    "acme-1": """
        SESSION
          AGENT shop
            INPUT
            DATA_ACCESS @
            MCP tools/list
            STATE_UPDATE add_items @
            MODEL
            TOOL order_status
              MCP tools/call
            STATE_UPDATE add_items @
            MCP tools/list
            MODEL
            STATE_UPDATE add_items @
            OUTPUT
          AGENT shop
            INPUT
            DATA_ACCESS @
            MCP tools/list
            STATE_UPDATE add_items @
            MODEL
            STATE_UPDATE add_items @
            OUTPUT
    """,
    "globex-1": """
        SESSION
          AGENT secretary
            INPUT
            DATA_ACCESS @
            STATE_UPDATE add_items @
            MODEL
            STATE_UPDATE add_items @
            OUTPUT
    """,
    "initech-1": _HANDED_OVER,
    "initech-2": _HANDED_OVER,
}

ELSEWHERE = {
    "collector": "collector/test_collector_example.py",
    "crewai_crew": "frameworks/crewai/test_crewai_examples.py",
    "crewai_flow": "frameworks/crewai/test_crewai_examples.py",
    "adk_live": "frameworks/google_adk/test_examples.py",
    "adk_travel_agents": "frameworks/google_adk/test_examples.py",
    "multi_tenant_assistant": "test_examples.py",
    "otlp_to_collector": "collector/test_collector_example.py",
    "sdk_tour": "test_sdk_tour.py",
    "view": "viewer/test_page.py",
    "voice_bot": "examples/test_voice_bot.py",
}
"""Examples whose trees are not among `TREES`, and the tests that have them."""

# Those of the specification's own document; TOOL_CALL_END and SYSTEM come on top.
RETRY_COUNTS = {
    "AGENT_END": 2,
    "AGENT_START": 2,
    "ERROR": 3,
    "INPUT_RECEIVED": 3,
    "MODEL_INVOCATION_END": 4,
    "MODEL_INVOCATION_START": 4,
    "OUTPUT_EMITTED": 2,
    "RETRY": 3,
    "SESSION_END": 1,
    "SESSION_START": 1,
    "SYSTEM": 2,
    "TOOL_CALL_END": 5,
    "TOOL_CALL_START": 5,
}


def run(name: str, folder: Path) -> Ran:
    """Run an example with warnings as errors; it writes one file and no other."""
    ran = run_example(name, folder, "-W", "error")
    assert ran.stderr == ""
    assert list(folder.iterdir()) == [ran.file]
    return ran


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Ran]:
    """Return a function that runs an example once, however many tests ask."""
    return cache(lambda name: run(name, tmp_path_factory.mktemp(name)))


@pytest.mark.parametrize("name", TREES)
def test_an_example_records_this_tree(name: str, ran: Callable[[str], Ran]) -> None:
    example = ran(name)
    assert tree_of(example.events) == tree(TREES[name])
    assert f"$ chaukas tree {example.file.name}" in example.stdout


def test_every_example_is_run_here_and_in_the_table_of_the_readme() -> None:
    runnable = {
        path.stem
        for path in EXAMPLES.glob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    assert runnable == set(TREES) | set(ELSEWHERE)
    tests = Path(__file__).parent
    assert [
        name
        for name, file in ELSEWHERE.items()
        if f'"{name}"' not in (tests / file).read_text(encoding="utf-8")
    ] == []
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [name for name in runnable if f"| `{name}.py` |" not in readme] == []


def test_the_retry_example_gives_the_counts_of_the_specification(
    ran: Callable[[str], Ran],
) -> None:
    # The file is begun afresh: a second run counts the same.
    first = ran("openai_retry_example")
    example = run("openai_retry_example", first.file.parent)
    assert example.file.name == "openai_retry_demo.jsonl"
    types = Counter(event["type"] for event in example.events)
    assert types == {f"EVENT_TYPE_{kind}": n for kind, n in RETRY_COUNTS.items()}
    _, _, printed = example.stdout.partition("sort | uniq -c\n")
    lines = [line.split() for line in printed.splitlines()]
    assert {kind.strip('"'): int(n) for n, kind in lines} == types


def test_tenants_of_one_process_share_no_session_and_no_trace(
    ran: Callable[[str], Ran],
) -> None:
    example = ran("multi_tenant_sessions")
    events = [e for e in example.events if e["tenant_id"] != "ourselves"]
    sessions = {(e["tenant_id"], e.get("session_id")) for e in events}
    assert sessions == {(name, f"{name}-chat") for name in TENANTS}
    traces = {(e["trace_id"], e["tenant_id"]) for e in events}
    # Two runs each, and no trace with two tenants.
    assert len(traces) == len({trace for trace, _ in traces}) == 6
    for event in events:
        text = json.dumps(event.get("message", {}))
        assert not any(name in text for name in TENANTS - {event["tenant_id"]})


@pytest.mark.parametrize("chat", CHATS)
def test_a_chat_of_the_assistant_is_this_tree(
    chat: str, ran: Callable[[str], Ran]
) -> None:
    events = ran("multi_tenant_assistant").events
    own = [event for event in events if event.get("session_id") == chat]
    expected = tree(CHATS[chat]).replace("@", f"session://SQLiteSession/{chat}")
    assert tree_of(own) == expected
    assert {event["tenant_id"] for event in own} == {chat.partition("-")[0]}


def test_the_assistant_tells_what_each_tenant_cost_and_waited(
    ran: Callable[[str], Ran],
) -> None:
    example = ran("multi_tenant_assistant")
    rest = [event for event in example.events if event.get("session_id") not in CHATS]
    assert tree_of(rest) == "SESSION\n  MCP initialize\n  MCP shutdown"
    _, _, table = example.stdout.partition("\ntenant ")
    _, *rows = (line.split() for line in table.partition("\n\n")[0].splitlines())
    ends = named(example.events, "MODEL_INVOCATION_END")
    for tenant, chats, tokens, cost, _wait in rows:
        calls = [end for end in ends if end["tenant_id"] == tenant]
        assert int(tokens) == sum(
            call["llm_invocation"]["total_tokens"] for call in calls
        )
        spent = sum(call["cost"]["total_cost"] for call in calls)
        assert float(cost) == pytest.approx(spent, abs=1e-6)
        assert int(chats) == {"acme": 1, "globex": 1, "initech": 2}[tenant]
    assert {row[0] for row in rows} == TENANTS
    assert "HTTP 401" in example.stdout


def test_the_password_of_the_tools_example_is_nowhere_in_its_file(
    ran: Callable[[str], Ran],
) -> None:
    example = ran("tools")
    text = example.file.read_text(encoding="utf-8")
    assert "[REDACTED]" in text
    assert "tulip-7" not in text
    assert "The file does not hold the password." in example.stdout
