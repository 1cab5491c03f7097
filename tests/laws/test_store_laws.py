"""
What holds for every store, whatever comes in whatever order.

The store in memory works everything out anew from all events; the SQLite store adds
batch to batch. Both must say the same.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chaukas.store.filter import parse
from chaukas.store.memory import MemoryStore
from chaukas.store.sqlite import SqliteStore
from tests.support.records import event, line

NOW_US = 1_767_268_800_000_000 + 3_600_000_000

FILTERS = (
    "", "agent:desk", "agent:d*,billing", "model:gpt-4o", "tool:lookup",
    "status:failed",
    "status:completed,waiting", "-status:completed", "status:open", "status:died",
    "cost>0", "cost>=0.001", "tokens:110", "duration>50ms", "calls>1", "tools:1",
    "errors>0 -retries>0", "denials:1", "unpriced>0", "since:59m", "until:3590s",
    "order", "-order", '"is my"', "ord*", "tenant:acme", "project:p*", "session:c1",
    "trace:t1", "kind:error", "-kind:tool", "type:TOOL_CALL_END", "id:*1", "span:a*",
    "error:*", "policy:deny", "policy:guard", "server:stations", "user:u1",
    "framework:*", "label:good", "-label:good agent:desk", "-tool:lookup", "…",
)  # fmt: skip
COUNTED = frozenset(
    ("", "agent:desk", "model:gpt-4o", "-tool:lookup", "status:failed", "since:59m",
     "tenant:acme", "cost>0")
)  # fmt: skip
"""Filters with which sums are asked for as well."""
GROUPS: tuple[tuple[tuple[str, ...], str], ...] = (
    ((), ""), (("day",), "model"), (("day", "model"), ""), (("tool", "agent"), ""),
    (("server",), ""), (("time",), ""), (("hour", "status"), ""), (("agent",), ""),
    (("minute", "tenant"), "tool"), (("session", "user"), ""), (("to",), ""),
    (("status",), "model"), (("framework", "project"), "agent"),
)  # fmt: skip

few = st.sampled_from
number = st.integers(0, 3)


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """Return an event of few values, so that many meet."""
    kind = draw(few(
        "SESSION_START SESSION_END AGENT_START AGENT_END MODEL_INVOCATION_START"
        " MODEL_INVOCATION_END TOOL_CALL_START TOOL_CALL_END MCP_CALL_START"
        " MCP_CALL_END INPUT_RECEIVED OUTPUT_EMITTED ERROR RETRY POLICY_DECISION"
        " AGENT_HANDOFF STATE_UPDATE SYSTEM".split()
    ))  # fmt: skip
    at = draw(st.integers(0, 40))
    span = draw(few(("a1", "a2", "b1")))
    text = draw(few(("Where is my order?", "an order", "", "Größe 7")))
    agent = draw(few(("desk", "billing", "")))
    fields: dict[str, Any] = {
        "id": draw(st.uuids(version=4)).hex,
        "trace_id": draw(few(("t1", "t2", "t3", ""))),
        "session_id": draw(few(("c1", "c2", ""))),
        "tenant_id": draw(few(("acme", "globex"))),
        "project_id": draw(few(("p1", "p2"))),
        "span_id": span,
        "agent_name": agent,
        "stream": draw(few(("s1", "s2"))),
        "seq": draw(st.integers(1, 50)),
    }
    metadata: dict[str, Any] = {"run_id": draw(few(("a1", "b1")))}
    if draw(st.booleans()):
        metadata["user_id"] = draw(few(("u1", "u2")))
        metadata["framework"] = draw(few(("openai_agents", "crewai")))
    _fill(draw, kind, fields, metadata, text)
    return event(kind, at * 60, metadata=metadata, **fields)


# One branch for each kind.
def _fill(  # noqa: PLR0912
    draw: st.DrawFn,
    kind: str,
    fields: dict[str, Any],
    metadata: dict[str, Any],
    text: str,
) -> None:
    """Add the content of a kind of event."""
    if kind.endswith("_END"):
        fields["status"] = draw(few(("COMPLETED", "FAILED", "CANCELLED")))
        fields["performance"] = {"duration_ms": draw(st.integers(0, 200))}
    if kind == "AGENT_END":
        if draw(st.booleans()):
            outcome = draw(few(("completed", "failed", "waiting")))
            metadata["run"] = {"outcome": outcome, "duration_ms": draw(number) * 50}
        metadata["orphan"] = draw(st.booleans())
    elif kind.startswith("MODEL"):
        call: dict[str, Any] = {"model": draw(few(("gpt-4o", "other")))}
        if kind.endswith("_END"):
            call |= {"prompt_tokens": draw(number) * 50, "completion_tokens": 10}
            call["total_tokens"] = 60
            call["response"] = {"text": text}
            if draw(st.booleans()):
                fields["cost"] = {"total_cost": draw(number) * 0.0005}
        fields["llm_invocation"] = call
    elif kind.startswith("TOOL"):
        name = draw(few(("lookup", "refund")))
        fields["tool_call"] = {"tool_name": name, "arguments": {"q": text}}
        fields["tool_response"] = {"tool_name": name, "output": {"output": text}}
    elif kind.startswith("MCP"):
        fields["mcp_call"] = {"server_name": "stations", "operation": "tools/call"}
    elif kind in {"INPUT_RECEIVED", "OUTPUT_EMITTED"}:
        fields["message"] = {"role": "user", "text": text}
        fields["is_partial"] = draw(st.booleans())
    elif kind == "ERROR":
        fields["error"] = {"error_code": "E", "error_message": f"{text} {draw(number)}"}
    elif kind == "RETRY":
        fields["retry"] = {"attempt": 1, "backoff_ms": draw(number) * 10}
        fields["retry"]["metadata"] = {"model": "gpt-4o", "layer": "http"}
    elif kind == "POLICY_DECISION":
        outcome = draw(few(("allow", "deny")))
        fields["policy"] = {"policy_id": "guard", "outcome": outcome}
    elif kind == "AGENT_HANDOFF":
        fields["agent_handoff"] = {"from_agent_name": "desk", "to_agent_name": "b"}
    elif kind == "SYSTEM":
        name = draw(few(
            ("chaukas.disabled", "chaukas.pipeline", "chaukas.score", "mine")
        ))  # fmt: skip
        metadata["name"] = name
        metadata["data"] = {"dropped": {"full": draw(number)}}
        metadata["score"] = {"name": draw(few(("good", "note"))), "value": draw(number)}


def _answers(reader: Any) -> dict[str, Any]:
    """Return what a reader says to many questions, without numbers of arrival."""
    found: dict[str, Any] = {}
    for text in FILTERS:
        asked = parse(text, NOW_US)
        runs = reader.runs(asked)
        found[f"runs {text}"] = sorted(runs.items, key=repr), runs.matched
        found[f"sessions {text}"] = sorted(reader.sessions(asked).items, key=repr)
        rows = reader.events(asked, limit=1000).items
        found[f"events {text}"] = sorted(row.event_id for row in rows)
        found[f"causes {text}"] = sorted(reader.causes(asked), key=repr)
        found[f"labels {text}"] = sorted(reader.labels(asked).items, key=repr)
        for by, of in GROUPS if text in COUNTED else ():
            answer = reader.numbers(by, asked, of)
            found[f"numbers {by} {of} {text}"] = answer
    for text in ("order", "my order", "größe", "grosse", "groß*", '"is my"', "!"):
        hits = reader.search(text, parse("", NOW_US)).items
        found[f"search {text}"] = sorted(
            (hit.row.event_id, hit.snippet, hit.matches) for hit in hits
        )
    found["streams"] = reader.streams()
    found["count"] = reader.event_count()
    return found


def _stored(store: Any, batches: list[list[dict[str, Any]]], live: Any) -> Any:
    for batch in batches:
        store.ingest([line(one) for one in batch])
    store.set_live(live)
    return store


def _same(left: dict[str, Any], right: dict[str, Any]) -> None:
    different = {name for name in left if left[name] != right[name]}
    first = min(different, default="")
    assert not different, (first, left[first], right[first])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(events(), max_size=8), max_size=4),
    few((None, frozenset(), frozenset({"s1"}))),
    few((None, "acme", "globex")),
)
def test_sums_added_batch_by_batch_are_those_of_all_events(
    batches: list[list[dict[str, Any]]], live: Any, tenant: str | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        kept = _stored(SqliteStore(path, is_durable=False), batches, live)
        plain = _stored(MemoryStore(), batches, live)
        readers = kept.reader(tenant), plain.reader(tenant)
        answers = [_answers(reader) for reader in readers]
        readers[0].close()
        kept.close()
    _same(*answers)


@settings(max_examples=15, deadline=None)
@given(st.lists(events(), max_size=24), st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_of_events_changes_an_answer(
    given_events: list[dict[str, Any]], random: Any
) -> None:
    shuffled = [*given_events, *given_events[::2]]
    random.shuffle(shuffled)
    cut = len(shuffled) // 2
    found = []
    for batches in ([given_events], [shuffled[:cut], shuffled[cut:]]):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "store.db"
            store = _stored(SqliteStore(path, is_durable=False), batches, None)
            reader = store.reader(None)
            found.append(_answers(reader))
            reader.close()
            store.close()
    _same(*found)
